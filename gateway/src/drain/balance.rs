//! Decides whether this pod has more than its share of the fleet's pages, and how many of them go now. No I/O and
//! no clock: times count from when the process began.
//!
//! ```text
//!               the same pods for 15 s (10 min with several versions),
//!               and more pages than 1.2 × mean + 50
//!   observing ─────────────────────────────────────────────────▶ shedding 1 % a second
//!       ▲                                                                │
//!       │                       this pod has the mean, or it has shed    │
//!       │ the rest is over      twice its excess, or the fleet changes   │
//!       │                                                                ▼
//!       └─────────────────────────────────── resting 60 s, twice as long each time, at most 1 h
//! ```
//!
//! - While pods come and go, or during a rollout, nothing is shed: pages are on the move anyway.
//! - A small excess stays where it is. It comes from chance.
//! - A pod that begins to shed goes down to the mean, not just below the threshold. Otherwise pages that other pods
//!   shed would soon bring it above the threshold again.
//! - If the load balancer sends each page back to the pod that it came from, shedding doesn't help. So a pod rests
//!   after it has shed, twice as long each time.
//!
//! See docs/decisions/025-pods-count-themselves-with-plain-commands.md.

use std::{collections::BTreeSet, time::Duration};

use scenecast_bus::GatewayReports;

/// How long the fleet must have the same pods before any of them sheds.
const SETTLE_TIME: Duration = Duration::from_secs(15);
/// The same for a fleet of several versions. A rollout that takes longer than this for one pod has been stopped
/// half-way on purpose, to try the new version on some of the pages.
const MIXED_SETTLE_TIME: Duration = Duration::from_secs(10 * 60);
/// A pod sheds when it has more than so many times the mean, …
const THRESHOLD_RATIO: f64 = 1.2;
/// … and so many pages more: where there are few pages, chance gives some pod twice the mean.
const THRESHOLD_PAGES: f64 = 50.0;
/// The fraction of its pages that a pod sheds in a second, at most.
const RATE_PER_SECOND: f64 = 0.01;
/// How many times its excess a pod sheds before it rests. Some of the pages come back to it by chance.
const EXCESS_FACTOR: f64 = 2.0;
/// How long a pod rests after it has shed for the first time.
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// A fleet whose pods can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FleetView {
    pods: BTreeSet<String>,
    pages: usize,
    has_several_versions: bool,
}

impl FleetView {
    /// The fleet of these reports. None while a pod leaves, or where a report can't be read.
    pub(super) fn from_reports(reports: GatewayReports) -> Option<Self> {
        let mut pods = BTreeSet::new();
        let mut versions = BTreeSet::new();
        let mut pages = 0;
        for (pod, report) in reports {
            let report = report.filter(|report| !report.leaving)?;
            pages += report.held;
            pods.insert(pod);
            versions.insert(report.version);
        }
        Some(Self { pods, pages, has_several_versions: versions.len() > 1 })
    }

    fn settle_time(&self) -> Duration {
        if self.has_several_versions { MIXED_SETTLE_TIME } else { SETTLE_TIME }
    }

    fn mean(&self) -> f64 {
        to_f64(self.pages) / to_f64(self.pods.len().max(1))
    }
}

#[derive(Debug)]
pub(super) struct Balancer {
    fleet: Option<ObservedFleet>,
    shedding: Option<SheddingRound>,
    /// When the last round of shedding ended.
    last_shed: Option<Duration>,
    /// How long to rest after that.
    rest: Duration,
}

#[derive(Debug)]
struct ObservedFleet {
    view: FleetView,
    /// Since when it has the same pods.
    since: Duration,
}

#[derive(Debug)]
struct SheddingRound {
    mean: f64,
    /// How many pages may still go in this round.
    budget: f64,
    /// The fraction of a page that was due and couldn't go.
    carry: f64,
    at: Duration,
}

impl Balancer {
    pub(super) fn new() -> Self {
        Self { fleet: None, shedding: None, last_shed: None, rest: FIRST_REST }
    }

    /// Takes in the fleet as it is now, if that is known, while this pod has so many pages.
    pub(super) fn observe(&mut self, fleet: Option<FleetView>, pages: usize, at: Duration) {
        let Some(view) = fleet else {
            self.fleet = None;
            return self.stop(at);
        };
        let since = match &self.fleet {
            Some(before) if before.view.pods == view.pods => before.since,
            _ => at,
        };
        let mean = view.mean();
        let settled_at = since + view.settle_time();
        self.fleet = Some(ObservedFleet { view, since });
        if at < settled_at {
            return self.stop(at);
        }
        match &mut self.shedding {
            Some(round) => round.mean = mean,
            None => self.start_if_above_threshold(mean, to_f64(pages), at),
        }
    }

    fn start_if_above_threshold(&mut self, mean: f64, pages: f64, at: Duration) {
        let rested = self.last_shed.map(|ended| at.saturating_sub(ended));
        if pages <= mean * THRESHOLD_RATIO + THRESHOLD_PAGES || rested.is_some_and(|rested| rested < self.rest) {
            return;
        }
        self.rest = match rested {
            Some(rested) if rested < 2 * LONGEST_REST => LONGEST_REST.min(2 * self.rest),
            _ => FIRST_REST,
        };
        self.shedding = Some(SheddingRound { mean, budget: (pages - mean) * EXCESS_FACTOR, carry: 0.0, at });
    }

    fn stop(&mut self, at: Duration) {
        if self.shedding.take().is_some() {
            self.last_shed = Some(at);
        }
    }

    pub(super) fn is_shedding(&self) -> bool {
        self.shedding.is_some()
    }

    /// How many pages go now, of so many that this pod has.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and the pod's pages")]
    pub(super) fn due(&mut self, pages: usize, at: Duration) -> usize {
        let Some(round) = &mut self.shedding else { return 0 };
        let pages = to_f64(pages);
        let excess = (pages - round.mean).floor().min(round.budget);
        if excess < 1.0 {
            self.stop(at);
            return 0;
        }
        round.carry += pages * RATE_PER_SECOND * at.saturating_sub(round.at).as_secs_f64();
        round.at = at;
        let due = round.carry.floor().min(excess);
        round.carry -= due;
        round.budget -= due;
        due as usize
    }
}

#[expect(clippy::cast_precision_loss, reason = "no fleet holds 2^52 pages")]
fn to_f64(pages: usize) -> f64 {
    pages as f64
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
