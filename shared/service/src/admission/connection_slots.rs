//! How many sockets each client address has, on this pod.

use std::{net::IpAddr, sync::Arc};

use dashmap::DashMap;

use crate::admission::prefix::ClientPrefix;

/// Counts the sockets of each client address, and of the wider prefixes around it, which may have more
/// ([`PrefixWidth::limit`](crate::admission::PrefixWidth::limit)). An address without sockets takes no memory.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    /// 0 means no limit.
    per_address: u32,
    taken: DashMap<ClientPrefix, u32>,
}

/// Counts as one socket of its client address until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct ConnectionSlot {
    _guard: Arc<SlotGuard>,
}

/// The address has as many sockets as it may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SlotsExhausted;

#[derive(Debug)]
struct SlotGuard {
    slots: Arc<ConnectionSlots>,
    prefix: ClientPrefix,
}

impl ConnectionSlots {
    pub(crate) fn new(per_address: u32) -> Arc<Self> {
        Arc::new(Self { per_address, taken: DashMap::new() })
    }

    /// Takes a slot for one more socket of this client. `Ok(None)` if there is no limit, or if the address is private
    /// and so stands for many clients.
    pub(crate) fn take(self: &Arc<Self>, client: IpAddr) -> Result<Option<ConnectionSlot>, SlotsExhausted> {
        let Some(prefix) = ClientPrefix::of(client).filter(|_| self.per_address > 0) else { return Ok(None) };
        for (nth, wider) in prefix.with_wider().enumerate() {
            if !self.count_one_more(wider) {
                prefix.with_wider().take(nth).for_each(|counted| self.count_one_less(counted));
                return Err(SlotsExhausted);
            }
        }
        Ok(Some(ConnectionSlot { _guard: Arc::new(SlotGuard { slots: self.clone(), prefix }) }))
    }

    /// Counts a socket of this prefix. Returns false, and counts nothing, if the prefix has as many as it may have.
    fn count_one_more(&self, prefix: ClientPrefix) -> bool {
        let mut count = self.taken.entry(prefix).or_default();
        let is_allowed = u64::from(*count) < prefix.width().limit(self.per_address.into());
        *count += u32::from(is_allowed);
        is_allowed
    }

    fn count_one_less(&self, prefix: ClientPrefix) {
        self.taken.remove_if_mut(&prefix, |_, count| {
            *count -= 1;
            *count == 0
        });
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        self.prefix.with_wider().for_each(|prefix| self.slots.count_one_less(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_limited_number_of_sockets_at_a_time() {
        let slots = ConnectionSlots::new(2);
        let take = |client: &str| slots.take(client.parse().unwrap());
        let first = take("2001:db8::1").unwrap();
        let second = take("2001:db8::2").unwrap();
        assert!(take("2001:db8::3").is_err());
        let other = take("2001:db8:0:1::1").unwrap();
        let clone = first.clone();
        drop(first);
        assert!(take("2001:db8::3").is_err(), "the clone holds the same slot");
        drop(clone);
        let third = take("2001:db8::3").unwrap();
        drop((second, third, other));
        assert!(slots.taken.is_empty(), "an address without sockets takes no memory");
    }

    #[test]
    fn a_56_and_a_48_of_ipv6_have_higher_limits_of_their_own() {
        let slots = ConnectionSlots::new(100);
        let take = |(site, subnet): (u16, u16)| slots.take([0x2001, 0xdb8, site, subnet, 0, 0, 0, 1].into()).ok();
        let of_home: Vec<_> = (0..256).filter_map(|subnet| take((1, subnet))).collect();
        assert_eq!(of_home.len(), 150, "a /56");
        let of_site: Vec<_> = (256..u16::MAX).filter_map(|subnet| take((1, subnet))).collect();
        assert_eq!(of_site.len(), 50, "the rest of its /48");
        assert!(take((2, 0)).is_some());
        drop((of_home, of_site));
        assert!(slots.taken.is_empty(), "nothing is left of those that were refused either");
    }

    #[test]
    fn private_addresses_and_unlimited_slots_are_not_counted() {
        let limited = ConnectionSlots::new(1);
        let unlimited = ConnectionSlots::new(0);
        for _ in 0..10 {
            assert!(limited.take([10, 0, 0, 1].into()).unwrap().is_none());
            assert!(unlimited.take([203, 0, 113, 1].into()).unwrap().is_none());
        }
    }
}
