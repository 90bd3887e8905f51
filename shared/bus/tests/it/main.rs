//! What the bus promises, against real servers. One binary, so that it links once.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod bus;
mod census;
mod faults;
mod fixtures;
