//! A TCP proxy between clients and servers that fails as networks fail.
//!
//! `state` says what happens to connections and bytes; `relay` does it; `proxy` lets a test change it.

pub(crate) mod proxy;
mod relay;
pub(crate) mod state;
