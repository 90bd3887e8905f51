//! What this crate promises, against real servers. One binary, so that it links once.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod backend;
mod bus;
mod faults;
mod fixtures;
mod hop;
mod hostile;
mod serve;
mod store;
mod wire;
