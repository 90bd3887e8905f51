//! The coordinator of a run with workers: has them start together, merges what they measure, and ends the run when one of
//! them is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use scenecast_testing::RedisServer;
use tokio_util::sync::CancellationToken;

use super::{
    cli::RunCli,
    coordination::Coordinator,
    error::RunError,
    local_workers::{LocalWorkers, WorkerLaunch},
    meeting::{MeetingPlace, TargetFile},
    place::{Place, first_person, sources},
    probe::probe,
    progress::Progress,
    sampler::{OwnProcess, Sampler},
};
use crate::{
    generator::RunRecorder,
    plan::LoginPlan,
    results::{ProcessRole, RunResult},
    targets::PreciseTimer,
    thresholds::Threshold,
    workers::{Order, RollCall, RunOffer, RunStreams},
};

/// The most people that are made known to the simulated WeChat for their phones at workers.
const MOST_PEOPLE: u64 = 1_000_000;

/// Refuses what so many workers can't share.
pub(super) fn check_shares(cli: &RunCli, plan: &LoginPlan, workers: u32) -> Result<(), RunError> {
    if workers > plan.pages {
        let pages = plan.pages;
        return Err(RunError::Workers(format!(
            "there are {workers} of them for {pages} pages, and each needs at least one"
        )));
    }
    // Their pages don't say which scene they have, and only the WeChat that made its code knows.
    if let Some(way) = plan.ways.iter().find(|way| way.way.is_compatible()) {
        return Err(RunError::Workers(format!("--transports {} needs a run without workers", way.way)));
    }
    if cli.cluster.people > MOST_PEOPLE {
        return Err(RunError::Workers(format!("--people: at most {MOST_PEOPLE} different people log in")));
    }
    Ok(())
}

/// A run with workers that is about to begin.
pub(super) struct CoordinatedRun<'a> {
    pub(super) cli: &'a RunCli,
    pub(super) plan: LoginPlan,
    pub(super) thresholds: &'a [Threshold],
    pub(super) progress: &'a Progress,
    pub(super) stop: CancellationToken,
}

impl CoordinatedRun<'_> {
    /// Runs the plan with this many workers. Dropping it ends those that it has started.
    pub(super) async fn run(self, workers: u32, starts_them: bool) -> Result<RunResult, RunError> {
        let Self { cli, plan, thresholds, progress, stop } = self;
        let people = cli.cluster.people.max(workers.into());
        let mut offer = RunOffer::new(&plan, workers, first_person(), people, cli.cluster.sources);
        offer.page_stages = cli.page_stages()?;
        offer.is_forced = cli.force;
        offer.silent_seconds = cli.workers.silent().as_secs_f64();

        let mut place = Place::open(cli, &plan).await?;
        let expected = place.simulator.expect_people(&place.account, offer.all_people());
        expected.map_err(|error| RunError::Cluster(error.to_string()))?;
        let gateways = place.gateways.ready();
        let target = place.target(&plan, offer.people_of(0), PreciseTimer::start());
        probe(&target, &gateways, sources(&gateways, 0, cli.cluster.sources), &plan).await?;

        let meeting = MeetingPlace::open(cli).await?;
        let run = cli.workers.run_name();
        let streams = RunStreams::open(&meeting.url, &run)?;
        if streams.is_used().await? {
            return Err(RunError::Workers(format!(
                "a run with the name {run} was here before; choose another --run-name"
            )));
        }
        streams.order(&Order::Offer(Box::new(offer.clone()))).await?;
        let target = TargetFile::of(cli, &place)?;
        let launch = WorkerLaunch {
            coordinator: &meeting.url,
            run: &run,
            target: &target.path,
            is_forced: cli.force,
            silent_seconds: offer.silent_seconds,
            within_seconds: cli.workers.within().as_secs_f64(),
            logs: &cli.out,
        };
        let local = if starts_them { LocalWorkers::start(workers, &launch)? } else { LocalWorkers::none() };
        let mut ignored = local.pids.clone();
        ignored.extend(meeting.server.as_ref().and_then(RedisServer::process_id));
        let mut coordinator = Coordinator {
            plan: &plan,
            streams,
            roll_call: RollCall::new(&offer),
            offer,
            workers: local,
            ended: vec![],
            progress: progress.clone(),
            stop,
            answered: Instant::now(),
            held: None,
            silent: cli.workers.silent(),
            ended_because: vec![],
            thresholds,
            aborted_by: None,
        };
        let began = match coordinator.gather(cli.workers.within()).await {
            Ok(()) => coordinator.start().await?,
            Err(error) => {
                coordinator.call_off(&error).await;
                return Err(error);
            }
        };
        // It holds the plan's phases for the sampler, and counts nothing.
        let recorder = Arc::new(RunRecorder::begin(Duration::ZERO));
        let own = OwnProcess { ignored, ..OwnProcess::new(ProcessRole::Simulator, "coordinator and WeChat") };
        let sampler = Sampler::start(recorder.clone(), own)?;
        coordinator.follow(&recorder, &sampler, began).await?;
        let result = coordinator.result(&place, &recorder, sampler, cli)?;
        Ok(result)
    }
}
