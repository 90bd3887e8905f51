//! How far WeChat's clock is ahead of this pod's, as rightly signed requests say. A pod whose clock is far off takes no
//! message of WeChat.
//!
//! See docs/decisions/048-a-delivery-out-of-time-gets-no-answer.md and
//! docs/decisions/084-wechats-time-is-the-second-latest-that-was-signed.md.

use std::time::Duration;

use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::time::Instant;

/// What arrives late, or is sent again by an attacker, only seems to come from a slower clock. So the largest difference
/// of such a time counts.
const WINDOW: Duration = Duration::from_secs(60);
/// From this difference on a clock is wrong, in seconds. Less can come from a message that was long under way. The alert
/// has the same limit.
const FAR_SECS: u64 = 60;

/// The difference between both clocks.
pub(crate) struct WechatClock {
    /// In seconds.
    ahead: IntGauge,
    seen: Mutex<Seen>,
}

/// What rightly signed requests have told.
#[derive(Default)]
struct Seen {
    window: Option<Window>,
    latest: LatestTimes,
}

struct Window {
    since: Instant,
    largest: i64,
}

/// The two latest times that were signed since this pod began.
#[derive(Default)]
struct LatestTimes {
    first: Option<SignedTime>,
    second: Option<SignedTime>,
}

#[derive(Clone, Copy)]
struct SignedTime {
    /// In unix seconds.
    timestamp: u64,
    seen_at: Instant,
}

impl SignedTime {
    /// What WeChat's clock shows now, at least: nobody can sign a later time.
    fn by_now(self) -> Duration {
        Duration::from_secs(self.timestamp) + self.seen_at.elapsed()
    }
}

impl LatestTimes {
    fn add(&mut self, new: SignedTime) {
        let known = [self.first, self.second];
        // It may be the same message again.
        if known.into_iter().flatten().any(|known| known.timestamp == new.timestamp) {
            return;
        }
        let is_later_than = |known: Option<SignedTime>| known.is_none_or(|known| new.by_now() > known.by_now());
        if is_later_than(self.first) {
            self.second = self.first.replace(new);
        } else if is_later_than(self.second) {
            self.second = Some(new);
        }
    }

    /// What WeChat's clock shows now, in unix seconds, as two messages say. One alone may have a wrong time.
    fn wechats_now(&self) -> Option<u64> {
        self.second.or(self.first).map(|known| known.by_now().as_secs())
    }
}

impl WechatClock {
    /// A clock of which nothing is known yet. It sets this gauge.
    pub(crate) fn new(ahead: IntGauge) -> Self {
        Self { ahead, seen: Mutex::default() }
    }

    /// What has to be added to our clock, in seconds. 0 unless it is wrong.
    pub(super) fn correction(&self) -> i64 {
        Some(self.ahead.get()).filter(|ahead| is_far(*ahead)).unwrap_or(0)
    }

    /// When something was signed, in unix seconds by our clock, whose timestamp is so many seconds ahead of it. Only a
    /// clock of WeChat that is ahead counts: what seems to come from a slower one may as well be old.
    pub(super) fn signed_at(&self, now_secs: u64, ahead_secs: i64) -> u64 {
        let wechats_now = self.seen.lock().latest.wechats_now().unwrap_or(0);
        now_secs.saturating_add_signed(ahead_secs).saturating_sub(wechats_now.saturating_sub(now_secs))
    }

    /// A rightly signed request came at this time by our clock, whose timestamp is so many seconds ahead of it.
    pub(super) fn observe(&self, now_secs: u64, ahead_secs: i64) {
        let timestamp = now_secs.saturating_add_signed(ahead_secs);
        let mut seen = self.seen.lock();
        seen.latest.add(SignedTime { timestamp, seen_at: Instant::now() });
        let window = &mut seen.window;
        let before = window.as_ref().map_or(0, |window| window.largest);
        match window {
            Some(current) if current.since.elapsed() < WINDOW => current.largest = current.largest.max(ahead_secs),
            _ => *window = Some(Window { since: Instant::now(), largest: ahead_secs }),
        }
        let now = window.as_ref().map_or(0, |window| window.largest);
        drop(seen);
        if now != before {
            self.ahead.set(now);
            log_change(before, now);
        }
    }
}

fn is_far(ahead_secs: i64) -> bool {
    ahead_secs.unsigned_abs() > FAR_SECS
}

fn log_change(before: i64, now: i64) {
    match (is_far(before), is_far(now)) {
        (false, true) => tracing::warn!(
            ahead_secs = now,
            "WeChat's clock and this pod's differ; check that the pod's node synchronises its clock. Beyond 300 s this pod \
             answers none of WeChat's messages"
        ),
        (true, false) => tracing::info!(ahead_secs = now, "WeChat's clock and this pod's agree again"),
        (true, true) | (false, false) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What our clock shows first.
    const START: u64 = 1_800_000_000;

    fn clock() -> (WechatClock, IntGauge) {
        let gauge = IntGauge::new("ahead", "x").unwrap();
        (WechatClock::new(gauge.clone()), gauge)
    }

    #[tokio::test(start_paused = true)]
    async fn the_largest_difference_of_a_minute_counts_so_that_a_replay_says_nothing() {
        let (clock, gauge) = clock();
        for (ahead, shown) in [(-3600, -3600), (-2, -2), (-3600, -2), (1, 1), (0, 1)] {
            clock.observe(START, ahead);
            assert_eq!(gauge.get(), shown, "{ahead}");
        }
        tokio::time::advance(WINDOW).await;
        clock.observe(START + 60, -600);
        assert_eq!(gauge.get(), -600, "nothing else came for a minute: our clock is fast");
        clock.observe(START + 60, 600);
        assert_eq!(gauge.get(), 600, "nobody can sign in the future: our clock is slow");
        assert_eq!(clock.correction(), 600);
        tokio::time::advance(WINDOW).await;
        clock.observe(START + 120, -10);
        assert_eq!((gauge.get(), clock.correction()), (-10, 0), "perhaps it was long under way");
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_pod_whose_clock_is_behind_a_message_is_never_younger_than_it_was_however_quiet_it_is() {
        let (clock, _) = clock();
        for second in [0, 1] {
            clock.observe(START + second, 300);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        for minutes in 1..=5 {
            tokio::time::advance(WINDOW).await;
            let now = START + 2 + 60 * minutes;
            // It was signed when the clock was seen first, and is sent again now.
            let ahead = 300 - i64::try_from(2 + 60 * minutes).unwrap();
            clock.observe(now, ahead);
            assert_eq!(clock.signed_at(now, ahead), START, "{minutes}: by our clock");
            assert_eq!(clock.signed_at(now, 300), now, "{minutes}: it is signed now");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_time_ahead_makes_no_other_message_older() {
        let (clock, _) = clock();
        clock.observe(START, 300);
        // WeChat delivers it again.
        clock.observe(START + 5, 295);
        clock.observe(START + 5, 0);
        assert_eq!(clock.signed_at(START + 5, 0), START + 5);
        clock.observe(START + 6, 290);
        assert_eq!(clock.signed_at(START + 6, 290), START + 6, "two say so");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_seems_to_come_from_a_slower_clock_may_be_old() {
        let (clock, _) = clock();
        assert_eq!(clock.signed_at(START, -10), START - 10);
        for second in 0..3 {
            clock.observe(START + second, -10);
            assert_eq!(clock.signed_at(START + second, -10), START + second - 10);
        }
        assert_eq!(clock.signed_at(0, i64::MIN), 0);
    }
}
