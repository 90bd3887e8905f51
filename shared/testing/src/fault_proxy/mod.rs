//! A TCP proxy between a client and its servers that fails as networks do.

pub(crate) mod proxy;
pub(crate) mod recording_proxy;
mod relay;
