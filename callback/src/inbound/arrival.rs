//! When a request arrived, and how long there is to decide.

use std::time::{Duration, SystemTime};

use scenecast_scene::time::{millis, unix_now_ms};
use scenecast_wechat::Message;
use tokio::time::Instant;

/// How long there is to decide: WeChat's five seconds, less the time for our answer's way.
const DECIDE_WITHIN: Duration = Duration::from_millis(4_500);
/// After this time WeChat has closed the connection. If we closed it earlier, a proxy before us would answer in our
/// place.
pub(super) const WECHAT_HAS_CLOSED_AFTER: Duration = Duration::from_millis(5_500);
/// An attempt that arrives so long after the message was sent is WeChat's last.
const LAST_ATTEMPT_SECS: u64 = 9;

#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    at: Instant,
    pub(super) unix_ms: u64,
}

impl Arrival {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), unix_ms: unix_now_ms() }
    }

    /// When it was, by the clock of spans.
    pub(super) fn system_time(self) -> SystemTime {
        let now = SystemTime::now();
        now.checked_sub(self.elapsed()).unwrap_or(now)
    }

    pub(super) fn elapsed(self) -> Duration {
        self.at.elapsed()
    }

    pub(super) fn elapsed_ms(self) -> u64 {
        millis(self.elapsed())
    }

    /// By when it has to be known what the message did.
    pub(super) fn decide_by(self) -> Instant {
        self.at + DECIDE_WITHIN
    }

    /// From when on WeChat doesn't wait for an answer any more.
    pub(super) fn closed_by_wechat_at(self) -> Instant {
        self.at + WECHAT_HAS_CLOSED_AFTER
    }

    /// Whether this is WeChat's last attempt to deliver this message. WeChat's clock is `ahead_secs` ahead of ours.
    pub(super) fn is_last_attempt(self, message: &Message, ahead_secs: i64) -> bool {
        let now = (self.unix_ms / 1000).saturating_add_signed(ahead_secs);
        now.saturating_sub(message.created) >= LAST_ATTEMPT_SECS
    }
}
