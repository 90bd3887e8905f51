//! What is measured: histograms of times, never single samples. No I/O.
//!
//! | module | what it is for |
//! |---|---|
//! | `latency` | a histogram of times; its percentiles, its standard encoding |
//! | `timings` | what is timed of each login, per phase and per second |
//! | `interval_log` | the standard log of histograms, which other tools read |

mod interval_log;
mod latency;
mod timings;

pub use interval_log::{IntervalEntry, write_interval_log};
pub use latency::{HistogramError, Latency};
pub use timings::{LoginTiming, SecondTimings, TimingSet, Timings};
