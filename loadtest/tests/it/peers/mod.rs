//! Peers as targets, and the command that compares them.

mod command;
mod target;
