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

    /// What was measured before the first login, when all pages waited: in the hold, or in the ramp of a run without one. What a
    /// page takes shows at its end, because logins close pages.
    pub fn before_logins(&self) -> Option<&PhaseResult> {
        self.phase(Phase::Hold).or_else(|| self.phase(Phase::Ramp))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RateCurve;

    #[test]
    fn the_first_that_is_true_counts() {
        let plan = LoginPlan::plain(10, RateCurve::constant(1.0, 5.0));
        let mut result = RunResult::new(plan, TargetInfo::default());
        assert_eq!(result.judge(), RunVerdict::Passed);
        let text = "lost == 0".to_owned();
        result.thresholds.push(ThresholdOutcome { text, value: None, limit: 0.0, holds: false });
        assert_eq!(result.judge(), RunVerdict::ThresholdCrossed);
        result.completeness.lacks("somebody pressed Ctrl-C".to_owned());
        assert_eq!(result.judge(), RunVerdict::Incomplete);
        result.generator.is_limited = true;
        assert_eq!(result.judge(), RunVerdict::GeneratorLimited);
        result.funnel.doubled = 1;
        assert_eq!(result.judge(), RunVerdict::BrokenPromise);
    }
}
