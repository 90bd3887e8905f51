//! How long a page waits before it reconnects. The delays are random, so that pages that lose their connections
//! together don't come back together.

use std::time::Duration;

use crate::{drain::RECONNECT_WITHIN, refusal::PageRefusal, session::SessionEnd};

/// The delay where a scene can't be read, which another pod may be able to do.
const MALFORMED_RETRY: Duration = Duration::from_secs(5);

/// The delay after which a page may reconnect; none where that can't help.
pub(super) fn reconnect_delay(end: &SessionEnd) -> Option<Duration> {
    match end {
        SessionEnd::Over | SessionEnd::Expired => None,
        SessionEnd::Restart | SessionEnd::Rebalance => Some(rand::random_range(Duration::ZERO..RECONNECT_WITHIN)),
        SessionEnd::Refused(PageRefusal::SceneMalformed) => Some(MALFORMED_RETRY),
        SessionEnd::Refused(refusal) => refusal.retry_after().map(retry_delay),
    }
}

/// The delay for a page that is told to retry after so long: up to twice that.
pub(super) fn retry_delay(retry_after: Duration) -> Duration {
    retry_after.mul_f32(rand::random_range(1.0..2.0))
}
