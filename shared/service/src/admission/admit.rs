//! Decides which connections and requests a pod accepts.
//!
//! A new connection passes four checks. The first check that fails gives the [`RejectReason`]:
//!
//! ```text
//!                 accept()
//!                    │
//!   1. connection rate of its address ──too high──▶ closed at once
//!                    │
//!   2. sockets of its address ──────────too many──┐
//!                    │                            │
//!   3. connection rate of the pod ──────too high──┤
//!                    │                            │
//!   4. connections of the pod ──────────too many──┤
//!                    │                            ▼
//!                 served         one of 256 reject slots is free,
//!                                and its address has fewer than 32?
//!                                      │ yes                  │ no
//!                                      ▼                      ▼
//!                           each request is answered     closed at once
//!                           "503/429, Retry-After"
//! ```
//!
//! Checks 1 and 2 skip the addresses of trusted proxies. Behind a proxy, the middleware [`admit_clients`] counts the
//! sockets by the address that the proxy forwards. The middleware also limits each address's rate of requests.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    admission::{
        connection_slots::{ConnectionSlot, ConnectionSlots, SlotsExhausted},
        held_connections::HeldConnections,
        overload::{Overloaded, RejectReason, RejectSlot, Rejections},
        rate_limit::{AddressRateLimit, RateLimit},
    },
    http::{
        bad_request::BadRequests,
        client_address::{ClientAddress, PeerAddress, TrustedProxies},
    },
};
use scenecast_metrics::Metrics;

/// How many rejected connections get an answer at a time, and one address an eighth of them. Connections beyond are closed
/// without one.
const MAX_REJECT_SLOTS: usize = 256;
/// How many rejected clients may be kept waiting at a time, unless a pod says otherwise.
const DELAYED_CLOSES: usize = 512;

/// What a pod accepts. 0 means no limit, except for `connections` and `delayed_closes`.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// Connections at a time, on all listeners together.
    pub connections: usize,
    /// New connections in a second, and the largest burst.
    pub connections_per_second: u32,
    /// New connections in a second from one client address, and the largest burst. Trusted proxies are exempt.
    pub connections_per_second_of_address: u32,
    /// Sockets at a time of one client address.
    pub sockets_per_address: u32,
    /// Requests in a minute of one client address, and the largest burst.
    pub requests_per_address: u32,
    /// Rejected clients that are kept waiting at a time; see [`Overloaded::wait_before_close`].
    pub delayed_closes: usize,
}

impl AdmissionLimits {
    /// How many descriptors a listener needs beside those of its connections, for clients that it turns away.
    pub fn descriptors_beside(&self) -> u32 {
        u32::try_from(MAX_REJECT_SLOTS + self.delayed_closes).unwrap_or(u32::MAX)
    }
}

impl Default for AdmissionLimits {
    /// No connections, 512 delayed closes, and no other limit.
    fn default() -> Self {
        Self {
            connections: 0,
            connections_per_second: 0,
            connections_per_second_of_address: 0,
            sockets_per_address: 0,
            requests_per_address: 0,
            delayed_closes: DELAYED_CLOSES,
        }
    }
}

/// Decides whether a connection or a request is served. Clones share their counts.
#[derive(Debug, Clone)]
pub struct Admission(Arc<AdmissionState>);

#[derive(Debug)]
struct AdmissionState {
    connections: Arc<Semaphore>,
    reject_slots: HeldConnections,
    delayed_closes: Arc<HeldConnections>,
    connection_rate: RateLimit,
    connection_rate_by_address: AddressRateLimit,
    sockets: Arc<ConnectionSlots>,
    request_rate: AddressRateLimit,
    proxies: TrustedProxies,
    rejections: Rejections,
}

/// An accepted connection's share of the limits. Dropping it gives the share back.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// Its requests are served.
    Served { _permit: OwnedSemaphorePermit, slot: Option<ConnectionSlot> },
    /// Its requests are answered with a refusal.
    Rejected { slot: Arc<RejectSlot>, reason: RejectReason },
}

impl Admitted {
    /// The mark for requests on this connection, if they are to be refused.
    pub(crate) fn overloaded(&self) -> Option<Overloaded> {
        match self {
            Self::Served { .. } => None,
            Self::Rejected { slot, reason } => Some(Overloaded::new(*reason).with_slot(slot.clone())),
        }
    }

    /// Holds the slot as long as the connection lasts. A rejected connection needs none.
    pub(crate) fn hold_slot(&mut self, held: ConnectionSlot) {
        if let Self::Served { slot, .. } = self {
            *slot = Some(held);
        }
    }
}

impl Admission {
    /// Admission for a pod behind `proxies`. Every rejection is counted in `rejections`.
    pub fn new(limits: AdmissionLimits, proxies: TrustedProxies, rejections: Rejections) -> Self {
        Self(Arc::new(AdmissionState {
            connections: Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))),
            reject_slots: HeldConnections::new(MAX_REJECT_SLOTS),
            delayed_closes: Arc::new(HeldConnections::new(limits.delayed_closes)),
            connection_rate: RateLimit::per_second(limits.connections_per_second),
            connection_rate_by_address: AddressRateLimit::per_second(limits.connections_per_second_of_address),
            sockets: ConnectionSlots::new(limits.sockets_per_address),
            request_rate: AddressRateLimit::per_minute(limits.requests_per_address),
            proxies,
            rejections,
        }))
    }

    /// What is no request is counted here.
    pub fn bad_requests(&self) -> &BadRequests {
        self.0.rejections.bad_requests()
    }

    /// Limits only the number of connections at a time. Its rejections are in no registry.
    pub(crate) fn with_connection_limit(connections: usize) -> Self {
        let limits = AdmissionLimits { connections, ..AdmissionLimits::default() };
        Self::new(limits, TrustedProxies::default(), Rejections::new(&Metrics::new()))
    }

    /// Admits a connection from this peer. `None` means: close it at once.
    pub(crate) fn admit(&self, peer: SocketAddr) -> Option<Admitted> {
        match self.check_limits(peer) {
            Ok(admitted) => Some(admitted),
            // One address that floods the pod would take all reject slots from others.
            Err(RejectReason::AddressConnectRate) => {
                self.0.rejections.count(RejectReason::AddressConnectRate);
                None
            }
            Err(reason) => self.reject(peer, reason),
        }
    }

    /// Turns a connection of this peer away for this reason. `None` means: close it at once.
    pub(crate) fn reject(&self, peer: SocketAddr, reason: RejectReason) -> Option<Admitted> {
        // A proxy's connection belongs to many clients.
        let client = (!self.0.proxies.is_trusted(peer.ip())).then(|| peer.ip());
        let Some(place) = self.0.reject_slots.hold(client) else {
            self.0.rejections.count(RejectReason::NoRejectSlot);
            return None;
        };
        self.0.rejections.count(reason);
        Some(Admitted::Rejected { slot: RejectSlot::new(place, self.0.delayed_closes.clone()), reason })
    }

    fn check_limits(&self, peer: SocketAddr) -> Result<Admitted, RejectReason> {
        let state = &*self.0;
        let slot = if state.proxies.is_trusted(peer.ip()) {
            // A proxy's connection belongs to many clients. Each of their requests is counted for its own client.
            None
        } else {
            // These come before the pod's own limits, so that a flood from one address uses none of the others' share.
            let client = peer.ip();
            state.connection_rate_by_address.check(client).map_err(|_| RejectReason::AddressConnectRate)?;
            state.sockets.take(client).map_err(|SlotsExhausted| RejectReason::Sockets)?
        };
        if !state.connection_rate.allows() {
            return Err(RejectReason::ConnectRate);
        }
        let permit = state.connections.clone().try_acquire_owned().map_err(|_| RejectReason::Connections)?;
        Ok(Admitted::Served { _permit: permit, slot })
    }

    /// Checks a request against its client's limits. Takes a slot for it if it came through a proxy; a direct
    /// connection has its slot already.
    fn check_request(&self, request: &Request) -> Result<Option<ConnectionSlot>, Overloaded> {
        let state = &*self.0;
        let extensions = request.extensions();
        let (Some(PeerAddress(peer)), Some(client)) = (extensions.get(), extensions.get::<ClientAddress>()) else {
            return Ok(None);
        };
        if let Err(retry_after) = state.request_rate.check(client.limited_as()) {
            state.rejections.count(RejectReason::Requests);
            return Err(Overloaded::with_retry_after(RejectReason::Requests, retry_after));
        }
        if !state.proxies.is_trusted(peer.ip()) {
            return Ok(None);
        }
        state.sockets.take(client.limited_as()).map_err(|SlotsExhausted| {
            state.rejections.count(RejectReason::Sockets);
            Overloaded::new(RejectReason::Sockets)
        })
    }
}

/// Middleware: marks a request as [`Overloaded`] if its client address sends too many requests or has too many sockets.
/// Place it inside [`with_client_address`](crate::http::with_client_address), which tells it the address.
pub async fn admit_clients(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Overloaded>().is_some() {
        return next.run(request).await;
    }
    let slot = match admission.check_request(&request) {
        Ok(slot) => slot,
        Err(overloaded) => {
            request.extensions_mut().insert(overloaded);
            None
        }
    };
    let Some(slot) = slot else { return next.run(request).await };
    // A WebSocket keeps the slot beyond its request: the upgrade handler takes it from here.
    request.extensions_mut().insert(slot.clone());
    let response = next.run(request).await;
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    // A streamed response keeps the slot until its end.
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &slot;
            frame
        }))
    })
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
