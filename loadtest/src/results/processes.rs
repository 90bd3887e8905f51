//! CPU and memory of each process over time, and what a login costs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A process that has no sample for this long has ended, in seconds.
const GONE_AFTER: f64 = 2.0;

/// What a process is in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessRole {
    Gateway,
    Callback,
    Redis,
    /// WeChat, if it is a process of its own. Otherwise it is part of the generator.
    Simulator,
    /// The pages and phones: this program itself.
    Generator,
    /// A server that is compared with Scenecast.
    Peer,
}

/// One process over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessSeries {
    pub role: ProcessRole,
    /// Its name, such as `gateway 0`.
    pub name: String,
    pub pid: u32,
    /// One each second, oldest first.
    pub samples: Vec<ProcessSample>,
}

/// A process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessSample {
    pub at_seconds: f64,
    /// CPU time since the process started, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub rss_bytes: u64,
    /// Open file descriptors; 0 if unknown.
    #[serde(default)]
    pub descriptors: u64,
}

/// What the logins of a phase cost. The phase's other work (pages that open again, heartbeats) is in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginCost {
    /// How many logins were delivered.
    pub logins: u64,
    /// How many pages opened meanwhile.
    pub opens: u64,
    /// By role.
    pub roles: BTreeMap<ProcessRole, RoleCost>,
    /// CPU time of all processes under test a login (not of the generator and the simulator), in microseconds.
    pub cpu_us: f64,
}

impl LoginCost {
    /// Whether a process under test was looked at. Those of somebody else's cluster aren't.
    pub fn is_known(&self) -> bool {
        self.roles.keys().any(|role| role.is_under_test())
    }
}

/// What the processes of one role cost together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleCost {
    /// CPU time in the phase, in seconds.
    pub cpu_seconds: f64,
    /// CPU time a login, in microseconds; 0 without logins.
    pub cpu_us_per_login: f64,
    /// CPU time a page that opened, in microseconds, in a phase without logins; 0 otherwise.
    pub cpu_us_per_open: f64,
    /// Resident memory at the end of the phase.
    pub rss_bytes: u64,
    /// How much memory each connected page added since the run's start; 0 without pages.
    pub rss_bytes_per_page: f64,
}

impl ProcessRole {
    /// Whether it is under test. The others make the load.
    pub fn is_under_test(self) -> bool {
        !matches!(self, Self::Simulator | Self::Generator)
    }

    /// Its name in the result file and in thresholds.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Callback => "callback",
            Self::Redis => "redis",
            Self::Simulator => "simulator",
            Self::Generator => "generator",
            Self::Peer => "peer",
        }
    }
}

impl ProcessSeries {
    /// The sample that is nearest to this moment. Whenever a phase changes there is one.
    pub fn at(&self, at_seconds: f64) -> Option<&ProcessSample> {
        let next = self.samples.partition_point(|sample| sample.at_seconds <= at_seconds);
        let around = &self.samples[next.saturating_sub(1)..self.samples.len().min(next + 1)];
        let distance = |sample: &ProcessSample| (sample.at_seconds - at_seconds).abs();
        around.iter().min_by(|one, other| distance(one).total_cmp(&distance(other)))
    }

    /// Resident memory at this moment; 0 if the process had ended, or was not there yet.
    pub fn rss_at(&self, at_seconds: f64) -> u64 {
        let sample = self.at(at_seconds).filter(|sample| (sample.at_seconds - at_seconds).abs() <= GONE_AFTER);
        sample.map_or(0, |sample| sample.rss_bytes)
    }

    /// CPU time between two moments, in seconds.
    pub fn cpu_between(&self, from_seconds: f64, to_seconds: f64) -> f64 {
        let [from, to] = [from_seconds, to_seconds].map(|at| self.at(at).map_or(0.0, |sample| sample.cpu_seconds));
        (to - from).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_has_no_memory() {
        let sample = |at_seconds| ProcessSample { at_seconds, rss_bytes: 7, ..ProcessSample::default() };
        let samples = vec![sample(5.0), sample(6.0)];
        let series = ProcessSeries { role: ProcessRole::Gateway, name: "gateway 0".to_owned(), pid: 1, samples };
        assert_eq!([0.0, 4.0, 6.5, 9.0].map(|at| series.rss_at(at)), [0, 7, 7, 0]);
    }

    #[test]
    fn cpu_between_two_moments_is_of_the_samples_nearest_to_them() {
        let sample = |at_seconds, cpu_seconds| ProcessSample { at_seconds, cpu_seconds, ..ProcessSample::default() };
        let samples = vec![sample(0.0, 1.0), sample(1.01, 1.5), sample(2.0, 4.0)];
        let series = ProcessSeries { role: ProcessRole::Gateway, name: "gateway 0".to_owned(), pid: 1, samples };
        let none = ProcessSeries { samples: vec![], ..series.clone() };
        for (took, seconds) in [
            (series.cpu_between(1.0, 9.0), 2.5),
            (series.cpu_between(0.0, 2.0), 3.0),
            (none.cpu_between(0.0, 1.0), 0.0),
        ] {
            assert!((took - seconds).abs() < 1e-9, "{took}");
        }
    }
}
