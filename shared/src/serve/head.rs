//! How long a request's head takes to arrive. The HTTP server's own limit begins when it waits for one, and has to be
//! as long as a proxy keeps a connection that it doesn't use.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Between two requests.
    Rest,
    /// A request's head arrives, since then.
    Head(Instant),
    /// A request is answered.
    Answer,
}

/// What one connection is at.
#[derive(Debug)]
pub(super) struct Head {
    at: Mutex<At>,
    begins: Notify,
}

impl Head {
    /// Of a connection that was just made: its first request is due.
    pub(super) fn due() -> Self {
        Self { at: Mutex::new(At::Head(Instant::now())), begins: Notify::new() }
    }

    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something arrived.
    pub(super) fn heard(&self) {
        let mut at = self.at();
        if *at == At::Rest {
            *at = At::Head(Instant::now());
            self.begins.notify_one();
        }
    }

    /// The head is there.
    pub(super) fn complete(&self) {
        *self.at() = At::Answer;
    }

    /// Its request is answered, as far as that has a head.
    pub(super) fn answered(&self) {
        *self.at() = At::Rest;
    }

    /// Done once a head has taken this long.
    pub(super) async fn overdue(&self, limit: Duration) {
        loop {
            let at = *self.at();
            match at {
                At::Head(since) => {
                    tokio::time::sleep_until(since + limit).await;
                    if *self.at() == at {
                        return;
                    }
                }
                At::Rest | At::Answer => self.begins.notified().await,
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
        Head::due().overdue(LIMIT).await;
        assert_eq!(since.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn later_ones_are_due_from_their_first_byte() {
        let head = Head::due();
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
