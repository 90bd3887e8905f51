//! What was measured in a run, as plain data.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    measure::{Latency, Timings},
    plan::Phase,
    results::Funnel,
};

/// When a phase was, since the run's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseWindow {
    pub phase: Phase,
    pub from: Duration,
    /// `None` while it goes on.
    pub to: Option<Duration>,
    /// How many pages were connected at its end, or are now.
    pub connected: u64,
    /// When the last login that was planned in it was over, since the run's start. That may be after its end.
    pub over: Duration,
}

/// Counts since the run's start, for whoever shows or samples it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCounts {
    /// How many pages are connected now.
    pub connected: u64,
    pub opened: u64,
    pub failed_opens: u64,
    pub disconnected: u64,
    pub planned: u64,
    pub heard: u64,
}

/// What was broken, and when, since the run's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultWindow {
    /// In words for people.
    pub what: String,
    pub from: Duration,
    /// `None` until it is mended.
    pub to: Option<Duration>,
}

/// What was measured in a run: by one process, or by several workers together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    pub timings: Timings,
    pub phases: MeasuredPhases,
    pub windows: Vec<PhaseWindow>,
    /// What was broken. In a run with workers nothing is.
    pub faults: Vec<FaultWindow>,
}

/// What became of the logins of each phase, and how long its opens took; by the phase in which something was planned.
pub type MeasuredPhases = BTreeMap<Phase, (Funnel, Latency)>;
