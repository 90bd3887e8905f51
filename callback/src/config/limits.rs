//! `[limits]`: how much one callback pod accepts.

use std::num::NonZeroU32;

use scenecast_service::{
    admission::AdmissionLimits,
    ceilings::{ConnectionCeiling, HTTP_CONNECTION_BYTES},
    config::{Seconds, defaults},
};
use serde::Deserialize;

/// How many of WeChat's connections beyond the limits are held at a time, without an answer.
const UNANSWERED_DELIVERIES: usize = 2_048;

/// A part of a whole, in percent: 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct Percent(u8);

impl Percent {
    /// So many hundredths. None beyond 100.
    pub const fn new(hundredths: u8) -> Option<Self> {
        if hundredths <= 100 { Some(Self(hundredths)) } else { None }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This part of a whole, rounded down.
    pub(crate) fn of(self, whole: u64) -> u64 {
        u64::try_from(u128::from(whole) * u128::from(self.0) / 100).unwrap_or(whole)
    }
}

impl TryFrom<u8> for Percent {
    type Error = &'static str;

    fn try_from(hundredths: u8) -> Result<Self, Self::Error> {
        Self::new(hundredths).ok_or("must be 0 to 100 percent")
    }
}

/// `[limits]`, for each pod. 0 is no limit.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallbackLimits {
    /// Connections at a time: of WeChat and mini programs together, and of gateways and sites together.
    pub connections: NonZeroU32,
    /// New connections of WeChat and mini programs in a second, and as many at once.
    pub connections_per_second: u32,
    /// Deliveries of WeChat in a second, and as many at once.
    #[serde(alias = "webhooks_per_second")]
    pub deliveries_per_second: u32,
    /// Connections at a time of each client address.
    pub sockets_per_address: u32,
    /// Calls of mini programs in a minute of each client address, and as many at once. As many refused deliveries.
    pub requests_per_address: u32,
    /// How many of an account's QR codes of a day (`qr_quota`) the pages of each client address get, on all pods
    /// together.
    pub qr_percent_per_address: Percent,
    /// How long a connection may wait for its next request: 1 to 3600 seconds.
    pub keep_alive: Seconds,
}

impl CallbackLimits {
    /// So many connections at a time, and the defaults for the rest.
    pub fn new(connections: NonZeroU32) -> Self {
        Self { connections, ..Self::default() }
    }

    /// The limit of connections, which the public and the internal listener have each.
    pub fn connection_ceiling(&mut self) -> ConnectionCeiling<'_> {
        let beside = [self.public(), self.internal()].map(|limits| limits.descriptors_beside());
        ConnectionCeiling {
            setting: "limits.connections",
            listeners: 2,
            beside: beside.iter().sum(),
            bytes: HTTP_CONNECTION_BYTES,
            connections: &mut self.connections,
        }
    }

    /// The limits of the public listener.
    pub(crate) fn public(self) -> AdmissionLimits {
        AdmissionLimits {
            connections_per_second: self.connections_per_second,
            sockets_per_address: self.sockets_per_address,
            requests_per_address: self.requests_per_address,
            delayed_closes: UNANSWERED_DELIVERIES,
            ..self.internal()
        }
    }

    /// The limits of the internal listener.
    pub(crate) fn internal(self) -> AdmissionLimits {
        AdmissionLimits {
            connections: usize::try_from(self.connections.get()).unwrap_or(usize::MAX),
            // Its clients are programs, and never wait to be closed.
            delayed_closes: 0,
            ..AdmissionLimits::default()
        }
    }
}

impl Default for CallbackLimits {
    /// What a pod with two cores can serve; and, for one address, more than the largest office behind one address
    /// needs.
    fn default() -> Self {
        Self {
            // A process commonly has 20,000 file descriptors. A thousand are left for the rest.
            connections: NonZeroU32::new(19_000).expect("it isn't zero"),
            connections_per_second: 5_000,
            deliveries_per_second: 5_000,
            sockets_per_address: 5_000,
            requests_per_address: 3_000,
            // Two codes for each of ten thousand people behind one address.
            qr_percent_per_address: Percent::new(20).expect("it is less than 100"),
            keep_alive: defaults::keep_alive(),
        }
    }
}
