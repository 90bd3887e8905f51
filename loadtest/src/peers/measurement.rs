//! One run of one contestant: pages open, all wait, and each push is timed from its planned instant to its page.

use std::{sync::Arc, time::Duration};

use procfs::ProcError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    comparison::{ComparedLoad, ComparisonSample},
    process_usage::{UsageSoFar, WatchedProcesses},
};
use crate::{
    generator::{Generator, RunRecorder},
    measure::Latency,
    plan::{Arrivals, LoginPlan, Phase, PhoneSteps, RateCurve, Segment, ThinkTime, WayIn, WeightedWay},
    results::Funnel,
    targets::{LoginTarget, PreciseTimer, SourceAddresses},
};

/// A push that takes longer counts as lost.
const LOST_AFTER_SECONDS: f64 = 10.0;
/// How many source addresses the pages come from.
const SOURCES: u32 = 4;
/// The seed of each run, so that all are alike.
const SEED: u64 = 13;
/// How often the phase is looked at. What happens in that time is a thousandth of a load.
const PHASE_INTERVAL: Duration = Duration::from_millis(2);

/// Why a run says nothing of its contestant.
#[derive(Debug, thiserror::Error)]
pub enum MeasurementError {
    #[error("a server ended while it was measured: {0}")]
    Ended(#[from] ProcError),
    #[error("no page could open: {}", list(.0))]
    NoPage(Funnel),
}

/// What the processes had used at three moments.
struct Usages {
    before: UsageSoFar,
    open: UsageSoFar,
    after: UsageSoFar,
}

/// Measures this target, whose processes have just started.
pub async fn measure<T: LoginTarget>(
    target: T,
    timer: PreciseTimer,
    processes: &WatchedProcesses,
    load: &ComparedLoad,
) -> Result<ComparisonSample, MeasurementError> {
    let plan = plan(load);
    let recorder = Arc::new(RunRecorder::begin(Duration::from_secs_f64(plan.late_after_seconds)));
    let sources = SourceAddresses::loopback(0, SOURCES);
    let stop = CancellationToken::new();
    let generator = Generator::new(target, plan, Segment::WHOLE, sources, timer, recorder.clone(), stop);
    let before = processes.usage()?;
    let all_open = async {
        until_load(&recorder).await;
        processes.usage()
    };
    let (_, open) = tokio::join!(generator.run(), all_open);
    let usages = Usages { before, open: open?, after: processes.usage()? };
    let funnel = recorder.by_phase().into_values().fold(Funnel::default(), |mut all, (funnel, _)| {
        all.add(&funnel);
        all
    });
    if funnel.opened == 0 {
        return Err(MeasurementError::NoPage(funnel));
    }
    let [response, lateness] = recorder.look(|recorded| {
        let load = recorded.timings.phases.get(&Phase::Load);
        load.map(|times| [times.response.clone(), times.lateness.clone()]).unwrap_or_default()
    });
    Ok(sample(&usages, load.sockets, funnel, &response, &lateness))
}

fn plan(load: &ComparedLoad) -> LoginPlan {
    LoginPlan {
        seed: SEED,
        pages: load.sockets,
        opens_per_second: load.opens_per_second,
        hold_seconds: load.settle_seconds,
        rate: RateCurve::constant(load.rate, load.seconds),
        arrivals: Arrivals::Uniform,
        cool_down_seconds: LOST_AFTER_SECONDS,
        phone: PhoneSteps::None,
        think_time: ThinkTime { from: 0.0, to: 0.0 },
        ways: vec![WeightedWay { way: WayIn::WebSocket, weight: 1 }],
        refill: false,
        leaves_per_second: 0.0,
        reconnects_per_second: 0.0,
        late_after_seconds: LOST_AFTER_SECONDS,
        faults: vec![],
    }
}

/// Waits until all pages have opened and settled, and the load begins.
async fn until_load(recorder: &RunRecorder) {
    let has_begun = || recorder.look(|recorded| recorded.windows.iter().any(|window| window.phase >= Phase::Load));
    while !has_begun() {
        sleep(PHASE_INTERVAL).await;
    }
}

fn sample(usages: &Usages, sockets: u32, funnel: Funnel, response: &Latency, lateness: &Latency) -> ComparisonSample {
    let pushed = usages.after.cpu_since(&usages.open);
    let [opened, delivered] =
        [funnel.opened, response.count()].map(|count| f64::from(u32::try_from(count).unwrap_or(0)));
    let us_each = |cpu: f64, of: f64| cpu * 1e6 / of.max(1.0);
    let grown = usages.open.holder_rss_bytes.saturating_sub(usages.before.holder_rss_bytes);
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let [p50, p99] = [50.0, 99.0].map(|percent| millis(response.percentile(percent)));
    ComparisonSample {
        rss_bytes_per_page: f64::from(u32::try_from(grown).unwrap_or(u32::MAX)) / opened.max(1.0),
        cpu_us_per_open: us_each(usages.open.cpu_since(&usages.before).values().sum(), opened),
        cpu_us_per_push: us_each(pushed.values().sum(), delivered),
        cpu_us_per_push_of: pushed.iter().map(|(name, cpu)| ((*name).to_owned(), us_each(*cpu, delivered))).collect(),
        p50_ms: p50,
        p99_ms: p99,
        planned: funnel.planned,
        delivered: response.count(),
        lost: funnel.lost,
        failed_opens: u64::from(sockets).saturating_sub(funnel.opened),
        problems: funnel.problems,
        is_generator_limited: millis(lateness.percentile(99.0)) > f64::max(1.0, p50 / 10.0),
    }
}

fn list(funnel: &Funnel) -> String {
    let counted: Vec<_> = funnel.problems.iter().map(|(code, count)| format!("{code} ({count})")).collect();
    counted.join(", ")
}
