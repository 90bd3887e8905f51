//! A clock that counts what happens in this process's registry of watchers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A point in the order of what happens to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogicalTime(u64);

/// Ticks at each loss, new watcher and confirmation, so that a read can be compared with them.
#[derive(Debug, Default)]
pub(crate) struct LogicalClock(AtomicU64);

impl LogicalClock {
    /// The present time: to be noted before a read or a subscribe begins.
    pub(crate) fn now(&self) -> LogicalTime {
        LogicalTime(self.0.load(Ordering::SeqCst))
    }

    /// A time later than any that was noted.
    pub(crate) fn tick(&self) -> LogicalTime {
        LogicalTime(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}
