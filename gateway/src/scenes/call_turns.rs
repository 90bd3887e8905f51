//! How many pages have a scene opened by callbacks at a time. Those beyond wait for their turn, in order.
//!
//! Without it each page of a burst would have a connection of its own to a callback: while all of them are slow, nobody
//! gets an answer in time, and their memory stays.
//!
//! See docs/decisions/101-calls-to-callbacks-take-turns.md.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a call waits for its turn. With the time of the call itself, that is less than our own page waits: one that
/// gave up would come back at once, at the end of the queue.
pub(super) const PATIENCE: Duration = Duration::from_millis(2500);

/// A call didn't get its turn in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more calls to callbacks wait than callbacks answer in {PATIENCE:?}")]
pub(super) struct NoTurnError;

/// The turns of all calls of this process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct CallTurns(Arc<Semaphore>);

/// A call's turn, which lasts until this is dropped.
#[derive(Debug)]
#[must_use = "the turn is over once this is dropped"]
pub(crate) struct CallTurn {
    _permit: OwnedSemaphorePermit,
}

impl CallTurns {
    /// So many calls may be under way at a time.
    pub(super) fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_a_time.min(Semaphore::MAX_PERMITS))))
    }

    /// Waits for a turn. A page that leaves meanwhile gives up its place.
    pub(super) async fn next(&self) -> Result<CallTurn, NoTurnError> {
        let turn = timeout(PATIENCE, self.0.clone().acquire_owned()).await.map_err(|_| NoTurnError)?;
        Ok(CallTurn { _permit: turn.expect("turns are never closed") })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_beyond_wait_in_order_and_those_that_left_are_passed_over() {
        let turns = CallTurns::new(2);
        let under_way = turns.next().await.unwrap();
        let other = turns.next().await.unwrap();
        let mut first = Box::pin(turns.next());
        let mut gone = Box::pin(turns.next());
        let mut last = Box::pin(turns.next());
        assert!(first.as_mut().now_or_never().is_none(), "all turns are taken");
        assert!(gone.as_mut().now_or_never().is_none() && last.as_mut().now_or_never().is_none());
        drop(gone);
        drop(under_way);
        assert!(last.as_mut().now_or_never().is_none(), "the first is before it");
        let held = first.await.unwrap();
        assert!(last.as_mut().now_or_never().is_none());
        drop(other);
        assert!(last.await.is_ok());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_gets_no_turn_in_time_is_told() {
        let turns = CallTurns::new(1);
        let under_way = turns.next().await.unwrap();
        assert_eq!(turns.next().await.err(), Some(NoTurnError));
        drop(under_way);
        assert!(turns.next().await.is_ok());
    }
}
