//! The command from its start to its exit code.

use std::{fs, process::ExitCode};

use scenecast_service::config;

use super::{
    alone::LoneRun,
    cli::RunCli,
    coordinator::{CoordinatedRun, check_shares},
    error::RunError,
    interrupt::{Interrupts, wait_for_signals},
    progress::Progress,
    room::{check_room, print_needs},
    worker::work,
    worker_options::RunPart,
};
use crate::{
    health::raise_descriptor_limit,
    plan::LoginPlan,
    results::RunResult,
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
    error.say();
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
        let is_enough = print_needs(cli, &plan, &part)?;
        return Ok(ExitCode::from(if is_enough { 0 } else { 2 }));
    }
    fs::create_dir_all(&cli.out).map_err(|source| RunError::Output { path: cli.out.clone(), source })?;
    check_room(cli, &plan, &part)?;
    let result = run_to_result(cli, plan, &thresholds, &part).await?;
    Ok(ExitCode::from(result.verdict.exit_code()))
}

async fn run_to_result(
    cli: &RunCli,
    plan: LoginPlan,
    thresholds: &[Threshold],
    part: &RunPart,
) -> Result<RunResult, RunError> {
    let progress = Progress::start();
    let notes = progress.clone();
    let Interrupts { stop, at_once } = wait_for_signals(move |text| notes.note(text))?;
    let running = async {
        match *part {
            RunPart::Coordinator { workers, starts_them } => {
                let run = CoordinatedRun { cli, plan, thresholds, progress: &progress, stop };
                run.run(workers, starts_them).await
            }
            RunPart::Alone | RunPart::Worker { .. } => {
                LoneRun { cli, plan, thresholds, progress: &progress, stop }.run().await
            }
        }
    };
    tokio::select! {
        biased;
        () = at_once.cancelled() => Err(RunError::Interrupted),
        result = running => result,
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
