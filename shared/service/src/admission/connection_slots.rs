//! How many sockets each client address has, on this pod.

use std::{net::IpAddr, sync::Arc};

use dashmap::DashMap;

use crate::admission::prefix::ClientPrefix;

/// The sockets of each client address. No more addresses are in it than there are sockets.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    /// 0: as many as it likes.
    each: u32,
    taken: DashMap<ClientPrefix, u32>,
}

/// One socket of an address, until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct ConnectionSlot {
    _taken: Arc<SlotGuard>,
}

/// The address has as many sockets as it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SlotsExhausted;

#[derive(Debug)]
struct SlotGuard {
    seats: Arc<ConnectionSlots>,
    prefix: ClientPrefix,
}

impl ConnectionSlots {
    pub(crate) fn new(each: u32) -> Arc<Self> {
        Arc::new(Self { each, taken: DashMap::new() })
    }

    /// One more socket of this client, if it is one whose sockets are counted.
    pub(crate) fn take(self: &Arc<Self>, client: IpAddr) -> Result<Option<ConnectionSlot>, SlotsExhausted> {
        let Some(prefix) = ClientPrefix::of(client).filter(|_| self.each > 0) else { return Ok(None) };
        let mut count = self.taken.entry(prefix).or_default();
        if *count == self.each {
            return Err(SlotsExhausted);
        }
        *count += 1;
        Ok(Some(ConnectionSlot { _taken: Arc::new(SlotGuard { seats: self.clone(), prefix }) }))
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        self.seats.taken.remove_if_mut(&self.prefix, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_sockets_at_a_time() {
        let seats = ConnectionSlots::new(2);
        let take = |client: &str| seats.take(client.parse().unwrap());
        let (first, second) = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(take("2001:db8::3").is_err());
        let other = take("2001:db8:0:1::1").unwrap();
        let clone = first.clone();
        drop(first);
        assert!(take("2001:db8::3").is_err(), "it is the same socket");
        drop(clone);
        let third = take("2001:db8::3").unwrap();
        drop((second, third, other));
        assert!(seats.taken.is_empty(), "who has left is forgotten");
    }

    #[test]
    fn neither_a_proxy_of_ours_nor_anybody_where_there_is_no_limit_is_counted() {
        let (few, any) = (ConnectionSlots::new(1), ConnectionSlots::new(0));
        for _ in 0..10 {
            assert!(few.take([10, 0, 0, 1].into()).unwrap().is_none());
            assert!(any.take([203, 0, 113, 1].into()).unwrap().is_none());
        }
    }
}
