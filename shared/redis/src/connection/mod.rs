//! Connections that always come back.

pub(crate) mod health;
pub(crate) mod managed;
pub(crate) mod pool;
