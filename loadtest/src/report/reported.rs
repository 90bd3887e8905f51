//! A run as the report takes it.

use super::{
    chart::ChartStroke,
    condensed::{self, SecondError, TimeStep},
};
use crate::{
    plan::Phase,
    results::{PhaseResult, RunResult},
};

/// The most steps of time in a chart. More can't be told apart on a screen.
const MOST_STEPS: u64 = 1500;

/// A run, with what several parts of the report need of it.
pub(super) struct ReportedRun<'a> {
    pub(super) result: &'a RunResult,
    place: RunPlace,
    pub(super) steps: Vec<TimeStep>,
    /// How long a step is.
    pub(super) step_seconds: u64,
}

/// Whether a run stands for itself, or beside another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunPlace {
    Alone,
    Before,
    After,
}

impl<'a> ReportedRun<'a> {
    pub(super) fn alone(result: &'a RunResult) -> Result<Self, SecondError> {
        let step_seconds = condensed::step_length(condensed::length(&result.seconds), MOST_STEPS);
        Self::new(result, RunPlace::Alone, step_seconds)
    }

    /// Two runs, with steps of the same length.
    pub(super) fn pair(before: &'a RunResult, after: &'a RunResult) -> Result<[Self; 2], SecondError> {
        let seconds = condensed::length(&before.seconds).max(condensed::length(&after.seconds));
        let step_seconds = condensed::step_length(seconds, MOST_STEPS);
        let before = Self::new(before, RunPlace::Before, step_seconds)?;
        Ok([before, Self::new(after, RunPlace::After, step_seconds)?])
    }

    fn new(result: &'a RunResult, place: RunPlace, step_seconds: u64) -> Result<Self, SecondError> {
        let steps = condensed::condense(&result.seconds, step_seconds)?;
        Ok(Self { result, place, steps, step_seconds })
    }

    /// Its name beside another one; empty if it stands for itself.
    pub(super) fn name(&self) -> &'static str {
        match self.place {
            RunPlace::Alone => "",
            RunPlace::Before => "before",
            RunPlace::After => "after",
        }
    }

    /// The label of a line of this run.
    pub(super) fn label_of(&self, line: &str) -> String {
        if self.place == RunPlace::Alone { line.to_owned() } else { format!("{line}, {}", self.name()) }
    }

    /// How a line of this run is drawn: what was before is dotted.
    pub(super) fn stroke_of(&self, stroke: ChartStroke) -> ChartStroke {
        if self.place == RunPlace::Before { ChartStroke::Dotted } else { stroke }
    }

    /// The phases in which people logged in, and that timed at least one login.
    pub(super) fn timed_phases(&self) -> impl Iterator<Item = &'a PhaseResult> + use<'a> {
        let logs_in = |phase: &&PhaseResult| matches!(phase.phase, Phase::Load | Phase::Fault);
        self.result.phases.iter().filter(logs_in).filter(|phase| phase.response.summary.count > 0)
    }
}

/// A phase's name in a sentence.
pub(super) fn phase_words(phase: Phase) -> String {
    phase.name().replace('_', " ")
}

/// The phase by which a run is judged: load, or fault where the load timed nothing.
pub(super) fn main_phase(result: &RunResult) -> Option<&PhaseResult> {
    let timed = |phase| result.phase(phase).filter(|phase| phase.response.summary.count > 0);
    timed(Phase::Load).or_else(|| timed(Phase::Fault))
}
