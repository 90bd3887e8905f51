//! Connections to Redis servers. They come back by themselves after any failure.
//!
//! `pool` has one connection for each server, `managed` keeps one connection alive, `heartbeat` asks its server
//! whether it is of use, `health` counts them for the metric `redis_connected`.

pub(crate) mod health;
pub(crate) mod heartbeat;
pub(crate) mod managed;
pub(crate) mod pool;
