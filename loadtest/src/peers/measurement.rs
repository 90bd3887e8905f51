//! One run of one contestant: pages open, all wait, then each push is timed from its planned instant to its page.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use procfs::ProcError;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, UnboundedSender},
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};

use super::{
    comparison::{ComparedLoad, ComparisonSample},
    process_usage::{UsageSoFar, WatchedProcesses},
};
use crate::{
    measure::Latency,
    plan::{Arrivals, RateCurve, Schedule, Segment, WayIn},
    targets::{Heard, LoginTarget, OpenedPage, PageEnd, PageNews, Seat, SourceAddresses, TargetPage},
};

/// How long all pages wait before their memory is looked at. Some servers still work on what opened.
const SETTLE: Duration = Duration::from_secs(5);
/// A push that takes longer counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// How many source addresses the pages come from.
const SOURCES: u32 = 4;
/// Which page is pushed when, is random, and the same in each run.
const SEED: u64 = 13;

/// Why a run says nothing of its contestant.
#[derive(Debug, thiserror::Error)]
pub enum MeasurementError {
    #[error("a server ended while it was measured: {0}")]
    Ended(#[from] ProcError),
    #[error("no page could open: {}", list(.0))]
    NoPage(BTreeMap<String, u64>),
}

/// A page that waits.
struct WaitingPage<T> {
    trigger: T,
    news: PageNews,
}

/// Pages that wait, and their tasks.
struct OpenedCrowd<T> {
    pages: Vec<WaitingPage<T>>,
    /// Why others could not open, with counts.
    problems: BTreeMap<String, u64>,
    _tasks: JoinSet<()>,
}

/// What became of one push.
struct PushOutcome {
    /// From the planned instant to the page; `None` if it didn't come.
    response: Option<Duration>,
    /// From the planned instant to the actual send.
    lateness: Option<Duration>,
}

/// Measures this target, whose processes have just started.
pub async fn measure<T: LoginTarget>(
    target: Arc<T>,
    processes: &WatchedProcesses,
    load: &ComparedLoad,
) -> Result<ComparisonSample, MeasurementError> {
    let before = processes.usage()?;
    let crowd = open_pages(&target, load).await;
    if crowd.pages.is_empty() {
        return Err(MeasurementError::NoPage(crowd.problems));
    }
    sleep(SETTLE).await;
    let open = processes.usage()?;
    let OpenedCrowd { mut pages, problems, _tasks } = crowd;
    pages.shuffle(&mut StdRng::seed_from_u64(SEED));
    let opened = pages.len();
    let outcomes = push(&target, pages, load).await;
    let after = processes.usage()?;
    Ok(sample(&Usages { before, open, after }, opened, &outcomes, load, problems))
}

async fn open_pages<T: LoginTarget>(target: &Arc<T>, load: &ComparedLoad) -> OpenedCrowd<T::Trigger> {
    let (opened, mut all_opened) = mpsc::unbounded_channel();
    let sources = SourceAddresses::loopback(0, SOURCES);
    let seconds = f64::from(load.sockets) / load.opens_per_second;
    let target = target.clone();
    at_planned_instants(RateCurve::constant(load.opens_per_second, seconds), move |number, _| {
        let seat = Seat { number, source: sources.of(number), way: WayIn::WebSocket };
        let (target, opened) = (target.clone(), opened.clone());
        async move {
            // The receiver waits for all of them.
            let _ = opened.send(target.open(seat).await);
        }
    })
    .await;
    let mut crowd = OpenedCrowd { pages: vec![], problems: BTreeMap::new(), _tasks: JoinSet::new() };
    while let Some(opened) = all_opened.recv().await {
        match opened {
            Ok(OpenedPage { page, trigger, .. }) => {
                let news = PageNews::default();
                crowd._tasks.spawn(listen(page, news.clone()));
                crowd.pages.push(WaitingPage { trigger, news });
            }
            Err(error) => *crowd.problems.entry(error.code().to_owned()).or_default() += 1,
        }
    }
    crowd
}

/// Notes what a page hears. Holds it after its login, too: only what a login costs is measured.
async fn listen(mut page: impl TargetPage, news: PageNews) {
    loop {
        match page.hear().await {
            Heard::Scanned { number } => news.scanned(number),
            Heard::Login { grant } => news.ended(PageEnd::Login { at: Instant::now(), grant }),
            Heard::Over { code } => return news.ended(PageEnd::Never(code)),
            Heard::Disconnected { .. } => return news.ended(PageEnd::Never("disconnected".to_owned())),
        }
    }
}

/// Pushes to each page at most once. Returns when every push has come or is lost.
async fn push<T: LoginTarget>(
    target: &Arc<T>,
    pages: Vec<WaitingPage<T::Trigger>>,
    load: &ComparedLoad,
) -> Vec<PushOutcome> {
    let (done, mut all_done) = mpsc::unbounded_channel();
    let target = target.clone();
    let mut pages = pages.into_iter();
    at_planned_instants(RateCurve::constant(load.rate, load.seconds), move |_, planned| {
        let page = pages.next();
        let (target, done) = (target.clone(), done.clone());
        async move {
            match page {
                Some(page) => push_one(&*target, page, planned, &done).await,
                // A page that could not open is one that is not reached.
                None => report(&done, PushOutcome { response: None, lateness: None }),
            }
        }
    })
    .await;
    let mut outcomes = vec![];
    while let Some(outcome) = all_done.recv().await {
        outcomes.push(outcome);
    }
    outcomes
}

async fn push_one<T: LoginTarget>(
    target: &T,
    WaitingPage { trigger, news }: WaitingPage<T::Trigger>,
    planned: Instant,
    done: &UnboundedSender<PushOutcome>,
) {
    let triggered = target.trigger(trigger, planned, &news).await;
    let response = match timeout(LOST_AFTER, news.end()).await {
        Ok(PageEnd::Login { at, .. }) => Some(at.saturating_duration_since(planned)),
        Ok(PageEnd::Never(_)) | Err(_) => None,
    };
    let lateness = triggered.map(|triggered| triggered.sent.saturating_duration_since(planned));
    report(done, PushOutcome { response, lateness });
}

fn report(done: &UnboundedSender<PushOutcome>, outcome: PushOutcome) {
    // The receiver waits for all of them.
    let _ = done.send(outcome);
}

/// Starts a task at each planned instant of this curve. A thread of its own waits for the instants: the runtime's clock
/// counts whole milliseconds. Returns when the last task has started.
async fn at_planned_instants<F>(curve: RateCurve, mut task: impl FnMut(u64, Instant) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Handle::current();
    let pace = move || {
        let begin = Instant::now();
        for (number, at) in Schedule::new(curve, Arrivals::Uniform, SEED, Segment::WHOLE) {
            let planned = begin + at;
            std::thread::sleep(planned.saturating_duration_since(Instant::now()));
            runtime.spawn(task(number, planned));
        }
    };
    spawn_blocking(pace).await.expect("nothing in it panics");
}

/// What the processes had used at three moments.
struct Usages {
    before: UsageSoFar,
    open: UsageSoFar,
    after: UsageSoFar,
}

fn sample(
    usages: &Usages,
    opened: usize,
    outcomes: &[PushOutcome],
    load: &ComparedLoad,
    problems: BTreeMap<String, u64>,
) -> ComparisonSample {
    let [mut responses, mut lateness] = [Latency::default(), Latency::default()];
    for outcome in outcomes {
        outcome.response.into_iter().for_each(|time| responses.record(time));
        outcome.lateness.into_iter().for_each(|time| lateness.record(time));
    }
    let pushed = usages.after.cpu_since(&usages.open);
    let each = |cpu: f64, of: u64| cpu * 1e6 / f64::from(u32::try_from(of.max(1)).unwrap_or(u32::MAX));
    let delivered = responses.count();
    let opened = u32::try_from(opened).unwrap_or(u32::MAX);
    let grown = usages.open.holder_rss_bytes.saturating_sub(usages.before.holder_rss_bytes);
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let [p50, p99] = [50.0, 99.0].map(|percent| millis(responses.percentile(percent)));
    ComparisonSample {
        rss_bytes_per_page: f64::from(u32::try_from(grown).unwrap_or(u32::MAX)) / f64::from(opened.max(1)),
        cpu_us_per_open: each(usages.open.cpu_since(&usages.before).values().sum(), opened.into()),
        cpu_us_per_push: each(pushed.values().sum(), delivered),
        cpu_us_per_push_of: pushed.iter().map(|(name, cpu)| ((*name).to_owned(), each(*cpu, delivered))).collect(),
        p50_ms: p50,
        p99_ms: p99,
        planned: u64::try_from(outcomes.len()).unwrap_or(u64::MAX),
        delivered,
        failed_opens: u64::from(load.sockets.saturating_sub(opened)),
        problems,
        is_generator_limited: millis(lateness.percentile(99.0)) > f64::max(1.0, p50 / 10.0),
    }
}

fn list(problems: &BTreeMap<String, u64>) -> String {
    let counted: Vec<_> = problems.iter().map(|(code, count)| format!("{code} ({count})")).collect();
    counted.join(", ")
}
