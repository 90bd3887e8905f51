//! The result of a run: one JSON file that says everything of it. The report and `compare` read nothing else.
//!
//! | module | what it is for |
//! |---|---|
//! | `file`, `format` | reads and writes the file; refuses another format or version |
//! | `run_result` | the whole |
//! | `setting` | who measured what on which machine |
//! | `timeline` | phases and seconds, with their histograms |
//! | `funnel` | what became of the logins |
//! | `processes` | CPU and memory of each process over time, and what a login costs |
//! | `worker_words` | what is said of a run's workers |
//! | `verdict` | whether the generator kept up, thresholds, completeness, the exit code |
//!
//! # The format
//!
//! The file is JSON: `{"format": "scenecast-loadtest-result", "version": 1, …}`. Fields may be added within a version;
//! readers ignore what they don't know. A field that changes its meaning or goes away makes a new version, and a reader
//! refuses other versions.
//!
//! Units are in the names: `…_ms` are milliseconds, `…_seconds` and `at_seconds` are seconds, `…_bytes` are bytes, `…_us`
//! are microseconds. Moments are seconds since the run's start, as numbers with a fraction. Rates are per second.
//! Histograms come as a summary, and whole in `hdr`: base64 of `HdrHistogram`'s `V2Deflate`, in nanoseconds.

mod file;
mod format;
mod funnel;
mod processes;
mod run_result;
mod setting;
mod timeline;
mod verdict;
mod worker_words;

pub use file::{ResultFileError, parse, read, to_json, write, write_whole};
pub use format::{FORMAT, VERSION};
pub use funnel::Funnel;
pub use processes::{LoginCost, ProcessRole, ProcessSample, ProcessSeries, RoleCost};
pub use run_result::RunResult;
pub use setting::{HostInfo, TargetInfo, ToolInfo};
pub use timeline::{FaultMark, HistogramRecord, LatencySummary, PhaseResult, SecondResult};
pub use verdict::{Completeness, GeneratorHealth, HealthFinding, RunVerdict, ThresholdOutcome, WorkerEnd};
pub use worker_words::WorkerWords;
