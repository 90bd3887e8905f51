//! Log lines and traces.

mod export;
pub(crate) mod log_limit;
pub(crate) mod start;
mod trace;

pub use start::{TelemetryGuard, start};
