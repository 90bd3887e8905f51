//! Log lines and traces.

mod export;
pub(crate) mod log_limit;
pub(crate) mod start;
pub(crate) mod trace;

pub use start::{TelemetryGuard, start};
pub use trace::{continue_from, traceparent};
