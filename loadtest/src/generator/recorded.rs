//! What is recorded of a run while it goes on.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::measured::{FaultWindow, LiveCounts, PhaseWindow};
use crate::{
    ledger::{Ledger, Tally},
    measure::{Latency, Timings},
    plan::Phase,
    results::Funnel,
};

/// What was recorded so far.
#[derive(Debug, Default)]
pub struct Recorded {
    pub timings: Timings,
    /// By the phase in which something was planned.
    pub(super) phases: BTreeMap<Phase, RecordedPhase>,
    /// The phases so far, in their order.
    pub windows: Vec<PhaseWindow>,
    pub counts: LiveCounts,
    pub faults: Vec<FaultWindow>,
    pub(super) data_lost_by: Option<Instant>,
}

/// What was recorded of what was planned in one phase.
#[derive(Debug, Default)]
pub(super) struct RecordedPhase {
    pub(super) ledger: Ledger,
    pub(super) opens: Latency,
    pub(super) asked: u64,
    pub(super) planned: u64,
    pub(super) without_page: u64,
    pub(super) grants_redeemed: u64,
    pub(super) redeemed_again: u64,
    pub(super) left: u64,
    pub(super) unasked: u64,
}

impl Recorded {
    /// What is recorded of this phase.
    pub(super) fn phase(&mut self, phase: Phase) -> &mut RecordedPhase {
        let data_lost_by = self.data_lost_by;
        self.phases.entry(phase).or_insert_with(|| {
            let mut of_phase = RecordedPhase::default();
            if let Some(lost_by) = data_lost_by {
                of_phase.ledger.data_lost(lost_by);
            }
            of_phase
        })
    }

    /// The phase of now ends.
    pub(super) fn end_phase(&mut self, at: Duration) {
        if let Some(last) = self.windows.last_mut()
            && last.to.is_none()
        {
            (last.to, last.connected, last.over) = (Some(at), self.counts.connected, last.over.max(at));
        }
    }
}

impl RecordedPhase {
    /// What became of its logins, by the sums of its ledger.
    pub(super) fn funnel(&self, tally: Tally) -> Funnel {
        let of_ledger = Funnel::of(tally);
        Funnel {
            asked: self.asked,
            opened: self.opens.count(),
            left: self.left,
            planned: self.planned,
            without_page: self.without_page,
            redeemed: self.grants_redeemed,
            redeemed_again: self.redeemed_again,
            mixed_up: of_ledger.mixed_up + self.unasked,
            ..of_ledger
        }
    }
}
