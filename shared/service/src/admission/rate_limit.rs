//! Rate limits: for the whole pod, or for each client address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use strum::VariantArray;

use crate::admission::prefix::{ClientPrefix, PrefixWidth};

/// How many prefixes of one width are tracked at a time. They take about 4 MB.
const MAX_ADDRESSES: usize = 65_536;

/// Limits how often something happens on this pod.
#[derive(Debug)]
pub struct RateLimit(Option<DefaultDirectRateLimiter>);

impl RateLimit {
    /// Allows `times` a second, and bursts of as many. 0 means no limit.
    pub fn per_second(times: u32) -> Self {
        Self(NonZeroU32::new(times).map(|times| RateLimiter::direct(Quota::per_second(times))))
    }

    /// Counts one more, and says whether the limit allows it.
    pub fn allows(&self) -> bool {
        self.0.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }
}

/// Limits how often something happens for each client address, on this pod. Wider prefixes of IPv6 have higher limits of
/// their own; see [`PrefixWidth::limit`].
///
/// Its memory is bounded. An address whose quota has refilled is forgotten; after a single request that is soon. While
/// more than 65,536 prefixes of one width are active, no prefix of that width is limited: a limit per address does not
/// help against so many. A single /48 has no more /64s than that, and remains limited as a whole.
#[derive(Debug)]
pub struct AddressRateLimit(Option<AddressLimiter>);

/// A limiter for each [`PrefixWidth`], in the order of its variants.
#[derive(Debug)]
struct AddressLimiter([PrefixLimiter; PrefixWidth::VARIANTS.len()]);

#[derive(Debug)]
struct PrefixLimiter {
    limiter: DefaultKeyedRateLimiter<ClientPrefix>,
    /// A clean-up visits every prefix, so it runs at most once a second.
    cleanups: RateLimit,
}

impl AddressRateLimit {
    /// Allows each address `times` a minute, and bursts of as many. 0 means no limit.
    pub fn per_minute(times: u32) -> Self {
        Self::with_quota(times, Quota::per_minute)
    }

    /// Allows each address `times` a second, and bursts of as many. 0 means no limit.
    pub(crate) fn per_second(times: u32) -> Self {
        Self::with_quota(times, Quota::per_second)
    }

    fn with_quota(times: u32, quota: fn(NonZeroU32) -> Quota) -> Self {
        let of_width = |width: usize| {
            let times = PrefixWidth::VARIANTS[width].limit(times.into());
            let times = NonZeroU32::new(u32::try_from(times).unwrap_or(u32::MAX))?;
            Some(PrefixLimiter { limiter: RateLimiter::keyed(quota(times)), cleanups: RateLimit::per_second(1) })
        };
        let [Some(address), Some(subnet), Some(home), Some(site)] = std::array::from_fn(of_width) else {
            return Self(None);
        };
        Self(Some(AddressLimiter([address, subnet, home, site])))
    }

    /// Counts one more for this client. If the limit doesn't allow it, the error says how long to wait.
    pub fn check(&self, client: IpAddr) -> Result<(), Duration> {
        let Some(AddressLimiter(by_width)) = &self.0 else { return Ok(()) };
        // The narrow one first: a client beyond its own limit must not use up that of its neighbours.
        ClientPrefix::all_of(client).try_for_each(|prefix| by_width[prefix.width() as usize].check(prefix))
    }
}

impl PrefixLimiter {
    fn check(&self, prefix: ClientPrefix) -> Result<(), Duration> {
        let Self { limiter, cleanups } = self;
        if limiter.len() >= MAX_ADDRESSES && cleanups.allows() {
            limiter.retain_recent();
        }
        if limiter.len() >= MAX_ADDRESSES {
            return Ok(());
        }
        limiter.check_key(&prefix).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, Ipv6Addr},
        time::Instant,
    };

    use super::*;

    const ANN: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
    const BOB: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2));

    /// How many prefixes of this width are tracked.
    fn tracked(rate: &AddressRateLimit, width: PrefixWidth) -> usize {
        rate.0.as_ref().unwrap().0[width as usize].limiter.len()
    }

    /// An address in this /64 of this /48.
    fn ipv6(site: u16, subnet: u16) -> IpAddr {
        Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, 0, 1).into()
    }

    #[test]
    fn a_pod_has_a_limit_per_second() {
        let rate = RateLimit::per_second(2);
        assert_eq!((0..100).filter(|_| rate.allows()).count(), 2);
        let unlimited = RateLimit::per_second(0);
        assert!((0..100).all(|_| unlimited.allows()));
    }

    #[test]
    fn each_address_has_its_own_limit_and_learns_how_long_to_wait() {
        let rate = AddressRateLimit::per_minute(2);
        assert_eq!([ANN, ANN, BOB].map(|client| rate.check(client)), [Ok(()); 3]);
        let wait = rate.check(ANN).unwrap_err();
        assert!(wait > Duration::from_secs(25) && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(rate.check(BOB), Ok(()));
        let private = [10, 0, 0, 1].into();
        assert!((0..100).all(|_| rate.check(private).is_ok()), "a private address is a proxy");
        let unlimited = AddressRateLimit::per_minute(0);
        assert!((0..100).all(|_| unlimited.check(ANN).is_ok()));
    }

    #[test]
    fn a_million_addresses_are_forgotten_after_their_quota_refills() {
        let rate = AddressRateLimit::per_minute(6000);
        let mut sites = 0_u128..;
        let mut next_address = || {
            let site = sites.next().unwrap();
            let address = Ipv6Addr::from_bits((0x2400_0000 << 96) | (site << 80));
            assert_eq!(rate.check(address.into()), Ok(()));
        };
        (0..1_000_000).for_each(|_| next_address());
        // Addresses are forgotten only when there are too many.
        while tracked(&rate, PrefixWidth::Ipv6Subnet) < MAX_ADDRESSES {
            next_address();
        }
        assert_eq!(tracked(&rate, PrefixWidth::Ipv6Subnet), MAX_ADDRESSES);
        // At 100 a second, the quota refills within 10 ms.
        std::thread::sleep(Duration::from_millis(20));
        let until = Instant::now() + Duration::from_secs(10);
        while tracked(&rate, PrefixWidth::Ipv6Subnet) > 1 {
            assert!(Instant::now() < until, "addresses whose quota has refilled are forgotten");
            // Each check may run a clean-up of its own width, whatever it answers.
            rate.check(ipv6(1, 1)).ok();
        }
    }

    #[test]
    fn a_56_and_a_48_of_ipv6_have_higher_limits_of_their_own() {
        let rate = AddressRateLimit::per_minute(6);
        let allowed = |clients: &mut dyn Iterator<Item = IpAddr>| clients.filter(|it| rate.check(*it).is_ok()).count();
        assert_eq!(allowed(&mut (0..1000).map(|_| ipv6(1, 0))), 6, "one /64");
        assert_eq!(allowed(&mut (0..1000).map(|n| ipv6(1, n % 256))), 3, "its /56 has 9");
        assert_eq!(allowed(&mut (0..1000).map(|n| ipv6(1, 64 * n))), 3, "its /48 has 12");
        assert_eq!(allowed(&mut (0..1000).map(|n| ipv6(2, 64 * n))), 12, "a thousand clients are one /48");
        assert_eq!(rate.check(ANN), Ok(()), "and they leave IPv4 its limits");
        assert_eq!(allowed(&mut (0..1000).map(|_| ANN)), 5);
    }

    #[test]
    fn while_too_many_addresses_are_active_none_is_limited() {
        let rate = AddressRateLimit::per_minute(1);
        for host in 0..2 * u32::try_from(MAX_ADDRESSES).unwrap() {
            let address = Ipv4Addr::from_bits(0x0b00_0000 + host);
            assert_eq!(rate.check(address.into()), Ok(()));
        }
        assert_eq!(tracked(&rate, PrefixWidth::Ipv4Address), MAX_ADDRESSES);
        assert_eq!((rate.check(ANN), rate.check(ANN)), (Ok(()), Ok(())));
    }
}
