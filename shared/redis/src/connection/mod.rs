//! Connections to Redis servers. They come back by themselves after any failure.
//!
//! `pool` has one connection for each server, `managed` keeps one connection alive, `addresses` resolves its server's
//! name, `hello` writes user and password, `heartbeat` asks the server whether it is of use, `unreachable` says why it can't be connected to, `health`
//! counts connections for the metric `redis_connected`.

mod addresses;
pub(crate) mod health;
pub(crate) mod heartbeat;
mod hello;
pub(crate) mod managed;
pub(crate) mod pool;
mod unreachable;
