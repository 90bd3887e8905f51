//! Makes the result of what was recorded and sampled.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::sampler::Samples;
use crate::{
    generator::{Measured, PhaseWindow},
    health::{HealthEvidence, MachineTimes, host_info, judge, port_range},
    measure::{TimingSet, Timings},
    plan::{LoginPlan, Phase},
    results::{
        Funnel, HistogramRecord, LoginCost, PhaseResult, ProcessRole, ProcessSeries, RoleCost, RunResult, SecondResult,
        TargetInfo, ToolInfo, WorkerEnd,
    },
    thresholds::Threshold,
};

/// The phases in which people log in.
const LOADED: [Phase; 2] = [Phase::Load, Phase::Fault];

/// Everything that the result is made of.
pub(super) struct RunEvidence<'a> {
    pub(super) plan: LoginPlan,
    pub(super) target: TargetInfo,
    pub(super) measured: &'a Measured,
    /// When the run began, by the wall clock and by the monotonic one.
    pub(super) began_at: SystemTime,
    pub(super) began: Instant,
    pub(super) samples: Samples,
    /// None in a run without workers.
    pub(super) workers: Vec<WorkerEnd>,
    /// What is missing, one sentence each.
    pub(super) missing: Vec<String>,
    pub(super) thresholds: &'a [Threshold],
    /// The threshold that ended the run early.
    pub(super) aborted_by: Option<String>,
    /// How many pages connected to one address, from one source address.
    pub(super) pages_per_path: u64,
}

/// The result.
pub(super) fn assemble(evidence: RunEvidence) -> RunResult {
    let RunEvidence {
        plan,
        target,
        measured,
        began_at,
        began,
        samples,
        workers,
        missing,
        thresholds,
        aborted_by,
        pages_per_path,
    } = evidence;
    let took = began.elapsed();
    let Measured { timings, windows, phases } = measured;
    let mut result = RunResult::new(plan, target);
    result.began_unix_ms = unix_millis(began_at);
    result.took_seconds = took.as_secs_f64();
    result.tool = tool_info();
    result.host = host_info();
    for (funnel, _) in phases.values() {
        result.funnel.add(funnel);
    }
    result.phases = windows.iter().map(|window| phase_result(window, measured, &samples, took)).collect();
    result.seconds = seconds(timings, windows, &samples);
    result.generator = judge(&health_evidence(&result, timings, &samples, pages_per_path, clock_jump(began_at, began)));
    result.processes = samples.processes;
    // Of the logins of a worker that is gone nobody knows the end.
    let without_end = if workers.iter().all(|worker| worker.is_complete) { result.funnel.without_end() } else { None };
    result.completeness.workers = workers;
    for reason in missing.into_iter().chain(without_end) {
        result.completeness.lacks(reason);
    }
    result.thresholds = thresholds.iter().map(|threshold| threshold.check(&result)).collect();
    result.aborted_by = aborted_by;
    result.verdict = result.judge();
    result
}

/// The threshold that a run so far doesn't keep, and that ends it. Seconds aren't needed in the evidence.
pub(super) fn aborting(evidence: RunEvidence) -> Option<String> {
    let RunEvidence { thresholds, measured, began, .. } = evidence;
    let from = measured.windows.iter().find(|window| LOADED.contains(&window.phase))?.from;
    let loaded_for = began.elapsed().saturating_sub(from);
    let result = assemble(evidence);
    thresholds.iter().find(|threshold| threshold.aborts(&result, loaded_for)).map(ToString::to_string)
}

fn phase_result(window: &PhaseWindow, measured: &Measured, samples: &Samples, took: Duration) -> PhaseResult {
    let times = measured.timings.phases.get(&window.phase).cloned().unwrap_or_default();
    let (funnel, opens) = measured.phases.get(&window.phase).cloned().unwrap_or_default();
    let (from, to) = (window.from.as_secs_f64(), window.to.unwrap_or(took).as_secs_f64());
    PhaseResult {
        phase: window.phase,
        from_seconds: from,
        to_seconds: to,
        response: HistogramRecord::of(&times.response),
        service: HistogramRecord::of(&times.service),
        lateness: HistogramRecord::of(&times.lateness),
        open: HistogramRecord::of(&opens),
        cost: Some(cost(&funnel, from, to, connected_at(samples, to), &samples.processes)),
        funnel,
    }
}

/// How many pages were connected at this moment.
fn connected_at(samples: &Samples, at_seconds: f64) -> u64 {
    let after = samples.seconds.iter().zip(1_u32..).find(|(_, second)| f64::from(*second) >= at_seconds);
    after.map(|(counts, _)| counts).or(samples.seconds.last()).map_or(0, |counts| counts.connected)
}

fn cost(funnel: &Funnel, from: f64, to: f64, connected: u64, processes: &[ProcessSeries]) -> LoginCost {
    let (logins, opens) = (funnel.delivered, funnel.opened);
    let per = |amount: f64, count: u64| if count > 0 { amount / to_f64(count) } else { 0.0 };
    let mut roles: BTreeMap<ProcessRole, RoleCost> = BTreeMap::new();
    for series in processes {
        let cost = roles.entry(series.role).or_default();
        cost.cpu_seconds += series.cpu_between(from, to);
        let rss = |at: f64| series.at(at).map_or(0, |sample| sample.rss_bytes);
        cost.rss_bytes += rss(to);
        cost.rss_bytes_per_page += per(to_f64(rss(to).saturating_sub(rss(0.0))), connected);
    }
    for cost in roles.values_mut() {
        cost.cpu_us_per_login = per(cost.cpu_seconds * 1e6, logins);
        cost.cpu_us_per_open = if logins == 0 { per(cost.cpu_seconds * 1e6, opens) } else { 0.0 };
    }
    let under_test = roles.iter().filter(|(role, _)| role.is_under_test());
    let cpu_us = under_test.map(|(_, cost)| cost.cpu_us_per_login).sum();
    LoginCost { logins, opens, roles, cpu_us }
}

fn seconds(timings: &Timings, windows: &[PhaseWindow], samples: &Samples) -> Vec<SecondResult> {
    let mut results = vec![];
    let mut before = crate::generator::LiveCounts::default();
    for (counts, second) in samples.seconds.iter().zip(0..) {
        let timed = timings.seconds.get(&second).cloned().unwrap_or_default();
        let start = Duration::from_secs(second);
        let phase = windows.iter().rfind(|window| window.from <= start).or(windows.first());
        results.push(SecondResult {
            second,
            phase: phase.map_or(Phase::Ramp, |window| window.phase),
            planned: timed.planned,
            sent: timed.sent,
            heard: timed.heard,
            connected: counts.connected,
            opened: counts.opened - before.opened,
            failed_opens: counts.failed_opens - before.failed_opens,
            disconnected: counts.disconnected - before.disconnected,
            response: HistogramRecord::of(&timed.times.response),
            service: HistogramRecord::of(&timed.times.service),
            lateness: HistogramRecord::of(&timed.times.lateness),
        });
        before = *counts;
    }
    results
}

fn health_evidence(
    result: &RunResult,
    timings: &Timings,
    samples: &Samples,
    pages_per_path: u64,
    clock_jump: Duration,
) -> HealthEvidence {
    let mut times = TimingSet::default();
    let (mut funnel, mut took, mut cpu_seconds) = (Funnel::default(), Duration::ZERO, 0.0);
    for phase in result.phases.iter().filter(|phase| LOADED.contains(&phase.phase)) {
        if let Some(of_phase) = timings.phases.get(&phase.phase) {
            times.merge(of_phase);
        }
        funnel.add(&phase.funnel);
        took += Duration::from_secs_f64((phase.to_seconds - phase.from_seconds).max(0.0));
        let generator = phase.cost.as_ref().and_then(|cost| cost.roles.get(&ProcessRole::Generator));
        cpu_seconds += generator.map_or(0.0, |cost| cost.cpu_seconds);
    }
    let machine = |is_it: &dyn Fn(Phase) -> bool| samples.machine.iter().find(|(phase, _)| is_it(*phase));
    let begin = machine(&|phase| LOADED.contains(&phase)).map_or(MachineTimes::default(), |(_, times)| *times);
    let end = machine(&|phase| phase == Phase::CoolDown).map_or(begin, |(_, times)| *times);
    HealthEvidence {
        planned: funnel.planned,
        sent: times.lateness.count(),
        times,
        without_page: funnel.without_page,
        took,
        cpu_seconds,
        cpus: result.host.cpus,
        machine_idle_share: end.idle_share_since(&begin),
        descriptors_used: samples.descriptors,
        descriptors_limit: samples.descriptors_limit,
        ports_used: pages_per_path,
        ports_limit: port_range(),
        retransmitted_segments: end.retransmitted_segments.saturating_sub(begin.retransmitted_segments),
        clock_jump,
    }
}

/// How far the wall clock moved against the monotonic one.
fn clock_jump(began_at: SystemTime, began: Instant) -> Duration {
    let wall = SystemTime::now().duration_since(began_at).unwrap_or_default();
    wall.abs_diff(began.elapsed())
}

fn tool_info() -> ToolInfo {
    ToolInfo {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        arguments: std::env::args().skip(1).map(|argument| without_password(&argument)).collect(),
    }
}

/// The argument, if it is a URL without its user and password.
fn without_password(argument: &str) -> String {
    match argument.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            format!("{scheme}://***@{}", rest.rsplit('@').next().unwrap_or_default())
        }
        _ => argument.to_owned(),
    }
}

fn unix_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
