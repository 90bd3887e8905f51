//! How many of a day's QR codes each client address may get, so that nobody alone uses up those of all others.
//!
//! A pod counts by itself, and tells Redis each tenth code of an address. So most visitors cost Redis nothing, and each
//! pod lets at most nine codes more through than all pods together should.
//!
//! ```text
//! take ──beyond the share──▶ Err(AddressShareUsed)
//!   └──within──▶ counted here ──each tenth──▶ counted in Redis ──▶ the sum of all pods
//! ```
//!
//! See docs/decisions/053-an-address-gets-a-share-of-the-days-qr-codes.md.

use std::{collections::HashMap, net::IpAddr, time::SystemTime};

use futures_util::future::join_all;
use parking_lot::Mutex;
use scenecast_scene::AccountName;
use scenecast_service::admission::ClientPrefix;

use crate::{
    accounts::Account,
    clock::china_day,
    config::Percent,
    stores::{CALLS_IN_BATCH, DailyQuota},
};

/// How many prefixes of one account are counted at a time. They take about 4 MB. Beyond that a pod begins anew; it
/// learns from Redis, after ten more codes, what an address has had.
const MAX_PREFIXES: usize = 65_536;

/// This address, or the wider prefix that it is in, has had its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client's address has had its share of today's QR codes")]
pub(super) struct AddressShareUsed;

/// The shares of all addresses.
pub(crate) struct AddressShares {
    share: Percent,
    quota: DailyQuota,
    counts: Mutex<DayCounts>,
}

impl AddressShares {
    /// Each address gets this share of an account's quota.
    pub(crate) fn new(share: Percent, quota: DailyQuota) -> Self {
        Self { share, quota, counts: Mutex::default() }
    }

    /// Counts one more QR code of this account for a client. Clients with private addresses are not limited, since many
    /// may be behind one.
    pub(super) async fn take(
        &self,
        account: &Account,
        client: Option<IpAddr>,
        now: SystemTime,
    ) -> Result<(), AddressShareUsed> {
        let Some(client) = client.filter(|_| !self.share.is_zero()) else { return Ok(()) };
        let limit = self.share.of(account.settings.qr_quota).max(1);
        let name = &account.name;
        let taken = self.counts.lock().take(china_day(now), name, client, limit);
        let full = taken.inspect_err(|_| self.warn_once(name, client, limit)).map_err(|_| AddressShareUsed)?;
        let counted = full.into_iter().map(async |prefix| {
            // Without an answer this pod goes on with its own count.
            let Ok(calls) = self.quota.count_batch(name, prefix, now).await else { return };
            self.counts.lock().hear(name, prefix, calls);
        });
        join_all(counted).await;
        Ok(())
    }

    fn warn_once(&self, account: &AccountName, client: IpAddr, limit: u64) {
        if let Some(address) = self.counts.lock().first_beyond(account, client, limit) {
            tracing::warn!(
                %account, %address, limit = address.width().limit(limit),
                "an address has had its share of today's QR codes; until midnight in China its pages get other codes; if \
                 many real users are behind it, raise limits.qr_percent_per_address"
            );
        }
    }
}

/// What this pod knows of a day's QR codes. No I/O.
#[derive(Default)]
struct DayCounts {
    day: i64,
    by_account: HashMap<AccountName, HashMap<ClientPrefix, PrefixCount>>,
}

#[derive(Debug, Default)]
struct PrefixCount {
    /// What all pods have told Redis, as far as this one knows.
    told: u64,
    /// What this pod has yet to tell.
    untold: u64,
    is_warned_of: bool,
}

impl PrefixCount {
    fn calls(&self) -> u64 {
        self.told + self.untold
    }
}

impl DayCounts {
    /// Counts one more for all prefixes of this client. Returns those of which Redis has to be told one batch more. An
    /// error changes nothing.
    fn take(
        &mut self,
        day: i64,
        account: &AccountName,
        client: IpAddr,
        limit: u64,
    ) -> Result<Vec<ClientPrefix>, AddressShareUsed> {
        if day != self.day {
            *self = Self { day, ..Self::default() };
        }
        if !self.by_account.contains_key(account) {
            self.by_account.insert(account.clone(), HashMap::new());
        }
        let Some(counts) = self.by_account.get_mut(account) else { return Ok(vec![]) };
        if ClientPrefix::all_of(client).any(|prefix| is_beyond(counts, prefix, limit)) {
            return Err(AddressShareUsed);
        }
        if counts.len() >= MAX_PREFIXES {
            counts.clear();
        }
        let mut full = vec![];
        for prefix in ClientPrefix::all_of(client) {
            let count = counts.entry(prefix).or_default();
            count.untold += 1;
            if count.untold == CALLS_IN_BATCH {
                count.told += CALLS_IN_BATCH;
                count.untold = 0;
                full.push(prefix);
            }
        }
        Ok(full)
    }

    /// Takes in how many calls all pods have told Redis.
    fn hear(&mut self, account: &AccountName, prefix: ClientPrefix, calls: u64) {
        if let Some(count) = self.by_account.get_mut(account).and_then(|counts| counts.get_mut(&prefix)) {
            count.told = count.told.max(calls);
        }
    }

    /// The prefix of this client that is beyond its limit, if that hasn't been asked before.
    fn first_beyond(&mut self, account: &AccountName, client: IpAddr, limit: u64) -> Option<ClientPrefix> {
        let counts = self.by_account.get_mut(account)?;
        let beyond = ClientPrefix::all_of(client).find(|prefix| is_beyond(counts, *prefix, limit))?;
        let count = counts.get_mut(&beyond)?;
        (!std::mem::replace(&mut count.is_warned_of, true)).then_some(beyond)
    }
}

fn is_beyond(counts: &HashMap<ClientPrefix, PrefixCount>, prefix: ClientPrefix, limit: u64) -> bool {
    counts.get(&prefix).is_some_and(|count| count.calls() >= prefix.width().limit(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> AccountName {
        "demo".parse().unwrap()
    }

    fn ann() -> IpAddr {
        [203, 0, 113, 1].into()
    }

    /// An address in this /64 of one /48.
    fn ipv6(subnet: u16) -> IpAddr {
        [0x2001, 0xdb8, 1, subnet, 0, 0, 0, 1].into()
    }

    #[test]
    fn an_address_gets_its_share_each_day_and_redis_hears_of_each_tenth() {
        let mut counts = DayCounts::default();
        let mut take = |day| counts.take(day, &demo(), ann(), 25).map(|full| full.len());
        let told: Vec<_> = (1..=25).filter(|_| take(1).unwrap() == 1).collect();
        assert_eq!(told, [10, 20]);
        assert_eq!(take(1), Err(AddressShareUsed));
        assert_eq!(take(2), Ok(0));
    }

    #[test]
    fn what_other_pods_counted_counts_once_redis_has_said_so() {
        let mut counts = DayCounts::default();
        for _ in 0..10 {
            counts.take(1, &demo(), ann(), 100).unwrap();
        }
        counts.hear(&demo(), ClientPrefix::all_of(ann()).next().unwrap(), 99);
        assert!(counts.take(1, &demo(), ann(), 100).is_ok());
        assert_eq!(counts.take(1, &demo(), ann(), 100), Err(AddressShareUsed));
        assert!(counts.take(1, &"other".parse().unwrap(), ann(), 100).is_ok(), "each account has its own");
    }

    #[test]
    fn a_48_of_ipv6_gets_twice_the_share_of_an_address() {
        let mut counts = DayCounts::default();
        let got = (0..10_000).filter(|n| counts.take(1, &demo(), ipv6(*n), 100).is_ok()).count();
        assert_eq!(got, 200);
        let first = counts.first_beyond(&demo(), ipv6(0xff00), 100).map(|prefix| prefix.to_string());
        assert_eq!(first.as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(counts.first_beyond(&demo(), ipv6(0xfe00), 100), None, "the log says it once");
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let mut counts = DayCounts::default();
        for host in 0..200_000 {
            counts.take(1, &demo(), std::net::Ipv4Addr::from_bits(0x0b00_0000 + host).into(), 100).unwrap();
        }
        assert!(counts.by_account[&demo()].len() <= MAX_PREFIXES);
    }
}
