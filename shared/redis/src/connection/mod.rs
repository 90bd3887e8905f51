//! Connections to Redis servers. They come back by themselves after any failure.
//!
//! `pool` has one connection for each server, `managed` is one connection, in a `state`, `connector` keeps it alive,
//! `addresses` looks its server's name up, `client_settings` sets a client up, `hello` writes user and password, `heartbeat` asks the server whether it is of use,
//! `unreachable` says why it can't be connected to, `health` counts connections for the metric `redis_connected`.

mod addresses;
pub(crate) mod client_settings;
mod connector;
pub(crate) mod health;
pub(crate) mod heartbeat;
mod hello;
pub(crate) mod managed;
pub(crate) mod pool;
pub(crate) mod state;
mod unreachable;
