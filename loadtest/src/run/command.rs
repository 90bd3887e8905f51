//! The command from its start to its exit code.

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use scenecast_scene::AccountName;
use scenecast_service::{config, process::environment};
use scenecast_simulator::Simulator;
use tokio_util::sync::CancellationToken;

use super::{
    assemble::{RunEvidence, assemble},
    cli::RunCli,
    error::RunError,
    fault_schedule::inject_by_plan,
    interrupt::{Interrupts, wait_for_signals},
    own_cluster::OwnCluster,
    peer::RunPeer,
    probe::probe,
    progress::Progress,
    sampler::Sampler,
    summary::RunSummary,
};
use crate::{
    crowd::{ReadyPods, ReplyPhrases, SiteBackend},
    generator::{Generator, RunRecorder},
    given_cluster::{GivenCluster, WatchTarget},
    health::{PreflightNeeds, descriptors, free_memory, port_range, raise_descriptor_limit, shortages},
    measure::{IntervalEntry, write_interval_log},
    plan::{LoginPlan, Segment, ThinkTime, WayIn},
    report,
    results::{self, ProcessRole, ResultFileError, RunResult, RunVerdict, TargetInfo},
    targets::{CompatiblePlaces, LoginTarget, PreciseTimer, ScenecastSetup, ScenecastTarget, Seat, SourceAddresses},
    thresholds::{Threshold, ThresholdFile},
};

/// Where pages, phones and the site's backend go.
struct Place {
    info: TargetInfo,
    simulator: Simulator,
    account: AccountName,
    gateways: ReadyPods,
    callbacks: ReadyPods,
    origin: String,
    api_key: String,
    words: ReplyPhrases,
    compatible: Option<CompatiblePlaces>,
    /// The processes, if they are ours.
    own: Option<OwnCluster>,
}

/// Runs the command.
pub fn run(cli: &RunCli) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(source) => return fail(&RunError::Process { what: "start threads", source }),
    };
    match runtime.block_on(run_to_result(cli)) {
        Ok(result) => ExitCode::from(result.verdict.exit_code()),
        Err(error) => fail(&error),
    }
}

fn fail(error: &RunError) -> ExitCode {
    say(error);
    ExitCode::from(error.exit_code())
}

fn say(error: &RunError) {
    // It fails if stderr is closed. Then nobody reads the error.
    let _ = writeln!(io::stderr(), "error: {error}");
}

async fn run_to_result(cli: &RunCli) -> Result<RunResult, RunError> {
    let plan = cli.plan()?;
    let thresholds = thresholds(cli)?;
    fs::create_dir_all(&cli.out).map_err(|source| RunError::Output { path: cli.out.clone(), source })?;
    // If it fails, the limit is as it is, and the check below says whether that is enough.
    let _ = raise_descriptor_limit();
    let own_gateways = if cli.cluster.target.is_some() { 0 } else { cli.cluster.gateways };
    check_room(cli, &plan, own_gateways)?;

    let progress = Progress::start();
    let notes = progress.clone();
    let Interrupts { stop, at_once } = wait_for_signals(move |text| notes.note(text))?;
    let timer = PreciseTimer::start();
    let measuring = Measuring { cli, plan, thresholds, progress, stop, timer };
    tokio::select! {
        biased;
        () = at_once.cancelled() => Err(RunError::Interrupted),
        result = measuring.at_target() => result,
    }
}

/// A run that is about to begin. Dropping what measures ends its processes.
struct Measuring<'a> {
    cli: &'a RunCli,
    plan: LoginPlan,
    thresholds: Vec<Threshold>,
    progress: Progress,
    stop: CancellationToken,
    timer: PreciseTimer,
}

impl Measuring<'_> {
    /// Starts the target, or finds it, and measures it.
    async fn at_target(self) -> Result<RunResult, RunError> {
        if let Some(peer) = self.cli.peer.peer {
            let peer = RunPeer::open(&self.cli.peer, peer, &self.plan).await?;
            let processes = peer.processes();
            self.probe(&peer.target, &[peer.pages]).await?;
            return self.measure(peer.target, &[peer.pages], processes, None).await;
        }
        let place = open_place(self.cli, &self.plan).await?;
        let gateways = place.gateways.ready();
        let (target, own) = target(place, self.cli, &self.plan, self.timer.clone());
        self.probe(&target, &gateways).await?;
        let target = target.thinking(self.plan.think_time);
        self.measure(target, &gateways, vec![], own).await
    }

    /// From where connections to these addresses come.
    fn sources(&self, addresses: &[SocketAddr]) -> SourceAddresses {
        if addresses.iter().all(|address| RunCli::has_sources(address.ip())) {
            SourceAddresses::loopback(std::process::id(), self.cli.cluster.sources)
        } else {
            SourceAddresses::ANY
        }
    }

    /// Logs one page in. It is the last one of all, so no page of the run has its number.
    async fn probe<T: LoginTarget>(&self, target: &T, addresses: &[SocketAddr]) -> Result<(), RunError> {
        let seat = Seat { number: u64::MAX, source: self.sources(addresses).of(0), way: WayIn::WebSocket };
        Ok(probe(target, seat, addresses, self.plan.rate.logins() > 0.0).await?)
    }

    /// Measures a target, whose pages open at these addresses, and keeps the result.
    async fn measure<T: LoginTarget>(
        self,
        target: T,
        addresses: &[SocketAddr],
        known: Vec<(ProcessRole, String, u32)>,
        mut own: Option<OwnCluster>,
    ) -> Result<RunResult, RunError> {
        let sources = self.sources(addresses);
        let Self { cli, plan, thresholds, progress, stop, timer } = self;
        let servers = u64::try_from(addresses.len()).unwrap_or(1).max(1);
        let pages_per_path = u64::from(plan.pages).div_ceil(servers * u64::from(sources.count()));

        let info = target.info();
        let recorder = RunRecorder::begin(Duration::from_secs_f64(plan.late_after_seconds));
        let recorder = Arc::new(if plan.faults.is_empty() { recorder } else { recorder.keeping_logins() });
        let sampler = Sampler::start(recorder.clone(), known)
            .map_err(|source| RunError::Process { what: "start the thread that watches processes", source })?;
        let ended = stop.clone();
        let generator = Generator::new(target, plan.clone(), Segment::WHOLE, sources, timer, recorder.clone(), stop);
        let mut wrong = vec![];
        let injecting = async {
            if let Some(own) = &mut own {
                wrong = inject_by_plan(&mut *own.processes, &plan.faults, &recorder, &ended).await;
            }
            std::future::pending::<()>().await;
        };
        let mut missing = tokio::select! {
            missing = generator.run() => missing,
            () = progress.follow(&recorder) => vec![],
            () = injecting => vec![],
        };
        missing.append(&mut wrong);
        progress.end();
        let samples = sampler.finish(&recorder);
        let result = assemble(RunEvidence {
            plan,
            target: info,
            recorder: &recorder,
            samples,
            missing,
            thresholds: &thresholds,
            pages_per_path,
        });
        // It fails if stdout is closed. Then nobody reads it.
        let _ = writeln!(io::stdout(), "{}", RunSummary(&result));
        match keep(&result, &recorder, &cli.out) {
            // A lost login is worse than a full disk.
            Err(error) if result.verdict == RunVerdict::BrokenPromise => say(&error),
            kept => kept?,
        }
        Ok(result)
    }
}

fn thresholds(cli: &RunCli) -> Result<Vec<Threshold>, RunError> {
    let mut thresholds = cli.thresholds.clone();
    if let Some(path) = &cli.threshold_file {
        let file: ThresholdFile = config::load(Some(path), [])?;
        thresholds.extend(file.thresholds());
    }
    Ok(thresholds)
}

/// Refuses a run in which something would run out.
fn check_room(cli: &RunCli, plan: &LoginPlan, own_gateways: u32) -> Result<(), RunError> {
    let pages = u64::from(plan.pages);
    let paths = u64::from(own_gateways.max(1)) * u64::from(cli.cluster.sources);
    let short = shortages(PreflightNeeds {
        pages,
        own_gateways: own_gateways.into(),
        pages_per_path: pages.div_ceil(paths),
        descriptors: descriptors().1,
        ports: port_range(),
        memory: free_memory().unwrap_or(u64::MAX),
    });
    if short.is_empty() || cli.force {
        return Ok(());
    }
    Err(RunError::Shortage(short.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

async fn open_place(cli: &RunCli, plan: &LoginPlan) -> Result<Place, RunError> {
    if let Some(path) = &cli.cluster.target {
        let target: WatchTarget = config::load(Some(path), environment())?;
        let cluster = GivenCluster::open(target).await?;
        let info = TargetInfo {
            kind: "scenecast".to_owned(),
            summary: format!("a cluster that somebody else runs, {} gateways", cluster.gateways.len()),
            ..TargetInfo::default()
        };
        return Ok(Place {
            info,
            simulator: cluster.simulator,
            account: cluster.account,
            gateways: ReadyPods::fixed(cluster.gateways),
            callbacks: ReadyPods::fixed(cluster.callbacks),
            origin: cluster.origin,
            api_key: cluster.api_key.text().to_owned(),
            words: cluster.words,
            compatible: None,
            own: None,
        });
    }
    let mut own = OwnCluster::start(&cli.cluster, plan, &cli.out).await?;
    Ok(Place {
        info: own.info.clone(),
        simulator: own.simulator.clone(),
        account: own.account.clone(),
        gateways: own.gateways.clone(),
        callbacks: own.callbacks.clone(),
        origin: own.origin.to_owned(),
        api_key: own.api_key.to_owned(),
        words: ReplyPhrases::default(),
        compatible: own.compatible.take(),
        own: Some(own),
    })
}

fn target(place: Place, cli: &RunCli, plan: &LoginPlan, timer: PreciseTimer) -> (ScenecastTarget, Option<OwnCluster>) {
    // A random start, so that a run at a cluster that lives on has other people than the runs before it.
    let first = u64::from(rand::random::<u32>());
    let site = SiteBackend::new(place.callbacks, place.api_key);
    let target = ScenecastTarget::new(ScenecastSetup {
        info: place.info,
        gateways: place.gateways,
        site: if plan.faults.is_empty() { site.forgetting() } else { site },
        simulator: place.simulator,
        account: place.account,
        origin: place.origin,
        phrases: place.words,
        steps: plan.phone,
        think_time: ThinkTime::NONE,
        people: first..=first + cli.cluster.people - 1,
        heartbeats: true,
        timer,
        compatible: place.compatible,
    });
    (target, place.own)
}

/// Writes the result, the log of histograms, and the report, which can be made of the result later. Each is tried, whatever
/// became of the others; the first error counts.
fn keep(result: &RunResult, recorder: &RunRecorder, directory: &Path) -> Result<(), RunError> {
    let written = results::write(result, &directory.join("result.json"));
    let logged = write_log(recorder, &directory.join("result.hlog"));
    let reported = report::write_report(result, &directory.join("report.html"));
    written?;
    logged?;
    Ok(reported?)
}

/// Writes the log of histograms.
fn write_log(recorder: &RunRecorder, path: &Path) -> Result<(), ResultFileError> {
    results::write_whole(path, |file| {
        recorder.look(|recorded| {
            let second = Duration::from_secs(1);
            let entries = recorded.timings.seconds.iter().flat_map(|(number, timed)| {
                let start = Duration::from_secs(*number);
                let entry = move |tag, times| IntervalEntry { tag, start, length: second, times };
                let times = &timed.times;
                [
                    entry("response", &times.response),
                    entry("service", &times.service),
                    entry("lateness", &times.lateness),
                ]
            });
            write_interval_log(file, recorder.began_at(), entries.filter(|entry| !entry.times.is_empty()))
        })
    })
    .map_err(|source| ResultFileError::Write { path: path.into(), source })
}
