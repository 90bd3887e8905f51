//! `[limits]`: how many connections and requests a gateway pod accepts.

use std::num::NonZeroU32;

use scenecast_service::{
    admission::AdmissionLimits,
    ceilings::{ConnectionCeiling, HTTP_CONNECTION_BYTES},
    config::{Seconds, defaults},
};
use serde::Deserialize;

/// One client address may open one in so many of the new connections of a second, so that no single address
/// shuts out all others.
const ADDRESS_SHARE: u32 = 5;
/// So many scenes may wait to be opened again, however few connections a gateway accepts.
const LEAST_REOPENING: usize = 256;

/// `[limits]` of each pod. 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayLimits {
    /// Connections at a time.
    pub connections: NonZeroU32,
    /// New connections in a second, and as many at once.
    pub connections_per_second: u32,
    /// Sockets, streams and polls at a time, for each client address.
    pub sockets_per_address: u32,
    /// Requests in a minute, and as many at once, for each client address.
    pub requests_per_address: u32,
    /// Scenes that each client address opens in a minute, and as many at once.
    pub scenes_per_address: u32,
    /// Calls to callbacks at a time.
    pub calls: NonZeroU32,
    /// How long a browser may leave unread what was sent to it.
    pub unread: Seconds,
    /// How long a connection may wait for its next request: 1 to 3600 seconds.
    pub keep_alive: Seconds,
}

impl GatewayLimits {
    /// The default limits, but for the number of connections.
    pub fn new(connections: NonZeroU32) -> Self {
        Self { connections, ..Self::default() }
    }

    /// How many scenes may wait to be opened again: as many as this gateway can have pages, which all wait when Redis
    /// has lost its data.
    pub(crate) fn most_reopening(self) -> usize {
        usize::try_from(self.connections.get()).unwrap_or(usize::MAX).max(LEAST_REOPENING)
    }

    /// How many calls to callbacks are under way at a time.
    pub(crate) fn calls_at_a_time(self) -> usize {
        usize::try_from(self.calls.get()).unwrap_or(usize::MAX)
    }

    /// The limit of connections, which all listeners for browsers share.
    pub fn connection_ceiling(&mut self) -> ConnectionCeiling<'_> {
        ConnectionCeiling {
            setting: "limits.connections",
            listeners: 1,
            beside: self.admits().descriptors_beside(),
            bytes: HTTP_CONNECTION_BYTES,
            connections: &mut self.connections,
        }
    }

    /// The limits that hold before the gateway looks at a request.
    pub(crate) fn admits(self) -> AdmissionLimits {
        AdmissionLimits {
            connections: usize::try_from(self.connections.get()).unwrap_or(usize::MAX),
            connections_per_second: self.connections_per_second,
            connections_per_second_of_address: self.connections_per_second.div_ceil(ADDRESS_SHARE),
            sockets_per_address: self.sockets_per_address,
            requests_per_address: self.requests_per_address,
            ..AdmissionLimits::default()
        }
    }
}

impl Default for GatewayLimits {
    /// What a pod of two cores can serve. For one address: more than the largest office behind it needs.
    fn default() -> Self {
        Self {
            // A thousand less than the usual limit of file descriptors.
            connections: NonZeroU32::new(19_000).expect("it isn't zero"),
            connections_per_second: 5_000,
            sockets_per_address: 5_000,
            requests_per_address: 12_000,
            scenes_per_address: 3_000,
            // A call takes a few tenths of a second, most of it WeChat's.
            calls: NonZeroU32::new(256).expect("it isn't zero"),
            // A phone may be without a network for a while.
            unread: Seconds::new(30),
            keep_alive: defaults::keep_alive(),
        }
    }
}
