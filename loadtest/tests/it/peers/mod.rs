//! Peers as targets, and the command that compares them.

mod command;
pub(crate) mod target;
