//! The simulator as others meet it, over real HTTP and with a real server as the callback; and, in
//! `cluster`, whole logins across processes.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod api;
mod cluster;
mod compatible;
mod control;
mod drills;
mod mini_program;
mod people;
mod phone;
mod process;
mod receiver;
mod scripted_callback;
mod sealing;
mod webhook;
mod world;
