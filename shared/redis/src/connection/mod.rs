//! Connections to Redis servers. They come back by themselves after any failure.
//!
//! `pool` has one connection for each server, `managed` keeps one connection alive, `health` counts them for the
//! metric `redis_connected`.

pub(crate) mod health;
pub(crate) mod managed;
pub(crate) mod pool;
