//! What a worker has measured, as JSON. A part that is sent twice replaces itself, so a report that comes twice changes
//! nothing, and one that is lost is made good by the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    generator::{LiveCounts, PhaseWindow},
    health::MachineTimes,
    measure::{HistogramError, Latency, SecondTimings, TimingSet},
    plan::Phase,
    results::{Funnel, ProcessSample},
};

/// What a worker has measured; in a report the parts that are new.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Since the run's start.
    pub phases: BTreeMap<Phase, PhaseRecord>,
    pub windows: Vec<PhaseWindow>,
    pub seconds: BTreeMap<u64, SecondRecord>,
    /// The counts at the end of each second.
    pub counts: BTreeMap<u64, LiveCounts>,
    /// The worker's own process, by the microseconds since the run's start.
    pub process: BTreeMap<u64, ProcessSample>,
    /// What the worker's machine had done when a phase began.
    pub machine: BTreeMap<Phase, MachineTimes>,
    pub descriptors: DescriptorUse,
    /// How many of its pages connect to one address, from one source address.
    pub pages_per_path: u64,
    pub processors: Processors,
}

/// The processors of a worker's machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processors {
    /// The machine's name.
    pub host: String,
    /// How many of them the worker may use.
    pub count: u32,
}

/// A worker's descriptors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescriptorUse {
    /// The most that it had open.
    pub used: u64,
    pub limit: u64,
}

/// What was measured in a phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    pub funnel: Funnel,
    pub times: TimesRecord,
    /// A histogram; see [`TimesRecord`].
    pub opens: String,
}

/// What was measured in a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SecondRecord {
    pub planned: u64,
    pub sent: u64,
    pub heard: u64,
    pub times: TimesRecord,
}

/// Histograms in the standard encoding. An empty text is one without times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TimesRecord {
    pub response: String,
    pub service: String,
    pub lateness: String,
}

impl TimesRecord {
    pub fn of(times: &TimingSet) -> Self {
        Self { response: encode(&times.response), service: encode(&times.service), lateness: encode(&times.lateness) }
    }

    /// Adds these times to others.
    pub fn add_to(&self, times: &mut TimingSet) -> Result<(), HistogramError> {
        times.response.merge(&decode(&self.response)?);
        times.service.merge(&decode(&self.service)?);
        times.lateness.merge(&decode(&self.lateness)?);
        Ok(())
    }
}

impl PhaseRecord {
    pub fn of(funnel: Funnel, times: &TimingSet, opens: &Latency) -> Self {
        Self { funnel, times: TimesRecord::of(times), opens: encode(opens) }
    }

    pub fn opens(&self) -> Result<Latency, HistogramError> {
        decode(&self.opens)
    }
}

impl SecondRecord {
    pub fn of(second: &SecondTimings) -> Self {
        let SecondTimings { times, planned, sent, heard } = second;
        Self { planned: *planned, sent: *sent, heard: *heard, times: TimesRecord::of(times) }
    }
}

impl WorkerRecord {
    /// Takes what is new, or sent again.
    pub fn absorb(&mut self, new: Self) {
        self.phases.extend(new.phases);
        self.windows = new.windows;
        self.seconds.extend(new.seconds);
        self.counts.extend(new.counts);
        self.process.extend(new.process);
        self.machine = new.machine;
        self.descriptors = new.descriptors;
        self.pages_per_path = new.pages_per_path;
        self.processors = new.processors;
    }
}

fn encode(latency: &Latency) -> String {
    if latency.is_empty() { String::new() } else { latency.encode() }
}

fn decode(text: &str) -> Result<Latency, HistogramError> {
    if text.is_empty() { Ok(Latency::default()) } else { Latency::decode(text) }
}
