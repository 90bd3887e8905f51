//! A run without workers: one generator, at Scenecast or at a peer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    assemble::{RunEvidence, aborting, assemble},
    cli::RunCli,
    error::RunError,
    fault_schedule::inject_by_plan,
    keep::keep,
    own_cluster::OwnCluster,
    peer::RunPeer,
    place::{Place, first_person, sources},
    probe::probe,
    progress::Progress,
    room::pages_per_path,
    sampler::{OwnProcess, Sampler},
};
use crate::{
    generator::{Generator, RunRecorder, STOPPED_EARLY},
    plan::{LoginPlan, Segment},
    results::{RunResult, TargetInfo},
    targets::{LoginTarget, PreciseTimer},
    thresholds::Threshold,
};

/// A run that is about to begin. Dropping what measures ends its processes.
pub(super) struct LoneRun<'a> {
    pub(super) cli: &'a RunCli,
    pub(super) plan: LoginPlan,
    pub(super) thresholds: &'a [Threshold],
    pub(super) progress: &'a Progress,
    pub(super) stop: CancellationToken,
}

impl LoneRun<'_> {
    /// Starts the target, or finds it, and measures it.
    pub(super) async fn run(self) -> Result<RunResult, RunError> {
        let (cli, timer) = (self.cli, PreciseTimer::start());
        if let Some(peer) = cli.peer.peer {
            let peer = RunPeer::open(&cli.peer, peer, &self.plan).await?;
            let own = OwnProcess::generator(peer.processes());
            self.probe(&peer.target, &[peer.pages]).await?;
            return self.measure(peer.target, &[peer.pages], timer, own, None).await;
        }
        let mut place = Place::open(cli, &self.plan).await?;
        let gateways = place.gateways.ready();
        let first = first_person();
        let target = place.target(&self.plan, first..=first + cli.cluster.people - 1, timer.clone());
        self.probe(&target, &gateways).await?;
        let target = target.thinking(self.plan.think_time);
        self.measure(target, &gateways, timer, OwnProcess::generator(vec![]), place.own).await
    }

    async fn probe<T: LoginTarget>(&self, target: &T, addresses: &[SocketAddr]) -> Result<(), RunError> {
        let sources = sources(addresses, std::process::id(), self.cli.cluster.sources);
        Ok(probe(target, addresses, sources, &self.plan).await?)
    }

    /// Measures a target, whose pages open at these addresses, and keeps the result.
    async fn measure<T: LoginTarget>(
        self,
        target: T,
        addresses: &[SocketAddr],
        timer: PreciseTimer,
        own_process: OwnProcess,
        mut own: Option<OwnCluster>,
    ) -> Result<RunResult, RunError> {
        let Self { cli, plan, thresholds, progress, stop } = self;
        let sources = sources(addresses, std::process::id(), cli.cluster.sources);
        let pages_per_path = pages_per_path(plan.pages.into(), 1, addresses.len(), sources.count());

        let info = target.info();
        let recorder = RunRecorder::begin(Duration::from_secs_f64(plan.late_after_seconds));
        let recorder = Arc::new(if plan.faults.is_empty() { recorder } else { recorder.keeping_logins() });
        let sampler = Sampler::start(recorder.clone(), own_process)?;
        let generator =
            Generator::new(target, plan.clone(), Segment::WHOLE, sources, timer, recorder.clone(), stop.clone());
        let generator = generator.with_page_stages(cli.page_stages()?);
        // In a task of its own, so that nothing here holds up its instants.
        let running = AbortOnDropHandle::new(tokio::spawn(async move { generator.run().await }));
        let mut wrong = vec![];
        let injecting = async {
            if let Some(own) = &mut own {
                wrong = inject_by_plan(&mut *own.processes, &plan.faults, &recorder, &stop).await;
            }
            std::future::pending::<()>().await;
        };
        let watch = AbortWatch { plan: &plan, thresholds, recorder: &recorder, sampler: &sampler, pages_per_path };
        let mut aborted_by = None;
        let watching = async {
            aborted_by = watch.crossed().await;
            progress.note("stopping: a threshold doesn't hold");
            stop.cancel();
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = running => ended,
            () = progress.follow(&recorder) => Ok(vec![]),
            () = injecting => Ok(vec![]),
            () = watching => Ok(vec![]),
        };
        let mut missing = ended.unwrap_or_else(|error| vec![format!("the generator failed: {error}")]);
        if aborted_by.is_some() {
            missing.retain(|text| text != STOPPED_EARLY);
        }
        missing.append(&mut wrong);
        progress.end();
        let samples = sampler.finish(&recorder);
        let measured = recorder.measured();
        let result = assemble(RunEvidence {
            plan,
            target: info,
            measured: &measured,
            began_at: recorder.began_at(),
            began: recorder.began(),
            samples,
            workers: vec![],
            missing,
            thresholds,
            aborted_by,
            pages_per_path,
        });
        keep(&result, &measured, recorder.began_at(), &cli.out)?;
        Ok(result)
    }
}

/// Looks each second whether a threshold ends a run without workers.
struct AbortWatch<'a> {
    plan: &'a LoginPlan,
    thresholds: &'a [Threshold],
    recorder: &'a RunRecorder,
    sampler: &'a Sampler,
    pages_per_path: u64,
}

impl AbortWatch<'_> {
    /// Returns the threshold once one ends the run. Otherwise it never returns.
    async fn crossed(&self) -> Option<String> {
        if !self.thresholds.iter().any(Threshold::may_abort) {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let evidence = RunEvidence {
                plan: self.plan.clone(),
                target: TargetInfo::default(),
                measured: &self.recorder.measured_so_far(|_, _| false),
                began_at: self.recorder.began_at(),
                began: self.recorder.began(),
                samples: self.sampler.look(Clone::clone),
                workers: vec![],
                missing: vec![],
                thresholds: self.thresholds,
                aborted_by: None,
                pages_per_path: self.pages_per_path,
            };
            if let Some(crossed) = aborting(evidence) {
                return Some(crossed);
            }
        }
    }
}
