//! The report: a result as one HTML file that needs nothing else.
//!
//! | module | what it is for |
//! |---|---|
//! | `cli` | `scenecast-loadtest report` |
//! | `page` | puts everything together |
//! | `headline` | the verdict, in words |
//! | `limits` | what the measurement can't say, in words |
//! | `plan_words` | what the run was asked to do, in words |
//! | `cards`, `tables`, `funnel_bars` | the numbers that matter; all others; who came how far |
//! | `comparison_table` | what became better or worse, of two runs |
//! | `time_charts`, `process_charts`, `percentile_chart` | charts as data |
//! | `chart` | what a chart is; `templates/report/report.js` draws it |
//! | `reported`, `condensed` | a run as the report takes it; seconds put together |
//! | `numbers` | numbers as people read them |
//! | `sample` | invented results, for tests |

mod cards;
mod chart;
mod cli;
mod comparison_table;
mod condensed;
mod funnel_bars;
mod headline;
mod limits;
pub(crate) mod numbers;
mod page;
#[cfg(test)]
mod page_tests;
mod percentile_chart;
mod plan_words;
mod process_charts;
mod reported;
pub mod sample;
mod tables;
mod time_charts;

pub(crate) use cli::is_same_file;
pub use cli::{ReportCli, ReportFileError, USAGE, run, write_page, write_report};
pub use comparison_table::ComparisonTable;
pub(crate) use comparison_table::{ComparisonRow, ComparisonTone};
pub use condensed::SecondError;
pub(crate) use headline::{Headline, Tone};
pub use page::{ReportError, comparison_page, run_page};
pub use percentile_chart::PhaseError;
