//! The size of a drill.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many pages wait at a time.
    pub pages: u32,
    /// How many people scan per second.
    pub rate: f64,
    /// How long the load runs before the fault, and again after it.
    pub around: Duration,
    /// A login is late if its page learns of it this much later than its phone.
    pub late_after: Duration,
    /// Whether some pages disconnect for a while and come back.
    pub restless: bool,
    /// Whether faults and drain windows are short.
    pub short: bool,
}

impl Load {
    /// The load that an operator would use.
    pub const FULL: Self = Self {
        pages: 5000,
        rate: 200.0,
        around: Duration::from_secs(10),
        late_after: Duration::from_secs(1),
        restless: true,
        short: false,
    };
    /// A load with which all drills together take about ten minutes with debug builds.
    pub const SHORT: Self = Self { pages: 300, rate: 20.0, around: Duration::from_secs(1), short: true, ..Self::FULL };

    /// The drain window of the pods.
    pub(super) fn window(&self) -> Duration {
        Duration::from_secs(if self.short { 6 } else { 20 })
    }

    /// How long people look at a question before they answer.
    pub(super) fn think_time(&self) -> Duration {
        if self.short { Duration::from_millis(500) } else { Duration::from_secs(3) }
    }

    /// Waits this many seconds while the load goes on: `full` or `short`, depending on the load.
    pub(super) async fn run_for(&self, full: u64, short: u64) {
        tokio::time::sleep(Duration::from_secs(if self.short { short } else { full })).await;
    }
}
