//! `[limits]`: how much a callback takes.

use std::num::NonZeroU32;

use scenecast_shared::serve::Admits;
use serde::Deserialize;

/// `[limits]`, on each pod; 0 is no limit.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time of WeChat and mini programs, and as many of gateways and sites.
    pub connections: NonZeroU32,
    /// New ones of WeChat and mini programs in a second, and as many at once.
    pub connections_per_second: u32,
    /// Messages of WeChat's in a second, and as many at once.
    pub webhooks_per_second: u32,
    /// Sockets at a time of each client address.
    pub sockets_per_address: u32,
    /// Mini programs' calls in a minute of each client address, and as many at once; as many webhooks that are refused.
    pub requests_per_address: u32,
}

impl Limits {
    /// So many connections at a time, and otherwise what is usual.
    pub fn new(connections: NonZeroU32) -> Self {
        Self { connections, ..Self::default() }
    }

    /// What is limited of WeChat and mini programs before a request is looked at.
    pub(crate) fn of_the_public(self) -> Admits {
        Admits {
            connections_per_second: self.connections_per_second,
            sockets_per_address: self.sockets_per_address,
            requests_per_address: self.requests_per_address,
            ..self.of_our_own()
        }
    }

    /// What is limited of gateways and sites.
    pub(crate) fn of_our_own(self) -> Admits {
        Admits { connections: usize::try_from(self.connections.get()).unwrap_or(usize::MAX), ..Admits::default() }
    }
}

impl Default for Limits {
    /// What a pod of two cores bears, and, for an address, more than the largest office behind one needs.
    fn default() -> Self {
        Self {
            // A thousand less than the file descriptors that a process commonly has.
            connections: NonZeroU32::new(19_000).expect("it isn't zero"),
            connections_per_second: 5_000,
            webhooks_per_second: 5_000,
            sockets_per_address: 5_000,
            requests_per_address: 3_000,
        }
    }
}
