//! Breaks what a plan says, at its moments, and mends it.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::LocalBoxFuture};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{Cluster, panic_text},
    faults::{FaultyRedis, InjectedFault},
    generator::{FaultWindow, RunRecorder},
    plan::{FaultKind, Phase, PlannedFault},
};

/// A cluster that can be broken, whatever its Redis.
pub(super) trait BreakableCluster {
    fn break_it(&mut self, fault: PlannedFault) -> LocalBoxFuture<'_, InjectedFault>;

    /// Answers what was not as it has to be.
    fn mend(&mut self, broken: InjectedFault) -> LocalBoxFuture<'_, Option<String>>;
}

impl<R: FaultyRedis> BreakableCluster for Cluster<R> {
    fn break_it(&mut self, fault: PlannedFault) -> LocalBoxFuture<'_, InjectedFault> {
        let pod = usize::try_from(fault.pod).expect("at least 32 bits");
        Box::pin(InjectedFault::inject(self, fault.kind, pod))
    }

    fn mend(&mut self, broken: InjectedFault) -> LocalBoxFuture<'_, Option<String>> {
        Box::pin(async {
            let status = broken.mend(self).await.filter(|status| !status.success())?;
            Some(format!("a pod that was told to end did not exit with success: {status}"))
        })
    }
}

/// Something that is broken or mended at a moment of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FaultStep {
    at: Duration,
    /// The fault's place in the plan.
    fault: usize,
    mends: bool,
}

/// The steps of these faults, in the order of their moments. What is to be mended at the moment in which something else
/// breaks is mended first.
fn steps(faults: &[PlannedFault]) -> Vec<FaultStep> {
    let step = |fault, mends, at| FaultStep { at: Duration::from_secs_f64(at), fault, mends };
    let both = |(fault, planned): (usize, &PlannedFault)| {
        [step(fault, false, planned.from_seconds), step(fault, true, planned.to_seconds)]
    };
    let mut steps: Vec<_> = faults.iter().enumerate().flat_map(both).collect();
    let lasts = |step: &FaultStep| faults[step.fault].to_seconds > faults[step.fault].from_seconds;
    steps.sort_by_key(|step| (step.at, !(step.mends && lasts(step))));
    steps
}

/// Breaks and mends what the plan says. Returns after the last step, with what went wrong, one sentence each. When `stop` is
/// cancelled it mends what is broken at once, and breaks nothing more.
pub(super) async fn inject_by_plan(
    cluster: &mut dyn BreakableCluster,
    faults: &[PlannedFault],
    recorder: &RunRecorder,
    stop: &CancellationToken,
) -> Vec<String> {
    let injecting = inject_steps(cluster, faults, recorder, stop);
    // The fixtures panic where a test can't go on. Here the run is worth nothing, and says so.
    let injected = AssertUnwindSafe(injecting).catch_unwind().await;
    injected.unwrap_or_else(|panic| vec![format!("a fault could not be injected or mended: {}", panic_text(&*panic))])
}

async fn inject_steps(
    cluster: &mut dyn BreakableCluster,
    faults: &[PlannedFault],
    recorder: &RunRecorder,
    stop: &CancellationToken,
) -> Vec<String> {
    let mut wrong = vec![];
    let Some(start) = load_start(recorder, stop).await else { return wrong };
    let mut broken: Vec<Option<(usize, InjectedFault)>> = faults.iter().map(|_| None).collect();
    for FaultStep { at, fault, mends } in steps(faults) {
        tokio::select! {
            () = tokio::time::sleep_until(start + at) => {}
            () = stop.cancelled() => {}
        }
        let planned = faults[fault];
        if !mends {
            if !stop.is_cancelled() {
                let place = recorder.fault_began(planned.words());
                let injected = cluster.break_it(planned).await;
                if planned.kind == FaultKind::RedisEmptied {
                    recorder.data_lost();
                }
                broken[fault] = Some((place, injected));
            }
        } else if let Some((place, injected)) = broken[fault].take() {
            wrong.extend(cluster.mend(injected).await);
            recorder.fault_ended(place);
        }
    }
    wrong
}

/// What to say of faults that were planned and never injected; `None` if there are none.
pub(super) fn not_injected(planned: &[PlannedFault], injected: usize) -> Option<String> {
    (injected < planned.len()).then(|| {
        format!(
            "{} of {} faults were not injected, since mending the ones before took longer than planned: a pod that is \
             restarted drains first",
            planned.len() - injected,
            planned.len()
        )
    })
}

/// What to say of faults that should have been mended in this load, and were not when the run ended; `None` if there are
/// none.
pub(super) fn not_mended(planned: &[PlannedFault], load: Duration, injected: &[FaultWindow]) -> Option<String> {
    let outlasts =
        |what: &str| planned.iter().any(|fault| fault.words() == what && fault.to_seconds > load.as_secs_f64());
    let broken = injected.iter().filter(|fault| fault.to.is_none()).map(|fault| &*fault.what);
    let broken: Vec<_> = broken.filter(|what| !outlasts(what)).collect();
    (!broken.is_empty()).then(|| {
        format!(
            "at the run's end this was not mended yet: {}. Its end is not in the result; plan it earlier, or a longer load",
            broken.join(", ")
        )
    })
}

/// When people began to log in. `None` if the run is stopped before.
async fn load_start(recorder: &RunRecorder, stop: &CancellationToken) -> Option<Instant> {
    let mut changes = recorder.phase_changes();
    loop {
        let load = recorder
            .look(|recorded| recorded.windows.iter().find(|window| window.phase == Phase::Load).map(|load| load.from));
        if let Some(from) = load {
            return Some(Instant::from_std(recorder.began() + from));
        }
        tokio::select! {
            changed = changes.changed() => changed.ok()?,
            () = stop.cancelled() => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_never_came_is_told() {
        let faults: Vec<PlannedFault> =
            ["redis-killed@5..8", "redis-emptied@9"].map(|text| text.parse().unwrap()).into();
        assert_eq!(not_injected(&faults, 2), None);
        assert!(not_injected(&faults, 1).unwrap().starts_with("1 of 2 faults were not injected"));
    }

    #[test]
    fn a_fault_that_outlasts_the_run_is_told() {
        let faults: Vec<PlannedFault> = ["redis-killed@1..3", "gateway-restarted:1@5", "callback-killed@2..600"]
            .map(|text| text.parse().unwrap())
            .into();
        let injected = |mended| {
            let window = |fault: &PlannedFault| FaultWindow { what: fault.words(), from: Duration::ZERO, to: None };
            let mut windows: Vec<_> = faults.iter().map(window).collect();
            windows[..mended].iter_mut().for_each(|window| window.to = Some(Duration::from_secs(3)));
            windows
        };
        let told = |mended| not_mended(&faults, Duration::from_secs(10), &injected(mended));
        assert_eq!(told(2), None, "one that is planned to outlast the load does so");
        let told = told(1).unwrap();
        assert!(told.starts_with("at the run's end this was not mended yet: gateway 1 restarted."), "{told}");
    }

    #[test]
    fn steps_are_in_order_and_a_moment_breaks_before_it_is_mended() {
        let faults: Vec<PlannedFault> =
            ["redis-killed@5..8", "gateway-restarted@8", "redis-frozen@9..12", "callback-killed@1..9"]
                .map(|text| text.parse().unwrap())
                .into();
        let steps: Vec<_> =
            steps(&faults).iter().map(|step| (step.at.as_secs(), faults[step.fault].kind, step.mends)).collect();
        assert_eq!(
            steps,
            [
                (1, FaultKind::CallbackKilled, false),
                (5, FaultKind::RedisKilled, false),
                (8, FaultKind::RedisKilled, true),
                (8, FaultKind::GatewayRestarted, false),
                (8, FaultKind::GatewayRestarted, true),
                (9, FaultKind::CallbackKilled, true),
                (9, FaultKind::RedisFrozen, false),
                (12, FaultKind::RedisFrozen, true),
            ]
        );
    }
}
