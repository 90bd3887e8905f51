//! The simulator over real HTTP, with a real server as the callback.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod actions;
mod api;
mod control;
mod deliveries;
mod encryption;
mod mini_program;
mod phone;
mod scripted_callback;
mod world;
