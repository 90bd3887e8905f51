//! The command from its start to its exit code.

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use scenecast_service::config;
use tokio_util::task::AbortOnDropHandle;

use super::{
    assemble::{RunEvidence, aborting, assemble},
    cli::RunCli,
    coordinator::{check_shares, coordinate},
    error::RunError,
    interrupt::stop_at_signals,
    keep::keep,
    place::{Place, first_person, probe},
    progress::Progress,
    room::{check_room, pages_per_path, print_needs},
    sampler::{OwnProcess, Sampler},
    worker::work,
    worker_options::RunPart,
};
use crate::{
    generator::{Generator, RunRecorder, STOPPED_EARLY},
    health::raise_descriptor_limit,
    plan::{LoginPlan, Segment},
    results::{RunResult, TargetInfo},
    targets::{LoginTarget, PreciseTimer},
    thresholds::{Threshold, ThresholdFile},
};

/// Runs the command.
pub fn run(cli: &RunCli) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(source) => return fail(&RunError::Process { what: "start threads", source }),
    };
    match runtime.block_on(run_part(cli)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &RunError) -> ExitCode {
    // It fails if stderr is closed. Then nobody reads the error.
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::from(error.exit_code())
}

async fn run_part(cli: &RunCli) -> Result<ExitCode, RunError> {
    let part = cli.workers.part()?;
    if let RunPart::Worker { index } = part {
        work(cli, index).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = cli.plan()?;
    cli.page_stages()?;
    if let RunPart::Coordinator { workers, .. } = part {
        check_shares(cli, &plan, workers)?;
    }
    let thresholds = thresholds(cli)?;
    // If it fails, the limit is as it is, and the check below says whether that is enough.
    let _ = raise_descriptor_limit();
    if cli.preflight {
        let is_enough = print_needs(cli, &plan, &part);
        return Ok(ExitCode::from(if is_enough { 0 } else { 2 }));
    }
    fs::create_dir_all(&cli.out).map_err(|source| RunError::Output { path: cli.out.clone(), source })?;
    check_room(cli, &plan, &part)?;
    let result = match part {
        RunPart::Coordinator { workers, starts_them } => {
            coordinate(cli, plan, &thresholds, workers, starts_them).await?
        }
        RunPart::Alone | RunPart::Worker { .. } => run_alone(cli, plan, &thresholds).await?,
    };
    Ok(ExitCode::from(result.verdict.exit_code()))
}

async fn run_alone(cli: &RunCli, plan: LoginPlan, thresholds: &[Threshold]) -> Result<RunResult, RunError> {
    let progress = Progress::start();
    let notes = progress.clone();
    let stop = stop_at_signals(move |text| notes.note(text))?;
    let place = Place::open(cli, &plan).await?;
    let sources = place.sources(std::process::id(), cli.cluster.sources);
    let pages_per_path = pages_per_path(plan.pages.into(), 1, place.gateways.len(), sources.count());
    let timer = PreciseTimer::start();
    let first = first_person();
    let target = place.target(&plan, first..=first + cli.cluster.people - 1, timer.clone());
    probe(&target, sources).await?;

    let info = target.info();
    let recorder = Arc::new(RunRecorder::begin(Duration::from_secs_f64(plan.late_after_seconds)));
    let sampler = Sampler::start(recorder.clone(), &OwnProcess::generator());
    let generator =
        Generator::new(target, plan.clone(), Segment::WHOLE, sources, timer, recorder.clone(), stop.clone());
    let generator = generator.with_page_stages(cli.page_stages()?);
    // In a task of its own, so that nothing here holds up its instants.
    let running = AbortOnDropHandle::new(tokio::spawn(async move { generator.run().await }));
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
        () = watching => Ok(vec![]),
    };
    let mut missing = ended.unwrap_or_else(|error| vec![format!("the generator failed: {error}")]);
    if aborted_by.is_some() {
        missing.retain(|text| text != STOPPED_EARLY);
    }
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

fn thresholds(cli: &RunCli) -> Result<Vec<Threshold>, RunError> {
    let mut thresholds = cli.thresholds.clone();
    if let Some(path) = &cli.threshold_file {
        let file: ThresholdFile = config::load(Some(path), [])?;
        thresholds.extend(file.thresholds());
    }
    Ok(thresholds)
}
