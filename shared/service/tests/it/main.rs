//! Accepting, answering and shutting down, on real sockets.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod detached;
mod fixtures;
mod hostile;
mod outbound;
mod serve;
mod shutdown;
