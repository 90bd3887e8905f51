//! Connections that are kept though there is no room for them: until they are told so, or without an answer until their
//! clients have left. So many at a time, and of one address a share of them, so that one client can't take the places of
//! all others.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admission::connection_slots::{ConnectionSlot, ConnectionSlots};

/// One address gets one place in so many.
const SHARES: usize = 8;

/// The places for held connections.
#[derive(Debug)]
pub struct HeldConnections {
    all: Arc<Semaphore>,
    by_address: Arc<ConnectionSlots>,
}

/// A place. Dropping it gives the place back.
#[derive(Debug)]
pub struct HeldConnection {
    _place: OwnedSemaphorePermit,
    _share: Option<ConnectionSlot>,
}

impl HeldConnections {
    /// At most so many at a time, and an eighth of them for one address. Private addresses have no share: each may stand
    /// for many clients.
    pub fn new(at_most: usize) -> Self {
        let share = u32::try_from(at_most.div_ceil(SHARES)).unwrap_or(u32::MAX);
        Self {
            all: Arc::new(Semaphore::new(at_most.min(Semaphore::MAX_PERMITS))),
            by_address: ConnectionSlots::new(share),
        }
    }

    /// A place for one more connection of this client, if it is known. `None` if all are taken, or the client has its
    /// share.
    pub fn hold(&self, client: Option<IpAddr>) -> Option<HeldConnection> {
        let share = client.map(|client| self.by_address.take(client)).transpose().ok()?.flatten();
        Some(HeldConnection { _place: self.all.clone().try_acquire_owned().ok()?, _share: share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_gets_an_eighth_of_the_places() {
        let held = HeldConnections::new(80);
        let hold = |client: &str| held.hold(Some(client.parse().unwrap()));
        let hostile: Vec<_> = (0..100).filter_map(|_| hold("203.0.113.1")).collect();
        assert_eq!(hostile.len(), 10);
        let of_a_48: Vec<_> = (0..100).filter_map(|n| hold(&format!("2001:db8:1:{n}::1"))).collect();
        assert_eq!(of_a_48.len(), 15, "they are in one /56");
        let wechats = hold("198.51.100.7");
        assert!(wechats.is_some());
        drop(hostile);
        assert!(hold("203.0.113.1").is_some(), "there is room again");
        let of_a_proxy: Vec<_> = (0..100).filter_map(|_| hold("10.0.0.1")).collect();
        assert_eq!(of_a_proxy.len(), 80 - 15 - 1, "all that are left");
        assert!(hold("198.51.100.8").is_none());
    }

    #[test]
    fn where_there_are_no_places_nobody_is_held() {
        let held = HeldConnections::new(0);
        assert!(held.hold(Some([203, 0, 113, 1].into())).is_none() && held.hold(None).is_none());
        assert!(HeldConnections::new(1).hold(Some([203, 0, 113, 1].into())).is_some());
    }
}
