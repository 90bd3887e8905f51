//! The command from its start to its exit code.

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use scenecast_service::config;

use super::{
    assemble::{RunEvidence, assemble},
    cli::RunCli,
    coordinator::coordinate,
    error::RunError,
    interrupt::stop_at_signals,
    keep::keep,
    place::{Place, first_person, probe},
    progress::Progress,
    room::{check_room, pages_per_path},
    sampler::{OwnProcess, Sampler},
    worker::work,
    worker_options::RunPart,
};
use crate::{
    generator::{Generator, RunRecorder},
    health::raise_descriptor_limit,
    plan::{LoginPlan, Segment},
    results::RunResult,
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
    let thresholds = thresholds(cli)?;
    fs::create_dir_all(&cli.out).map_err(|source| RunError::Output { path: cli.out.clone(), source })?;
    // If it fails, the limit is as it is, and the check below says whether that is enough.
    let _ = raise_descriptor_limit();
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
    let generator = Generator::new(target, plan.clone(), Segment::WHOLE, sources, timer, recorder.clone(), stop);
    let missing = tokio::select! {
        missing = generator.run() => missing,
        () = progress.follow(&recorder) => vec![],
    };
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
        pages_per_path,
    });
    keep(&result, &measured, recorder.began_at(), &cli.out)?;
    Ok(result)
}

fn thresholds(cli: &RunCli) -> Result<Vec<Threshold>, RunError> {
    let mut thresholds = cli.thresholds.clone();
    if let Some(path) = &cli.threshold_file {
        let file: ThresholdFile = config::load(Some(path), [])?;
        thresholds.extend(file.thresholds());
    }
    Ok(thresholds)
}
