//! The whole result.

use serde::{Deserialize, Serialize};

use super::{
    format::{FORMAT, VERSION},
    funnel::Funnel,
    processes::ProcessSeries,
    setting::{HostInfo, TargetInfo, ToolInfo},
    timeline::{FaultMark, PhaseResult, SecondResult},
    verdict::{Completeness, GeneratorHealth, RunVerdict, ThresholdOutcome},
};
use crate::plan::{LoginPlan, Phase};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Always [`FORMAT`].
    pub format: String,
    /// Always [`VERSION`].
    pub version: u32,
    /// When the run began, in unix milliseconds.
    pub began_unix_ms: u64,
    /// How long it took.
    pub took_seconds: f64,
    pub tool: ToolInfo,
    pub host: HostInfo,
    pub target: TargetInfo,
    pub plan: LoginPlan,
    /// [`LoginPlan::hash`]. Results of different plans can't be merged.
    pub plan_hash: String,
    /// In the order of the run. Phases without any time are not there.
    pub phases: Vec<PhaseResult>,
    /// From the first to the last, without gaps.
    pub seconds: Vec<SecondResult>,
    /// Over all phases.
    pub funnel: Funnel,
    pub processes: Vec<ProcessSeries>,
    #[serde(default)]
    pub faults: Vec<FaultMark>,
    pub generator: GeneratorHealth,
    pub thresholds: Vec<ThresholdOutcome>,
    /// The threshold that ended the run before its plan did, as it was written.
    #[serde(default)]
    pub aborted_by: Option<String>,
    pub completeness: Completeness,
    pub verdict: RunVerdict,
}

impl RunResult {
    /// A result of this plan in which nothing has happened yet.
    pub fn new(plan: LoginPlan, target: TargetInfo) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            began_unix_ms: 0,
            took_seconds: 0.0,
            tool: ToolInfo::default(),
            host: HostInfo::default(),
            target,
            plan_hash: plan.hash(),
            plan,
            phases: vec![],
            seconds: vec![],
            funnel: Funnel::default(),
            processes: vec![],
            faults: vec![],
            generator: GeneratorHealth::default(),
            thresholds: vec![],
            aborted_by: None,
            completeness: Completeness::default(),
            verdict: RunVerdict::default(),
        }
    }

    /// What was measured in this phase.
    pub fn phase(&self, phase: Phase) -> Option<&PhaseResult> {
        self.phases.iter().find(|result| result.phase == phase)
    }

    /// What the run comes to, by everything else in the result.
    pub fn judge(&self) -> RunVerdict {
        if !self.funnel.keeps_the_promise() {
            RunVerdict::BrokenPromise
        } else if self.generator.is_limited {
            RunVerdict::GeneratorLimited
        } else if !self.completeness.is_complete {
            RunVerdict::Incomplete
        } else if self.aborted_by.is_some() || self.thresholds.iter().any(|threshold| !threshold.holds) {
            RunVerdict::ThresholdCrossed
        } else {
            RunVerdict::Passed
        }
    }
}
