//! Whether this pod holds more than its share of the fleet's pages, and how many of them go elsewhere now. No
//! I/O and no clock: times count from when the process began.
//!
//! Pages move only where that is sure to help, and never for ever. Nothing is shed while pods come and go, or a
//! rollout is under way; little enough to be worth nobody's notice is left where it is; what begins
//! far above the mean ends at it, so that what others shed meanwhile doesn't begin it anew; and where shedding
//! doesn't help, because what is in front of the pods sends each page back to where it was, the pod rests, twice
//! as long each time.

use std::{collections::BTreeSet, time::Duration};

use scenecast_shared::store::Reports;

/// How long the same pods have to be there before any sheds.
const SETTLED: Duration = Duration::from_secs(15);
/// The same where they are of several versions: a rollout that takes longer than this over a pod is one that
/// somebody has stopped half-way, to try the new version on some of the pages.
const SETTLED_MIXED: Duration = Duration::from_secs(10 * 60);
/// How many times its share a pod may hold, …
const ABOVE: f64 = 1.2;
/// … and so many pages more: of few, chance gives somebody twice their share.
const SOME: f64 = 50.0;
/// Which part of its pages a pod sheds, at most, in a second.
const A_SECOND: f64 = 0.01;
/// How many times its excess a pod sheds before it rests: part of what it sheds comes back to it by chance.
const AT_ONCE: f64 = 2.0;
/// How long it rests after it has shed for the first time, …
const REST: Duration = Duration::from_secs(60);
/// … and the longest.
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);

/// A fleet whose pods can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fleet {
    pods: BTreeSet<String>,
    held: usize,
    /// Whether its pods are of several versions.
    mixed: bool,
}

impl Fleet {
    /// The fleet of these reports; none while some of it leaves, and its pages are on the move anyway, or can't
    /// be read.
    pub(crate) fn of(reports: Reports) -> Option<Self> {
        let (mut pods, mut versions, mut held) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (pod, report) in reports {
            let report = report.filter(|report| !report.leaving)?;
            held += report.held;
            pods.insert(pod);
            versions.insert(report.version);
        }
        Some(Self { pods, held, mixed: versions.len() > 1 })
    }

    /// How long its pods have to have been the same.
    fn settles_in(&self) -> Duration {
        if self.mixed { SETTLED_MIXED } else { SETTLED }
    }

    #[expect(clippy::cast_precision_loss, reason = "no fleet holds 2^52 pages")]
    fn mean(&self) -> f64 {
        self.held as f64 / self.pods.len().max(1) as f64
    }
}

/// One pod's part in keeping the balance.
#[derive(Debug)]
pub(crate) struct Balance {
    fleet: Option<Settling>,
    shedding: Option<Shedding>,
    /// When it shed last, and how long it rests after that.
    shed: Option<Duration>,
    rest: Duration,
}

#[derive(Debug)]
struct Settling {
    fleet: Fleet,
    /// Since when its pods are the same.
    since: Duration,
}

#[derive(Debug)]
struct Shedding {
    mean: f64,
    /// How many pages may still go.
    left: f64,
    /// The part of a page that was due and couldn't go.
    owed: f64,
    at: Duration,
}

impl Balance {
    pub(crate) fn new() -> Self {
        Self { fleet: None, shedding: None, shed: None, rest: REST }
    }

    /// How the fleet is now, if that is known, while this pod holds so many pages.
    pub(crate) fn hear(&mut self, fleet: Option<Fleet>, held: usize, at: Duration) {
        let Some(fleet) = fleet else {
            self.fleet = None;
            return self.stop(at);
        };
        let since = match &self.fleet {
            Some(before) if before.fleet.pods == fleet.pods => before.since,
            _ => at,
        };
        let (mean, settled) = (fleet.mean(), since + fleet.settles_in());
        self.fleet = Some(Settling { fleet, since });
        if at < settled {
            return self.stop(at);
        }
        match &mut self.shedding {
            Some(shedding) => shedding.mean = mean,
            None => self.begin(mean, pages(held), at),
        }
    }

    fn begin(&mut self, mean: f64, held: f64, at: Duration) {
        let rested = self.shed.map(|shed| at.saturating_sub(shed));
        if held <= mean * ABOVE + SOME || rested.is_some_and(|rested| rested < self.rest) {
            return;
        }
        self.rest = match rested {
            Some(rested) if rested < 2 * LONGEST_REST => LONGEST_REST.min(2 * self.rest),
            _ => REST,
        };
        self.shedding = Some(Shedding { mean, left: (held - mean) * AT_ONCE, owed: 0.0, at });
    }

    fn stop(&mut self, at: Duration) {
        if self.shedding.take().is_some() {
            self.shed = Some(at);
        }
    }

    /// Whether pages go.
    pub(crate) fn is_shedding(&self) -> bool {
        self.shedding.is_some()
    }

    /// How many pages go now, of so many that this pod holds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and what is held")]
    pub(crate) fn due(&mut self, held: usize, at: Duration) -> usize {
        let Some(shedding) = &mut self.shedding else { return 0 };
        let held = pages(held);
        let excess = (held - shedding.mean).floor().min(shedding.left);
        if excess < 1.0 {
            self.stop(at);
            return 0;
        }
        shedding.owed += held * A_SECOND * at.saturating_sub(shedding.at).as_secs_f64();
        shedding.at = at;
        let due = shedding.owed.floor().min(excess);
        shedding.owed -= due;
        shedding.left -= due;
        due as usize
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process holds 2^52 pages")]
fn pages(held: usize) -> f64 {
    held as f64
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
