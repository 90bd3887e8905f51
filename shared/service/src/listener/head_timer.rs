//! Limits how long the head of a request (its request line and headers) takes to arrive.
//!
//! hyper has such a limit, but its timer starts when hyper begins to wait for a request. It must therefore be as long as
//! a proxy keeps an unused connection open, which is too long for a client that sends its headers byte by byte. This
//! timer starts at the first byte, and keeps the first bytes, which tell what a client speaks that isn't HTTP. It also
//! bounds how many clients are sending a large head ([`LargeHeads`]):
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

use super::{
    first_bytes::FirstBytes,
    large_heads::{LARGE_HEAD_BYTES, LargeHead, LargeHeads, TooManyLargeHeads},
};

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

/// The head that a connection is at.
#[derive(Debug)]
struct CurrentHead {
    state: HeadState,
    first_bytes: FirstBytes,
    /// How many bytes have arrived.
    bytes: usize,
    /// Its place, once it is large.
    large: Option<LargeHead>,
}

impl CurrentHead {
    fn receiving() -> Self {
        Self {
            state: HeadState::Receiving { since: Instant::now() },
            first_bytes: FirstBytes::default(),
            bytes: 0,
            large: None,
        }
    }

    fn append(&mut self, bytes: &[u8], large_heads: &LargeHeads) -> Result<(), TooManyLargeHeads> {
        self.first_bytes.append(bytes);
        self.bytes += bytes.len();
        if self.bytes > LARGE_HEAD_BYTES && self.large.is_none() {
            self.large = Some(large_heads.begin()?);
        }
        Ok(())
    }
}

/// The timer of one connection.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    head: Mutex<CurrentHead>,
    receiving: Notify,
    large_heads: LargeHeads,
}

impl HeadTimer {
    /// A timer for a new connection. It runs already: the client has to send its first request.
    pub(super) fn started(large_heads: LargeHeads) -> Self {
        Self { head: Mutex::new(CurrentHead::receiving()), receiving: Notify::new(), large_heads }
    }

    /// Starts the timer if these are the first bytes of a request. Fails if its head becomes large while too many are.
    pub(super) fn bytes_received(&self, bytes: &[u8]) -> Result<(), TooManyLargeHeads> {
        let mut head = self.head.lock();
        if head.state == HeadState::Idle {
            *head = CurrentHead::receiving();
            self.receiving.notify_one();
        }
        if head.state == HeadState::Answering { Ok(()) } else { head.append(bytes, &self.large_heads) }
    }

    /// The first bytes of the head that has begun to arrive last.
    pub(crate) fn first_bytes(&self) -> FirstBytes {
        self.head.lock().first_bytes
    }

    /// Stops the timer: the head is complete. Returns whether it was large.
    pub(crate) fn head_received(&self) -> bool {
        let mut head = self.head.lock();
        head.state = HeadState::Answering;
        head.large.take().is_some()
    }

    /// The head of the response is ready, so the next bytes may belong to another request.
    pub(crate) fn request_answered(&self) {
        self.head.lock().state = HeadState::Idle;
    }

    /// Waits until a head takes longer than `limit`.
    pub(crate) async fn timed_out(&self, limit: Duration) {
        loop {
            let state = self.head.lock().state;
            match state {
                HeadState::Receiving { since } => {
                    tokio::time::sleep_until(since + limit).await;
                    if self.head.lock().state == state {
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

    fn timer() -> HeadTimer {
        HeadTimer::started(LargeHeads::default())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_head_is_timed_from_the_start_of_the_connection() {
        let started = Instant::now();
        timer().timed_out(LIMIT).await;
        assert_eq!(started.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn later_heads_are_timed_from_their_first_byte() {
        let timer = timer();
        let requests = async {
            for _ in 0..3 {
                timer.head_received();
                timer.bytes_received(b"a body").unwrap();
                tokio::time::sleep(3 * LIMIT).await;
                timer.request_answered();
                tokio::time::sleep(3 * LIMIT).await;
                timer.bytes_received(b"PRO").unwrap();
                tokio::time::sleep(LIMIT / 2).await;
                timer.bytes_received(b"XY ").unwrap();
                assert_eq!(timer.first_bytes().to_string(), "begins with \"PROXY\"");
            }
        };
        let started = Instant::now();
        tokio::join!(timer.timed_out(LIMIT), requests);
        assert_eq!(started.elapsed(), 3 * (6 * LIMIT + LIMIT / 2) + LIMIT / 2);
    }

    #[test]
    fn a_large_head_has_a_place_until_it_is_complete_or_its_connection_ends() {
        let large_heads = LargeHeads::one();
        let [one, other] = [(); 2].map(|()| HeadTimer::started(large_heads.clone()));
        let usual = vec![0; LARGE_HEAD_BYTES];
        assert!(one.bytes_received(&usual).is_ok() && other.bytes_received(&usual).is_ok());
        for _ in 0..3 {
            assert!(one.bytes_received(b"more").is_ok());
            assert!(other.bytes_received(b"more").is_err());
        }
        assert!(one.head_received(), "it was large");
        assert!(other.bytes_received(b"more").is_ok());
        assert!(one.bytes_received(&usual.repeat(2)).is_ok(), "a body takes no place");
        one.request_answered();
        assert!(one.bytes_received(&usual).is_ok());
        assert!(one.bytes_received(b"more").is_err(), "the next head is counted anew");
        drop(other);
        assert!(one.bytes_received(b"more").is_ok());
        one.head_received();
        one.request_answered();
        assert!(one.bytes_received(b"GET").is_ok() && !one.head_received());
    }
}
