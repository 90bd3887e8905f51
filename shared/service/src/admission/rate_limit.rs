//! Rate limits: for the whole pod, or for each client address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::admission::prefix::ClientPrefix;

/// How many addresses are tracked at a time. They take about 4 MB.
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

/// Limits how often something happens for each client address, on this pod.
///
/// Its memory is bounded. An address whose quota has refilled is forgotten; after a single request that is soon. While
/// more than 65,536 addresses are active, no address is limited: a limit per address does not help against so many.
#[derive(Debug)]
pub struct AddressRateLimit(Option<AddressLimiter>);

#[derive(Debug)]
struct AddressLimiter {
    limiter: DefaultKeyedRateLimiter<ClientPrefix>,
    /// A clean-up visits every address, so it runs at most once a second.
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
        Self(NonZeroU32::new(times).map(|times| AddressLimiter {
            limiter: RateLimiter::keyed(quota(times)),
            cleanups: RateLimit::per_second(1),
        }))
    }

    /// Counts one more for this client. If the limit doesn't allow it, the error says how long to wait.
    pub fn check(&self, client: IpAddr) -> Result<(), Duration> {
        let (Some(AddressLimiter { limiter, cleanups }), Some(prefix)) = (&self.0, ClientPrefix::of(client)) else {
            return Ok(());
        };
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

    fn tracked(rate: &AddressRateLimit) -> usize {
        rate.0.as_ref().unwrap().limiter.len()
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
        let mut subnets = 0_u128..;
        let mut next_address = || {
            let subnet = subnets.next().unwrap();
            let address = Ipv6Addr::from_bits((0x2001_0db8 << 96) | (subnet << 64));
            assert_eq!(rate.check(address.into()), Ok(()));
        };
        (0..1_000_000).for_each(|_| next_address());
        // Addresses are forgotten only when there are too many.
        while tracked(&rate) < MAX_ADDRESSES {
            next_address();
        }
        assert_eq!(tracked(&rate), MAX_ADDRESSES);
        // At 100 a second, the quota refills within 10 ms.
        std::thread::sleep(Duration::from_millis(20));
        let until = Instant::now() + Duration::from_secs(10);
        while tracked(&rate) > 1 {
            assert!(Instant::now() < until, "addresses whose quota has refilled are forgotten");
            // Each check may run a clean-up, whatever it answers.
            rate.check(ANN).ok();
        }
    }

    #[test]
    fn while_too_many_addresses_are_active_none_is_limited() {
        let rate = AddressRateLimit::per_minute(1);
        for host in 0..2 * u32::try_from(MAX_ADDRESSES).unwrap() {
            let address = Ipv4Addr::from_bits(0x0b00_0000 + host);
            assert_eq!(rate.check(address.into()), Ok(()));
        }
        assert_eq!(tracked(&rate), MAX_ADDRESSES);
        assert_eq!((rate.check(ANN), rate.check(ANN)), (Ok(()), Ok(())));
    }
}
