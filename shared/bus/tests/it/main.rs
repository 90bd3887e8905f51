//! Tests of the bus against real Redis servers. All are in one binary, so that the linker runs once.
//!
//! | module | what it tests |
//! |---|---|
//! | `bus::contract` | the contract of the bus, over every backend |
//! | `bus` | what only a bus over Redis can do wrong |
//! | `census` | the count of gateways and their pages |
//! | `faults` | logins that go on through faults of each layout of Redis |

#![expect(clippy::unwrap_used, reason = "a fixture that fails should fail its test")]

mod bus;
mod census;
mod faults;
mod fixtures;
