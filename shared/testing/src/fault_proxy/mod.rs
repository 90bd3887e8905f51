//! A TCP proxy between clients and servers that fails as networks fail.
//!
//! `state` says what happens to connections and bytes; `relay` does it; `proxy` lets a test change it; `recording_proxy`
//! remembers all bytes as well.

pub(crate) mod proxy;
pub(crate) mod recording_proxy;
mod relay;
pub(crate) mod state;
