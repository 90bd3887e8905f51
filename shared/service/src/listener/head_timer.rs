//! Limits how long the head of a request (its request line and headers) takes to arrive.
//!
//! hyper has such a limit, but its timer starts when hyper begins to wait for a request. It must therefore be as long as
//! a proxy keeps an unused connection open, which is too long for a client that sends its headers byte by byte. This
//! timer starts at the first byte:
//!
//! ```text
//!  connection accepted                    head_received()
//!        │            ┌──────────────┐  ──────────────────▶  ┌───────────┐
//!        └──────────▶ │ Receiving    │                       │ Answering │ ◀─┐ bytes_received():
//!                     │ since: time  │                       └───────────┘ ──┘ body or next request
//!                     └──────────────┘                             │
//!                        │         ▲                               │ request_answered()
//!      limit has passed  │         │ bytes_received()              ▼
//!                        ▼         │                         ┌───────────┐
//!                   timed_out()    └──────────────────────── │ Idle      │
//!                                                            └───────────┘
//! ```

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeadState {
    /// Between two requests.
    Idle,
    /// A request's head is arriving.
    Receiving {
        since: Instant,
    },
    Answering,
}

/// The timer of one connection.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    state: Mutex<HeadState>,
    receiving: Notify,
}

impl HeadTimer {
    /// A timer for a new connection. It runs already: the client has to send its first request.
    pub(crate) fn started() -> Self {
        Self { state: Mutex::new(HeadState::Receiving { since: Instant::now() }), receiving: Notify::new() }
    }

    /// Starts the timer if these are the first bytes of a request.
    pub(crate) fn bytes_received(&self) {
        let mut state = self.state.lock();
        if *state == HeadState::Idle {
            *state = HeadState::Receiving { since: Instant::now() };
            self.receiving.notify_one();
        }
    }

    /// Stops the timer: the head is complete.
    pub(crate) fn head_received(&self) {
        *self.state.lock() = HeadState::Answering;
    }

    /// The head of the response is ready, so the next bytes may belong to another request.
    pub(crate) fn request_answered(&self) {
        *self.state.lock() = HeadState::Idle;
    }

    /// Waits until a head takes longer than `limit`.
    pub(crate) async fn timed_out(&self, limit: Duration) {
        loop {
            let state = *self.state.lock();
            match state {
                HeadState::Receiving { since } => {
                    tokio::time::sleep_until(since + limit).await;
                    if *self.state.lock() == state {
                        return;
                    }
                }
                HeadState::Idle | HeadState::Answering => self.receiving.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn the_first_head_is_timed_from_the_start_of_the_connection() {
        let started = Instant::now();
        HeadTimer::started().timed_out(LIMIT).await;
        assert_eq!(started.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn later_heads_are_timed_from_their_first_byte() {
        let timer = HeadTimer::started();
        let requests = async {
            for _ in 0..3 {
                timer.head_received();
                timer.bytes_received();
                tokio::time::sleep(3 * LIMIT).await;
                timer.request_answered();
                tokio::time::sleep(3 * LIMIT).await;
                timer.bytes_received();
                tokio::time::sleep(LIMIT / 2).await;
                timer.bytes_received();
            }
        };
        let started = Instant::now();
        tokio::join!(timer.timed_out(LIMIT), requests);
        assert_eq!(started.elapsed(), 3 * (6 * LIMIT + LIMIT / 2) + LIMIT / 2);
    }
}
