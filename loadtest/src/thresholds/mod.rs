//! Thresholds in words, such as `response.p99 < 50ms`, `lost == 0` or `cpu.login / cpu.generator.login <= 3`, and whether
//! a result keeps them. No I/O, except that a file of them can be read.
//!
//! | module | what it is for |
//! |---|---|
//! | `file` | a file of thresholds |
//! | `threshold` | one threshold: its text, and whether it holds |
//! | `metric` | the names of what was measured, and their values in a result |
//! | `quantity` | numbers with units |

mod file;
mod metric;
mod quantity;
mod threshold;

pub use file::ThresholdFile;
pub use metric::MetricName;
pub use quantity::Quantity;
pub use threshold::{Threshold, ThresholdError};
