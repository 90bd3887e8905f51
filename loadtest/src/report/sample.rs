//! Invented results, for tests of what reads results. A seed always gives the same one.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    measure::TimingSet,
    plan::{Arrivals, LoginPlan, Phase, PhoneSteps, RateCurve, ThinkTime, WayIn, WeightedWay},
    results::{
        FaultMark, Funnel, GeneratorHealth, HistogramRecord, HostInfo, LoginCost, PhaseResult, ProcessRole,
        ProcessSample, ProcessSeries, RoleCost, RunResult, SecondResult, TargetInfo, ThresholdOutcome, ToolInfo,
    },
};

/// How long pages open, wait, and end, in seconds.
const RAMP: u64 = 10;
const HOLD: u64 = 5;
const COOL_DOWN: u64 = 5;
/// When people begin to log in.
const LOAD_START: u64 = RAMP + HOLD;

/// What an invented run is like.
#[derive(Debug, Clone)]
pub struct SampleRun {
    pub seed: u64,
    pub pages: u32,
    /// Logins a second.
    pub rate: u32,
    /// How long people log in, in seconds.
    pub load_seconds: u64,
    /// How many times slower than usual the servers are.
    pub slowness: f64,
    /// How many seconds before the end of the load a gateway is killed; it takes eight seconds until all pages are back.
    pub fault_before_end: Option<u64>,
}

impl Default for SampleRun {
    fn default() -> Self {
        Self { seed: 1, pages: 10_000, rate: 100, load_seconds: 40, slowness: 1.0, fault_before_end: None }
    }
}

impl SampleRun {
    /// The result.
    pub fn result(&self) -> RunResult {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut result = RunResult::new(self.plan(), target());
        result.began_unix_ms = 1_796_046_819_000;
        result.took_seconds = seconds(self.end());
        result.tool = ToolInfo {
            name: "scenecast-loadtest".to_owned(),
            version: "0.2.0".to_owned(),
            build: "release".to_owned(),
            arguments: ["run", "--gateways", "2", "--rate", "100"].map(str::to_owned).to_vec(),
        };
        result.host = HostInfo {
            name: "bench".to_owned(),
            system: "Linux 6.1.0".to_owned(),
            cpu_model: "a processor".to_owned(),
            cpus: 2,
            memory_bytes: 24 << 30,
        };
        let mut phases: BTreeMap<Phase, TimingSet> = BTreeMap::new();
        for second in 0..self.end() {
            let (record, times) = self.second(second, &mut random);
            phases.entry(record.phase).or_default().merge(&times);
            result.seconds.push(record);
        }
        result.phases = phases.iter().map(|(phase, times)| self.phase(*phase, times)).collect();
        result.phases.iter().for_each(|phase| result.funnel.add(&phase.funnel));
        result.processes = self.processes(&mut random);
        if let Some(from) = self.fault_start() {
            let [from_seconds, to_seconds] = [seconds(from), seconds(from + 8)];
            result.faults.push(FaultMark { what: "gateway 1 killed".to_owned(), from_seconds, to_seconds });
        }
        self.judge(&mut result);
        result
    }

    fn plan(&self) -> LoginPlan {
        LoginPlan {
            seed: self.seed,
            pages: self.pages,
            opens_per_second: f64::from(self.pages) / seconds(RAMP),
            hold_seconds: seconds(HOLD),
            rate: RateCurve::constant(self.rate.into(), seconds(self.load_seconds)),
            arrivals: Arrivals::Poisson,
            cool_down_seconds: seconds(COOL_DOWN),
            phone: PhoneSteps::Tap,
            think_time: ThinkTime { from: 0.5, to: 2.0 },
            ways: vec![WeightedWay { way: WayIn::WebSocket, weight: 9 }, WeightedWay { way: WayIn::Sse, weight: 1 }],
            refill: true,
            leaves_per_second: 0.0,
            reconnects_per_second: 0.0,
            late_after_seconds: 1.0,
            redeemed_again_percent: 1.0,
            faults: vec![],
        }
    }

    fn load_end(&self) -> u64 {
        LOAD_START + self.load_seconds
    }

    fn end(&self) -> u64 {
        self.load_end() + COOL_DOWN
    }

    fn fault_start(&self) -> Option<u64> {
        self.fault_before_end.map(|before| self.load_end().saturating_sub(before).max(LOAD_START))
    }

    fn phase_at(&self, second: u64) -> Phase {
        match second {
            second if second < RAMP => Phase::Ramp,
            second if second < LOAD_START => Phase::Hold,
            second if second >= self.load_end() => Phase::CoolDown,
            second if self.fault_start().is_some_and(|from| second >= from) => Phase::Fault,
            _ => Phase::Load,
        }
    }

    /// Pages that the killed gateway held, and that are not back yet, as a share of all.
    fn missing(&self, second: u64) -> f64 {
        let since = self.fault_start().and_then(|from| second.checked_sub(from));
        since.map_or(0.0, |since| (0.5 - seconds(since) / 16.0).max(0.0))
    }

    fn second(&self, second: u64, random: &mut StdRng) -> (SecondResult, TimingSet) {
        let phase = self.phase_at(second);
        let logins = if matches!(phase, Phase::Load | Phase::Fault) { u64::from(self.rate) } else { 0 };
        let mut times = TimingSet::default();
        let missing = self.missing(second);
        for _ in 0..logins {
            let lateness = 0.02 * (0.7 * normal(random)).exp();
            let mut service = 0.8 * self.slowness * (0.75 * normal(random)).exp();
            if random.random::<f64>() < missing {
                service += 4000.0 * random.random::<f64>();
            }
            times.lateness.record(millis(lateness));
            times.service.record(millis(service));
            times.response.record(millis(service + lateness));
        }
        let pages = u64::from(self.pages);
        let opened = if phase == Phase::Ramp { pages / RAMP } else { logins };
        let connected = if phase == Phase::Ramp { pages * (second + 1) / RAMP } else { pages };
        let record = SecondResult {
            second,
            phase,
            planned: logins,
            sent: logins,
            heard: logins,
            connected: connected - whole(seconds(connected) * missing),
            opened,
            failed_opens: 0,
            disconnected: if self.fault_start() == Some(second) { pages / 2 } else { 0 },
            response: HistogramRecord::of(&times.response),
            service: HistogramRecord::of(&times.service),
            lateness: HistogramRecord::of(&times.lateness),
        };
        (record, times)
    }

    fn phase(&self, phase: Phase, times: &TimingSet) -> PhaseResult {
        let mut of_phase = (0..self.end()).filter(|second| self.phase_at(*second) == phase);
        let from = of_phase.next().unwrap_or_default();
        let to = of_phase.next_back().unwrap_or(from) + 1;
        let logins = times.response.count();
        let opened = if phase == Phase::Ramp { self.pages.into() } else { logins };
        let costs = [(ProcessRole::Gateway, 180.0), (ProcessRole::Callback, 160.0), (ProcessRole::Redis, 90.0)];
        let cost = |(role, micros): (ProcessRole, f64)| {
            let cpu_us_per_login = if logins > 0 { micros * self.slowness } else { 0.0 };
            let cpu_seconds = cpu_us_per_login * seconds(logins) / 1e6;
            (role, RoleCost { cpu_seconds, cpu_us_per_login, rss_bytes_per_page: 2600.0, ..RoleCost::default() })
        };
        PhaseResult {
            phase,
            from_seconds: seconds(from),
            to_seconds: seconds(to),
            response: HistogramRecord::of(&times.response),
            service: HistogramRecord::of(&times.service),
            lateness: HistogramRecord::of(&times.lateness),
            open: HistogramRecord::default(),
            funnel: Funnel {
                asked: opened,
                opened,
                planned: logins,
                scanned: logins,
                accepted: logins,
                delivered: logins,
                redeemed: logins,
                late: 0,
                ..Funnel::default()
            },
            cost: Some(LoginCost {
                logins,
                opens: opened,
                roles: costs.map(cost).into(),
                cpu_us: if logins > 0 { 430.0 * self.slowness } else { 0.0 },
            }),
        }
    }

    fn processes(&self, random: &mut StdRng) -> Vec<ProcessSeries> {
        let named = [
            (ProcessRole::Gateway, "gateway 0", 180.0 / 2.0),
            (ProcessRole::Gateway, "gateway 1", 180.0 / 2.0),
            (ProcessRole::Callback, "callback 0", 160.0),
            (ProcessRole::Redis, "redis 0", 90.0),
            (ProcessRole::Generator, "generator", 210.0),
        ];
        let series = |((role, name, micros), pid): ((ProcessRole, &str, f64), u32)| {
            let mut cpu_seconds = 0.2;
            let samples = (0..self.end()).map(|second| {
                let work = match self.phase_at(second) {
                    Phase::Ramp => f64::from(self.pages) / seconds(RAMP),
                    Phase::Load | Phase::Fault => f64::from(self.rate),
                    Phase::Hold | Phase::CoolDown => 4.0,
                };
                cpu_seconds += work * micros * self.slowness * random.random_range(0.9..1.1) / 1e6;
                let pages = seconds(u64::from(self.pages).min(u64::from(self.pages) * (second + 1) / RAMP));
                let rss = if role == ProcessRole::Redis { 800.0 } else { 1300.0 } * pages + 14e6;
                ProcessSample {
                    at_seconds: seconds(second) + 1.02,
                    cpu_seconds,
                    rss_bytes: whole(rss),
                    descriptors: 40,
                }
            });
            ProcessSeries { role, name: name.to_owned(), pid, samples: samples.collect() }
        };
        named.into_iter().zip(100..).map(series).collect()
    }

    fn judge(&self, result: &mut RunResult) {
        let p99 = result.phase(Phase::Load).map(|load| load.response.summary.p99_ms);
        result.thresholds = vec![
            ThresholdOutcome {
                text: "response.p99 < 50ms".to_owned(),
                value: p99,
                limit: 50.0,
                holds: p99.is_some_and(|p99| p99 < 50.0),
            },
            ThresholdOutcome { text: "lost == 0".to_owned(), value: Some(0.0), limit: 0.0, holds: true },
        ];
        result.generator = GeneratorHealth {
            asked_rate: self.rate.into(),
            reached_rate: f64::from(self.rate) - 0.04,
            lateness_p99_ms: 0.11,
            lateness_limit_ms: 1.0,
            cpus_used: 0.31,
            cpus: 2,
            machine_idle_share: 0.42,
            descriptors_used: u64::from(self.pages) + 60,
            descriptors_limit: 20_000,
            ports_used: u64::from(self.pages) / 2,
            ports_limit: 28_232,
            ..GeneratorHealth::default()
        };
        result.verdict = result.judge();
    }
}

fn target() -> TargetInfo {
    TargetInfo {
        kind: "scenecast".to_owned(),
        version: "0.2.0".to_owned(),
        summary: "2 gateways, 1 callback, 1 Redis".to_owned(),
        topology: [("gateway", 2), ("callback", 1), ("redis", 1)].map(|(role, of)| (role.to_owned(), of)).into(),
        settings: [("confirmation", "tap"), ("message mode", "safe"), ("log level", "info")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        notes: vec![],
    }
}

/// A number that is spread as in a bell, around 0 with a deviation of 1.
fn normal(random: &mut StdRng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

fn millis(value: f64) -> Duration {
    Duration::from_secs_f64(value / 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn seconds(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts of memory and pages")]
fn whole(value: f64) -> u64 {
    value as u64
}
