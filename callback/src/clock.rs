//! The time of day, for what ends at midnight. Tests let it run ahead, as the simulator's does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// A clock. Clones are the same one; the default is right.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_secs: Arc<AtomicU64>,
}

impl Clock {
    /// Lets it run ahead by so many whole seconds more.
    pub fn advance(&self, time: Duration) {
        self.ahead_secs.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.ahead_secs.load(Ordering::Relaxed))
    }
}
