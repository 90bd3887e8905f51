//! Whole logins across processes, and the commands of an operator.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod cluster;
mod compatible;
mod documents;
mod drills;
mod kubernetes;
mod peers;
mod reports;
mod run;
mod simulator_process;
mod webhook_receiver;
mod workers;
