//! Makes the result of what was recorded and sampled.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use super::{
    fault_schedule::{not_injected, not_mended},
    sampler::Samples,
};
use crate::{
    generator::{FaultWindow, Measured, PhaseWindow, STOPPED_EARLY},
    health::{HealthEvidence, MachineTimes, host_info, judge, port_range},
    measure::{TimingSet, Timings},
    plan::{LoginPlan, Phase},
    results::{
        FaultMark, Funnel, HistogramRecord, LoginCost, PhaseResult, ProcessRole, ProcessSeries, RoleCost, RunResult,
        SecondResult, TargetInfo, ToolInfo, WorkerEnd,
    },
    targets::EXHAUSTED,
    thresholds::Threshold,
    units::to_f64,
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
    let Measured { timings, windows, phases, faults } = measured;
    let mut result = RunResult::new(plan, target);
    result.began_unix_ms = unix_millis(began_at);
    result.took_seconds = took.as_secs_f64();
    result.tool = ToolInfo::this();
    result.host = host_info();
    for (funnel, _) in phases.values() {
        result.funnel.add(funnel);
    }
    result.phases = windows.iter().map(|window| phase_result(window, measured, &samples, took)).collect();
    result.seconds = seconds(timings, windows, &samples);
    let clock_jump = clock_jump(began_at, SystemTime::now(), took);
    result.generator = judge(&health_evidence(&result, timings, &samples, pages_per_path, clock_jump));
    let failed_opens = failed_opens(&samples);
    result.processes = samples.processes;
    result.faults = fault_marks(faults, took);
    // A run that was ended had no time for all of its faults.
    let was_ended = aborted_by.is_some() || missing.iter().any(|reason| reason == STOPPED_EARLY);
    let not_injected = not_injected(&result.plan.faults, result.faults.len()).filter(|_| !was_ended);
    let mut gaps = vec![];
    // Of the logins of a worker that is gone nobody knows the end.
    if workers.iter().all(|worker| worker.is_complete) {
        // What a fault costs is no gap of the measurement.
        let mut calm = Funnel::default();
        result.phases.iter().filter(|phase| phase.phase != Phase::Fault).for_each(|phase| calm.add(&phase.funnel));
        gaps.extend(calm.unopened(failed_opens).into_iter().chain(calm.without_end()));
    }
    result.completeness.workers = workers;
    let not_mended = not_mended(&result.plan.faults, result.plan.rate.duration(), faults).filter(|_| !was_ended);
    for reason in missing.into_iter().chain(gaps).chain(not_injected).chain(not_mended) {
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
        cost: Some(cost(&funnel, window, &samples.processes)),
        funnel,
    }
}

/// What was broken. What wasn't mended was broken until the end.
fn fault_marks(faults: &[FaultWindow], took: Duration) -> Vec<FaultMark> {
    let mark = |fault: &FaultWindow| FaultMark {
        what: fault.what.clone(),
        from_seconds: fault.from.as_secs_f64(),
        to_seconds: fault.to.unwrap_or(took).as_secs_f64(),
    };
    faults.iter().map(mark).collect()
}

/// What the logins cost that were planned in this phase. Its CPU time goes on until the last of them was over: a person who
/// thinks confirms after the phase's end.
fn cost(funnel: &Funnel, window: &PhaseWindow, processes: &[ProcessSeries]) -> LoginCost {
    let (logins, opens, connected) = (funnel.delivered, funnel.opened, window.connected);
    let [from, over] = [window.from, window.over].map(|at| at.as_secs_f64());
    let to = window.to.map_or(over, |to| to.as_secs_f64());
    let per = |amount: f64, count: u64| if count > 0 { amount / to_f64(count) } else { 0.0 };
    let mut roles: BTreeMap<ProcessRole, RoleCost> = BTreeMap::new();
    for series in processes {
        let cost = roles.entry(series.role).or_default();
        cost.cpu_seconds += series.cpu_between(from, over.max(to));
        // A process that has come in the place of another one began when it was first seen.
        let (rss, before) = (series.rss_at(to), series.at(0.0).map_or(0, |sample| sample.rss_bytes));
        cost.rss_bytes += rss;
        cost.rss_bytes_per_page += per(to_f64(rss.saturating_sub(before)), connected);
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
    let (mut funnel, mut sent, mut took, mut cpu_seconds) = (Funnel::default(), 0, Duration::ZERO, 0.0);
    // Pages and answers that are missing show what the generator lacks only while nothing is broken.
    let is_calm = |phase: Phase| phase == Phase::Load || result.phase(Phase::Load).is_none();
    for phase in result.phases.iter().filter(|phase| LOADED.contains(&phase.phase)) {
        let of_phase = timings.phases.get(&phase.phase).cloned().unwrap_or_default();
        times.merge(&of_phase);
        if is_calm(phase.phase) {
            funnel.add(&phase.funnel);
            sent += of_phase.lateness.count();
            took += Duration::from_secs_f64((phase.to_seconds - phase.from_seconds).max(0.0));
            let generator = phase.cost.as_ref().and_then(|cost| cost.roles.get(&ProcessRole::Generator));
            cpu_seconds += generator.map_or(0.0, |cost| cost.cpu_seconds);
        }
    }
    let machine = |is_it: &dyn Fn(Phase) -> bool| samples.machine.iter().find(|(phase, _)| is_it(*phase));
    let begin = machine(&|phase| LOADED.contains(&phase)).map_or(MachineTimes::default(), |(_, times)| *times);
    let end = machine(&|phase| phase == Phase::CoolDown).map_or(begin, |(_, times)| *times);
    let exhausted = exhausted(&result.funnel);
    HealthEvidence {
        planned: funnel.planned,
        sent,
        times,
        without_page: funnel.without_page,
        failed_opens: failed_opens(samples).saturating_sub(exhausted.values().sum()),
        exhausted,
        took,
        cpu_seconds,
        cpus: samples.cpus,
        machine_idle_share: end.idle_share_since(&begin),
        descriptors_used: samples.descriptors,
        descriptors_limit: samples.descriptors_limit,
        ports_used: pages_per_path,
        ports_limit: port_range(),
        retransmitted_segments: end.retransmitted_segments.saturating_sub(begin.retransmitted_segments),
        clock_jump,
    }
}

/// How far the wall clock moved against the monotonic one, in either direction.
fn clock_jump(began: SystemTime, now: SystemTime, elapsed: Duration) -> Duration {
    match now.duration_since(began) {
        Ok(wall) => wall.abs_diff(elapsed),
        Err(back) => back.duration() + elapsed,
    }
}

/// How many attempts to open a page failed.
fn failed_opens(samples: &Samples) -> u64 {
    samples.seconds.last().map_or(0, |counts| counts.failed_opens)
}

/// What the generator itself ran out of, with how often.
fn exhausted(funnel: &Funnel) -> BTreeMap<String, u64> {
    let is_own = |(code, _): &(&String, &u64)| EXHAUSTED.contains(&code.as_str());
    funnel.problems.iter().filter(is_own).map(|(code, count)| (code.clone(), *count)).collect()
}

fn unix_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::ProcessSample;

    #[test]
    fn a_clock_that_jumps_is_noticed_in_either_direction() {
        let [began, elapsed] = [10_000, 60].map(Duration::from_secs);
        let jump = |to: u64| {
            let [began, now] = [began, Duration::from_secs(to)].map(|since| SystemTime::UNIX_EPOCH + since);
            clock_jump(began, now, elapsed).as_secs()
        };
        assert_eq!([jump(10_060), jump(13_660), jump(10_000), jump(6_400)], [0, 3600, 60, 3660]);
    }

    #[test]
    fn the_cost_of_a_phase_goes_on_until_its_last_login_and_its_memory_ends_with_it() {
        let sample = |at_seconds, cpu_seconds, rss_bytes| ProcessSample {
            at_seconds,
            cpu_seconds,
            rss_bytes,
            ..ProcessSample::default()
        };
        // Logins of ten seconds, whose last confirmation comes two seconds after them.
        let samples = vec![sample(0.0, 1.0, 1_000), sample(10.0, 2.0, 9_000), sample(12.0, 3.0, 5_000)];
        let role = ProcessRole::Gateway;
        let gateway = ProcessSeries { role, name: "gateway 0".to_owned(), pid: 1, samples };
        let [from, to, over] = [0, 10, 12].map(Duration::from_secs);
        let window = PhaseWindow { phase: Phase::Load, from, to: Some(to), connected: 4, over };
        let funnel = Funnel { delivered: 1000, ..Funnel::default() };
        let cost = cost(&funnel, &window, &[gateway]);
        let gateway = cost.roles[&role];
        assert_eq!((gateway.rss_bytes, cost.logins), (9_000, 1000));
        assert!((cost.cpu_us - 2000.0).abs() < 1e-6, "{cost:?}");
        assert!((gateway.rss_bytes_per_page - 2_000.0).abs() < 1e-6, "{gateway:?}");
    }
}
