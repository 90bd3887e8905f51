//! `[limits]`: how much a gateway takes.

use std::num::NonZeroU32;

use scenecast_shared::{config::Seconds, serve::Admits};
use serde::Deserialize;

/// Which part of the connections of a second one client address may have: nobody shuts all others out alone.
const A_FIFTH: u32 = 5;

/// `[limits]`, on each pod; 0 is no limit of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at a time.
    pub connections: NonZeroU32,
    /// New ones in a second, and as many at once.
    pub connections_per_second: u32,
    /// Sockets, streams and polls at a time of each client address.
    pub sockets_per_address: u32,
    /// Requests in a minute of each client address, and as many at once.
    pub requests_per_address: u32,
    /// Scenes that each client address opens in a minute, and as many at once.
    pub scenes_per_address: u32,
    /// How long a browser may leave unread what was sent to it.
    pub unread: Seconds,
}

impl Limits {
    /// So many connections at a time, and otherwise what is usual.
    pub fn new(connections: NonZeroU32) -> Self {
        Self { connections, ..Self::default() }
    }

    /// What is limited before a request is looked at.
    pub(crate) fn admits(self) -> Admits {
        Admits {
            connections: usize::try_from(self.connections.get()).unwrap_or(usize::MAX),
            connections_per_second: self.connections_per_second,
            connections_per_second_of_address: self.connections_per_second.div_ceil(A_FIFTH),
            sockets_per_address: self.sockets_per_address,
            requests_per_address: self.requests_per_address,
        }
    }
}

impl Default for Limits {
    /// What a pod of two cores bears, and, for an address, more than the largest office behind one needs.
    fn default() -> Self {
        Self {
            // A thousand less than the file descriptors that a process commonly has.
            connections: NonZeroU32::new(19_000).expect("it isn't zero"),
            connections_per_second: 5_000,
            sockets_per_address: 5_000,
            requests_per_address: 12_000,
            scenes_per_address: 3_000,
            // A phone may be without a network for a while.
            unread: Seconds::new(30),
        }
    }
}
