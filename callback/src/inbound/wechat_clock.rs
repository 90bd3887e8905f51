//! How far WeChat's clock is ahead of this pod's, as rightly signed requests say. A pod whose clock is far off takes no
//! message of WeChat.
//!
//! See docs/decisions/048-a-delivery-out-of-time-gets-no-answer.md.

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
    window: Mutex<Option<Window>>,
}

struct Window {
    since: Instant,
    largest: i64,
}

impl WechatClock {
    /// A clock of which nothing is known yet. It sets this gauge.
    pub(crate) fn new(ahead: IntGauge) -> Self {
        Self { ahead, window: Mutex::default() }
    }

    /// What has to be added to our clock, in seconds. 0 unless it is wrong.
    pub(super) fn correction(&self) -> i64 {
        Some(self.ahead.get()).filter(|ahead| is_far(*ahead)).unwrap_or(0)
    }

    /// When something was signed, in unix seconds by our clock, whose timestamp is so many seconds ahead of it. Only a
    /// clock of WeChat that is ahead counts: what seems to come from a slower one may as well be old.
    pub(super) fn signed_at(&self, now_secs: u64, ahead_secs: i64) -> u64 {
        now_secs.saturating_add_signed(ahead_secs.saturating_sub(self.ahead.get().max(0)))
    }

    /// A rightly signed request came whose timestamp is so many seconds ahead of our clock.
    pub(super) fn observe(&self, ahead_secs: i64) {
        let mut window = self.window.lock();
        let before = window.as_ref().map_or(0, |window| window.largest);
        match &mut *window {
            Some(current) if current.since.elapsed() < WINDOW => current.largest = current.largest.max(ahead_secs),
            _ => *window = Some(Window { since: Instant::now(), largest: ahead_secs }),
        }
        let now = window.as_ref().map_or(0, |window| window.largest);
        drop(window);
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

    #[tokio::test(start_paused = true)]
    async fn the_largest_difference_of_a_minute_counts_so_that_a_replay_says_nothing() {
        let gauge = IntGauge::new("ahead", "x").unwrap();
        let clock = WechatClock::new(gauge.clone());
        for (ahead, shown) in [(-3600, -3600), (-2, -2), (-3600, -2), (1, 1), (0, 1)] {
            clock.observe(ahead);
            assert_eq!(gauge.get(), shown, "{ahead}");
        }
        tokio::time::advance(WINDOW).await;
        clock.observe(-600);
        assert_eq!(gauge.get(), -600, "nothing else came for a minute: our clock is fast");
        clock.observe(600);
        assert_eq!(gauge.get(), 600, "nobody can sign in the future: our clock is slow");
        assert_eq!(clock.correction(), 600);
        assert_eq!(clock.signed_at(10_000, 600), 10_000, "by our clock");
        assert_eq!(clock.signed_at(10_000, 300), 9_700, "it was under way for 300 s");
        tokio::time::advance(WINDOW).await;
        clock.observe(-10);
        assert_eq!(clock.signed_at(10_000, -10), 9_990, "perhaps it was long under way");
        assert_eq!((gauge.get(), clock.correction()), (-10, 0), "perhaps it was long under way");
    }
}
