//! How long a request's head takes to arrive. The HTTP server's own limit begins when it waits for one, and has to be
//! as long as a proxy keeps a connection that it doesn't use.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadState {
    /// Between two requests.
    Rest,
    /// A request's head arrives, since then.
    HeadTimer(Instant),
    /// A request is answered.
    Answer,
}

/// What one connection is at.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    at: Mutex<HeadState>,
    begins: Notify,
}

impl HeadTimer {
    /// Of a connection that was just made: its first request is due.
    pub(crate) fn due() -> Self {
        Self { at: Mutex::new(HeadState::HeadTimer(Instant::now())), begins: Notify::new() }
    }

    /// Something arrived.
    pub(crate) fn heard(&self) {
        let mut at = self.at.lock();
        if *at == HeadState::Rest {
            *at = HeadState::HeadTimer(Instant::now());
            self.begins.notify_one();
        }
    }

    /// The head is there.
    pub(crate) fn complete(&self) {
        *self.at.lock() = HeadState::Answer;
    }

    /// Its request is answered, as far as that has a head.
    pub(crate) fn answered(&self) {
        *self.at.lock() = HeadState::Rest;
    }

    /// Done once a head has taken this long.
    pub(crate) async fn overdue(&self, limit: Duration) {
        loop {
            let at = *self.at.lock();
            match at {
                HeadState::HeadTimer(since) => {
                    tokio::time::sleep_until(since + limit).await;
                    if *self.at.lock() == at {
                        return;
                    }
                }
                HeadState::Rest | HeadState::Answer => self.begins.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn the_first_head_is_due_from_the_beginning() {
        let since = Instant::now();
        HeadTimer::due().overdue(LIMIT).await;
        assert_eq!(since.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn later_ones_are_due_from_their_first_byte() {
        let head = HeadTimer::due();
        let answers = async {
            for _ in 0..3 {
                head.complete();
                head.heard();
                tokio::time::sleep(3 * LIMIT).await;
                head.answered();
                tokio::time::sleep(3 * LIMIT).await;
                head.heard();
                tokio::time::sleep(LIMIT / 2).await;
                head.heard();
            }
        };
        let since = Instant::now();
        tokio::join!(head.overdue(LIMIT), answers);
        assert_eq!(since.elapsed(), 3 * (6 * LIMIT + LIMIT / 2) + LIMIT / 2);
    }
}
