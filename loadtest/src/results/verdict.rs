//! Whether the generator kept up, thresholds, completeness, and the exit code.

use serde::{Deserialize, Serialize};

/// Whether the generator did what the plan says. If it didn't, its times are not those of the target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GeneratorHealth {
    /// Whether the generator was the limit: some finding says so.
    pub is_limited: bool,
    /// What was found, in words for people. Not every finding makes the run worthless.
    pub findings: Vec<HealthFinding>,
    /// Planned logins a second, in the load; in the fault if there was no load.
    pub asked_rate: f64,
    /// Logins a second whose message was sent, in the same phase.
    pub reached_rate: f64,
    pub lateness_p99_ms: f64,
    /// Above this the generator was the limit: the larger of 1 ms and 10 % of the response's median.
    pub lateness_limit_ms: f64,
    /// The generator's own CPU time in the same phase, in processors: 1 is one whole processor.
    pub cpus_used: f64,
    /// How many processors it may use.
    pub cpus: u32,
    /// The share of the machine's processors that nobody used in load and fault, from 0 to 1.
    pub machine_idle_share: f64,
    /// The most descriptors that it had open.
    pub descriptors_used: u64,
    pub descriptors_limit: u64,
    /// The most source ports that it needed to one address, from one source address.
    pub ports_used: u64,
    pub ports_limit: u64,
    /// TCP segments that this machine sent again while the run was on.
    pub retransmitted_segments: u64,
}

/// One thing about the generator that a reader has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthFinding {
    /// What is so, and what follows or what to do.
    pub text: String,
    /// Whether it makes the generator the limit.
    pub limits: bool,
}

/// A threshold and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdOutcome {
    /// As it was written, such as `response.p99 < 50ms`.
    pub text: String,
    /// The measured value: milliseconds for times, otherwise in the metric's own unit; `None` if nothing was measured.
    pub value: Option<f64>,
    /// The limit, in the same unit.
    pub limit: f64,
    pub holds: bool,
}

/// Whether the result has everything that was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Completeness {
    pub is_complete: bool,
    /// Why not, one sentence each; such as that somebody pressed Ctrl-C, or that a worker stopped.
    pub reasons: Vec<String>,
    /// The workers; empty if there were none.
    pub workers: Vec<WorkerEnd>,
}

/// What became of one worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerEnd {
    /// Its number, counted from 0.
    pub index: u32,
    pub host: String,
    /// Whether it reported until the end.
    pub is_complete: bool,
    /// How many seconds it reported.
    pub last_second: u64,
    /// How far the clock of the coordinator's Redis was ahead of the worker's, in microseconds; negative if behind.
    pub clock_ahead_us: i64,
    /// The true offset was at most this much more or less, in microseconds.
    pub clock_uncertainty_us: u64,
}

/// What a run comes to. The first that is true counts, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunVerdict {
    /// An accepted login was lost, doubled or mixed up.
    BrokenPromise,
    /// The generator was the limit.
    GeneratorLimited,
    /// Something of the plan is missing.
    Incomplete,
    /// A threshold does not hold.
    ThresholdCrossed,
    #[default]
    Passed,
}

impl Default for Completeness {
    fn default() -> Self {
        Self { is_complete: true, reasons: vec![], workers: vec![] }
    }
}

impl Completeness {
    /// Notes why something is missing.
    pub fn lacks(&mut self, reason: String) {
        self.is_complete = false;
        self.reasons.push(reason);
    }
}

impl RunVerdict {
    /// The exit code of the command.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::BrokenPromise => 1,
            Self::GeneratorLimited | Self::Incomplete => 3,
            Self::ThresholdCrossed => 99,
        }
    }

    /// The verdict in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::BrokenPromise => "accepted logins were lost, doubled or mixed up",
            Self::GeneratorLimited => "the generator was the limit: its times are not those of the target",
            Self::Incomplete => "incomplete",
            Self::ThresholdCrossed => "a threshold does not hold",
        }
    }
}
