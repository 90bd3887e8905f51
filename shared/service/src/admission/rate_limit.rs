//! How often something may happen: on this pod, or for each client address.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use crate::admission::prefix::ClientPrefix;

/// So many addresses are remembered at a time, in about 4 MB.
const REMEMBERED: usize = 65_536;

/// How often something may happen on this pod.
#[derive(Debug)]
pub struct RateLimit(Option<DefaultDirectRateLimiter>);

impl RateLimit {
    /// So often in a second, and as often at once; 0: as often as it likes.
    pub fn per_second(times: u32) -> Self {
        Self(NonZeroU32::new(times).map(|times| RateLimiter::direct(Quota::per_second(times))))
    }

    /// Whether it may happen once more.
    pub fn allows(&self) -> bool {
        self.0.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }
}

/// How often each client address may have something happen, on this pod. What it remembers is bounded: an address is
/// forgotten once its past makes no difference any more, which after a single request is soon. If there are more
/// than can be remembered even so, none is limited, for a second at a time: a limit by address is of no use then.
#[derive(Debug)]
pub struct AddressRateLimit(Option<AddressLimiter>);

#[derive(Debug)]
struct AddressLimiter {
    limiter: DefaultKeyedRateLimiter<ClientPrefix>,
    /// To forget takes a look at all of them.
    forgetting: RateLimit,
}

impl AddressRateLimit {
    /// So often in a minute, and as often at once; 0: as often as it likes.
    pub fn per_minute(times: u32) -> Self {
        Self::by(times, Quota::per_minute)
    }

    /// The same in a second.
    pub(crate) fn per_second(times: u32) -> Self {
        Self::by(times, Quota::per_second)
    }

    fn by(times: u32, quota: fn(NonZeroU32) -> Quota) -> Self {
        Self(NonZeroU32::new(times).map(|times| AddressLimiter {
            limiter: RateLimiter::keyed(quota(times)),
            forgetting: RateLimit::per_second(1),
        }))
    }

    /// Whether it may happen once more for this client; if not, when it may.
    pub fn check(&self, client: IpAddr) -> Result<(), Duration> {
        let (Some(AddressLimiter { limiter, forgetting }), Some(prefix)) = (&self.0, ClientPrefix::of(client)) else {
            return Ok(());
        };
        if limiter.len() >= REMEMBERED && forgetting.allows() {
            limiter.retain_recent();
        }
        if limiter.len() >= REMEMBERED {
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

    fn remembered(rate: &AddressRateLimit) -> usize {
        rate.0.as_ref().unwrap().limiter.len()
    }

    #[test]
    fn a_pod_does_so_much_in_a_second() {
        let rate = RateLimit::per_second(2);
        assert_eq!((0..100).filter(|_| rate.allows()).count(), 2);
        let unlimited = RateLimit::per_second(0);
        assert!((0..100).all(|_| unlimited.allows()));
    }

    #[test]
    fn each_address_is_limited_for_itself_and_told_when_to_come_back() {
        let rate = AddressRateLimit::per_minute(2);
        assert_eq!([ANN, ANN, BOB].map(|client| rate.check(client)), [Ok(()); 3]);
        let wait = rate.check(ANN).unwrap_err();
        assert!(wait > Duration::from_secs(25) && wait <= Duration::from_secs(30), "{wait:?}");
        assert_eq!(rate.check(BOB), Ok(()));
        let neighbour = [10, 0, 0, 1].into();
        assert!((0..100).all(|_| rate.check(neighbour).is_ok()), "that is a proxy of ours");
        let unlimited = AddressRateLimit::per_minute(0);
        assert!((0..100).all(|_| unlimited.check(ANN).is_ok()));
    }

    #[test]
    fn a_million_addresses_are_forgotten_again() {
        let rate = AddressRateLimit::per_minute(6000);
        let mut subnets = 0_u128..;
        let mut another_asks = || {
            let subnet = subnets.next().unwrap();
            let address = Ipv6Addr::from_bits((0x2001_0db8 << 96) | (subnet << 64));
            assert_eq!(rate.check(address.into()), Ok(()));
        };
        (0..1_000_000).for_each(|_| another_asks());
        // None is forgotten while there is room.
        while remembered(&rate) < REMEMBERED {
            another_asks();
        }
        assert_eq!(remembered(&rate), REMEMBERED);
        // Where a hundred a second are allowed, one makes a difference for a hundredth.
        std::thread::sleep(Duration::from_millis(20));
        let until = Instant::now() + Duration::from_secs(10);
        while remembered(&rate) > 1 {
            assert!(Instant::now() < until, "what they did makes no difference any more");
            // Whoever asks has it forget, whatever the answer.
            rate.check(ANN).ok();
        }
    }

    #[test]
    fn while_too_many_addresses_are_busy_none_is_shut_out() {
        let rate = AddressRateLimit::per_minute(1);
        for host in 0..2 * u32::try_from(REMEMBERED).unwrap() {
            let address = Ipv4Addr::from_bits(0x0b00_0000 + host);
            assert_eq!(rate.check(address.into()), Ok(()));
        }
        assert_eq!(remembered(&rate), REMEMBERED);
        assert_eq!((rate.check(ANN), rate.check(ANN)), (Ok(()), Ok(())));
    }
}
