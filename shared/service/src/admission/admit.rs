//! Whom a pod lets in: so many connections on all of its listeners together, so many a second, and so many sockets
//! and requests of each client address.

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
        overload::{Overloaded, RejectReason, RejectSlot, Rejections},
        rate_limit::{AddressRateLimit, RateLimit},
    },
    http::client_address::{ClientAddress, PeerAddress, TrustedProxies},
};
use scenecast_metrics::Metrics;

/// So many connections beyond those that are served are told so; others are closed at once.
const TOLD: usize = 256;
/// So many of those that are told are kept waiting first.
const WAITING: usize = 512;

/// What a pod lets in; 0 is no limit, but for connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdmissionLimits {
    /// Connections at a time, on all listeners together.
    pub connections: usize,
    /// New connections in a second, and as many at once.
    pub connections_per_second: u32,
    /// The same of each client address that connects without a proxy.
    pub connections_per_second_of_address: u32,
    /// Sockets at a time of each client address.
    pub sockets_per_address: u32,
    /// Requests in a minute of each client address, and as many at once.
    pub requests_per_address: u32,
}

/// Lets in what a pod has room for. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Admission(Arc<AdmissionState>);

#[derive(Debug)]
struct AdmissionState {
    room: Arc<Semaphore>,
    told: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    connects: RateLimit,
    connects_by_address: AddressRateLimit,
    seats: Arc<ConnectionSlots>,
    requests: AddressRateLimit,
    proxies: TrustedProxies,
    turned_away: Rejections,
}

/// Where an accepted connection is, until this is dropped.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// It is served.
    Room { _room: OwnedSemaphorePermit, seat: Option<ConnectionSlot> },
    /// It is told to come back.
    Told(Arc<RejectSlot>, RejectReason),
}

impl Admitted {
    /// What marks the requests that come from here, if they aren't to be served.
    pub(crate) fn crowded(&self) -> Option<Overloaded> {
        match self {
            Self::Room { .. } => None,
            Self::Told(doorstep, why) => Some(Overloaded::new(*why).in_place(doorstep.clone())),
        }
    }

    /// Keeps this seat, too.
    pub(crate) fn keep(&mut self, kept: ConnectionSlot) {
        if let Self::Room { seat, .. } = self {
            *seat = Some(kept);
        }
    }
}

impl Admission {
    /// Of a pod whose clients are behind these proxies, or connect themselves.
    pub fn new(admits: AdmissionLimits, proxies: TrustedProxies, turned_away: Rejections) -> Self {
        Self(Arc::new(AdmissionState {
            room: Arc::new(Semaphore::new(admits.connections.min(Semaphore::MAX_PERMITS))),
            told: Arc::new(Semaphore::new(TOLD)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            connects: RateLimit::per_second(admits.connections_per_second),
            connects_by_address: AddressRateLimit::per_second(admits.connections_per_second_of_address),
            seats: ConnectionSlots::new(admits.sockets_per_address),
            requests: AddressRateLimit::per_minute(admits.requests_per_address),
            proxies,
            turned_away,
        }))
    }

    /// So many connections, from wherever; whom they turn away is in no metric.
    pub(crate) fn to(connections: usize) -> Self {
        let admits = AdmissionLimits { connections, ..AdmissionLimits::default() };
        Self::new(admits, TrustedProxies::default(), Rejections::new(&Metrics::new()))
    }

    /// The place of a connection from there; none if it is to be closed at once.
    pub(crate) fn admit(&self, peer: SocketAddr) -> Option<Admitted> {
        let why = match self.room_for(peer) {
            Ok(place) => return Some(place),
            // A flood would take the places of all others who are to be told.
            Err(why @ RejectReason::Hasty) => {
                self.0.turned_away.count(why);
                return None;
            }
            Err(why) => why,
        };
        let told = self.0.told.clone().try_acquire_owned().ok();
        self.0.turned_away.count(if told.is_some() { why } else { RejectReason::Unheard });
        told.map(|place| Admitted::Told(RejectSlot::new(place, self.0.waiting.clone()), why))
    }

    fn room_for(&self, peer: SocketAddr) -> Result<Admitted, RejectReason> {
        let AdmissionState { room, connects, connects_by_address, seats, proxies, .. } = &*self.0;
        // Whose sockets those of a proxy are is told by their requests.
        let client = Some(peer.ip()).filter(|address| !proxies.trust(*address));
        // Before the pod's own limits: what an address has too much of takes nothing of others' share.
        let seat = match client {
            Some(client) => {
                connects_by_address.check(client).map_err(|_| RejectReason::Hasty)?;
                seats.take(client).map_err(|SlotsExhausted| RejectReason::Sockets)?
            }
            None => None,
        };
        if !connects.allows() {
            return Err(RejectReason::Connects);
        }
        let room = room.clone().try_acquire_owned().map_err(|_| RejectReason::Connections)?;
        Ok(Admitted::Room { _room: room, seat })
    }

    /// The seat of this request, if it isn't its connection's.
    fn seat_for(&self, request: &Request) -> Result<Option<ConnectionSlot>, Overloaded> {
        let AdmissionState { seats, requests, proxies, turned_away, .. } = &*self.0;
        let extensions = request.extensions();
        let (Some(PeerAddress(peer)), Some(ClientAddress(client))) = (extensions.get(), extensions.get()) else {
            return Ok(None);
        };
        let taken = match requests.check(*client) {
            Err(back_in) => Err(Overloaded::until(RejectReason::Requests, back_in)),
            Ok(()) if proxies.trust(peer.ip()) => {
                seats.take(*client).map_err(|SlotsExhausted| Overloaded::new(RejectReason::Sockets))
            }
            Ok(()) => Ok(None),
        };
        taken.inspect_err(|crowded| turned_away.count(crowded.why()))
    }
}

/// Marks the requests of addresses that ask too often or have too many sockets. A middleware, inside of the one that
/// knows the addresses.
pub async fn admit_clients(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Overloaded>().is_some() {
        return next.run(request).await;
    }
    let seat = match admission.seat_for(&request) {
        Ok(seat) => seat,
        Err(crowded) => {
            request.extensions_mut().insert(crowded);
            None
        }
    };
    let Some(seat) = seat else { return next.run(request).await };
    // For what becomes of its connection.
    request.extensions_mut().insert(seat.clone());
    let response = next.run(request).await;
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _until_its_end = &seat;
            frame
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(admits: AdmissionLimits) -> (Admission, Metrics) {
        let (metrics, proxies) = (Metrics::new(), serde_json::from_str(r#"["192.0.2.1"]"#).unwrap());
        (Admission::new(admits, proxies, Rejections::new(&metrics)), metrics)
    }

    fn peer(address: [u8; 4]) -> SocketAddr {
        (address, 50_000).into()
    }

    fn why(place: Option<&Admitted>) -> Option<RejectReason> {
        match place.expect("a place, if only to be told") {
            Admitted::Room { .. } => None,
            Admitted::Told(_, why) => Some(*why),
        }
    }

    #[test]
    fn an_address_that_has_too_much_already_is_told_so() {
        let (admission, metrics) =
            admission(AdmissionLimits { connections: 100, sockets_per_address: 2, ..AdmissionLimits::default() });
        let one = peer([203, 0, 113, 1]);
        let held = [(); 3].map(|()| admission.admit(one));
        assert_eq!(held.each_ref().map(|place| why(place.as_ref())), [None, None, Some(RejectReason::Sockets)]);
        for address in [[192, 0, 2, 1], [10, 0, 0, 1], [127, 0, 0, 1]] {
            let held = [(); 3].map(|()| admission.admit(peer(address)));
            assert!(held.iter().all(|place| why(place.as_ref()).is_none()), "a proxy's sockets are its clients'");
        }
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"sockets\"} 1"));
    }

    #[test]
    fn whoever_comes_when_too_many_do_is_told_so() {
        let (admission, metrics) =
            admission(AdmissionLimits { connections: 100, connections_per_second: 2, ..AdmissionLimits::default() });
        let came = [1, 2, 3].map(|client| why(admission.admit(peer([203, 0, 113, client])).as_ref()));
        assert_eq!(came, [None, None, Some(RejectReason::Connects)]);
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"connects\"} 1"));
    }

    #[test]
    fn an_address_that_connects_too_often_leaves_room_for_others() {
        let admits = AdmissionLimits {
            connections_per_second: 10,
            connections_per_second_of_address: 2,
            ..AdmissionLimits::default()
        };
        let (admission, metrics) = admission(AdmissionLimits { connections: 100, ..admits });
        let flood = [(); 50].map(|()| admission.admit(peer([203, 0, 113, 1])));
        assert_eq!(flood.iter().flatten().count(), 2, "the others are closed without a word");
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"hasty\"} 48"));
        let others =
            [2, 3, 4, 5].map(|client| [(); 2].map(|()| why(admission.admit(peer([203, 0, 113, client])).as_ref())));
        assert_eq!(others.as_flattened(), [None; 8]);
    }

    #[test]
    fn beyond_those_who_can_be_told_connections_are_closed() {
        let (admission, metrics) = admission(AdmissionLimits { connections: 1, ..AdmissionLimits::default() });
        let anybody = peer([203, 0, 113, 1]);
        let mut held: Vec<_> = (0..=TOLD).map(|_| admission.admit(anybody)).collect();
        assert_eq!((why(held[0].as_ref()), why(held[1].as_ref())), (None, Some(RejectReason::Connections)));
        assert!(admission.admit(anybody).is_none());
        assert!(metrics.text().contains("scenecast_turned_away_total{why=\"unheard\"} 1"));
        held.remove(0);
        assert_eq!(why(admission.admit(anybody).as_ref()), None, "there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_kept_waiting_keep_nobody_from_being_told() {
        let (admission, _) = admission(AdmissionLimits { connections: 0, ..AdmissionLimits::default() });
        let anybody = peer([203, 0, 113, 1]);
        let wait = std::time::Duration::from_secs(5);
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITING {
            let place = admission.admit(anybody).expect("the places of those who wait are free for others");
            waiting.spawn(async move { place.crowded().unwrap().wait(wait).await });
            tokio::task::yield_now().await;
        }
        let one_more = admission.admit(anybody).expect("there is a place to be told");
        let since = tokio::time::Instant::now();
        one_more.crowded().unwrap().wait(wait).await;
        assert_eq!(since.elapsed().as_secs(), 0, "but not to wait");
        waiting.join_all().await;
        one_more.crowded().unwrap().wait(wait).await;
        assert_eq!(since.elapsed(), 2 * wait);
    }
}
