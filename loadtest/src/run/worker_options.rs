//! The arguments of a run with workers, and the part that a process has in it.

use std::time::Duration;

use clap::Args;

const LEAST_SECONDS: f64 = 3.0;
/// The most workers of a run.
const MOST_WORKERS: i64 = 1000;

#[derive(Debug, Args)]
pub(super) struct WorkerOptions {
    /// Share the load among this many processes on this machine
    #[arg(long, value_name = "N", conflicts_with_all = ["faults", "peer"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_WORKERS))]
    workers: Option<u32>,
    /// Share the load among this many workers that somebody else starts, each with --worker
    #[arg(long, value_name = "N", conflicts_with_all = ["workers", "faults", "peer"], requires = "target")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MOST_WORKERS))]
    await_workers: Option<u32>,
    /// Be one of the workers. What to do comes from the coordinator
    #[arg(long, conflicts_with_all = ["workers", "await_workers"], requires_all = ["target", "index"])]
    worker: bool,
    /// The worker's number, counted from 0
    #[arg(long = "worker-index", id = "index", value_name = "N", env = "JOB_COMPLETION_INDEX")]
    index: Option<u32>,
    /// The Redis in which workers and coordinator meet, as redis://[user:password@]host:port. Never the one under test.
    /// Without it --workers starts one
    #[arg(long, value_name = "URL", env = "LOADTEST_COORDINATOR", hide_env_values = true)]
    pub(super) coordinator: Option<String>,
    /// The name under which they meet. No two runs at one Redis share it
    #[arg(long, value_name = "NAME", env = "LOADTEST_RUN")]
    run_name: Option<String>,
    /// For how many seconds workers are awaited, and a worker waits for its coordinator
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    workers_within: f64,
    /// After how many seconds without a report a worker counts as gone
    #[arg(long, value_name = "SECONDS", default_value_t = 15.0)]
    workers_silent: f64,
    /// End with the process that started this one
    #[arg(long, hide = true)]
    pub(super) ends_with_parent: bool,
}

/// The part of a process in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RunPart {
    /// It does all of it.
    Alone,
    /// It coordinates workers.
    Coordinator { workers: u32, starts_them: bool },
    /// It is a worker.
    Worker { index: u32 },
}

/// An argument is missing, or wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum WorkerOptionsError {
    #[error("{0} needs --coordinator (or LOADTEST_COORDINATOR): the Redis in which workers and coordinator meet")]
    NoCoordinator(&'static str),
    #[error("{0} needs --run-name (or LOADTEST_RUN): the name that all workers and their coordinator have")]
    NoName(&'static str),
    /// Each process of a job would put all of the load on the target.
    #[error("--worker-index (or JOB_COMPLETION_INDEX) is a worker's number: give --worker, too")]
    NoWorker,
    /// Workers report each second, so a shorter silence says nothing.
    #[error("{option}: {value} is not a number of seconds from {LEAST_SECONDS} to 86400")]
    Seconds { option: &'static str, value: f64 },
}

impl WorkerOptions {
    /// The part of this process.
    pub(super) fn part(&self) -> Result<RunPart, WorkerOptionsError> {
        for (option, value) in [("--workers-within", self.workers_within), ("--workers-silent", self.workers_silent)] {
            if !(LEAST_SECONDS..=86_400.0).contains(&value) {
                return Err(WorkerOptionsError::Seconds { option, value });
            }
        }
        let (part, option) = match (self.workers, self.await_workers, self.index) {
            (Some(workers), ..) => return Ok(RunPart::Coordinator { workers, starts_them: true }),
            (None, Some(workers), _) => (RunPart::Coordinator { workers, starts_them: false }, "--await-workers"),
            (None, None, Some(index)) if self.worker => (RunPart::Worker { index }, "--worker"),
            (None, None, Some(_)) => return Err(WorkerOptionsError::NoWorker),
            (None, None, None) => return Ok(RunPart::Alone),
        };
        if self.coordinator.is_none() {
            return Err(WorkerOptionsError::NoCoordinator(option));
        }
        if self.run_name.is_none() {
            return Err(WorkerOptionsError::NoName(option));
        }
        Ok(part)
    }

    /// The name of the run; a random one if none was given.
    pub(super) fn run_name(&self) -> String {
        self.run_name.clone().unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()))
    }

    pub(super) fn within(&self) -> Duration {
        Duration::from_secs_f64(self.workers_within)
    }

    pub(super) fn silent(&self) -> Duration {
        Duration::from_secs_f64(self.workers_silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::cli::parsed;

    fn part(arguments: &str) -> Result<RunPart, String> {
        parsed(arguments)?.workers.part().map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_say_which_part_a_process_has() {
        let meet = "--coordinator redis://r:6379 --run-name one --target t.toml";
        for (arguments, expected) in [
            (String::new(), RunPart::Alone),
            ("--workers 3".to_owned(), RunPart::Coordinator { workers: 3, starts_them: true }),
            (format!("--await-workers 54 {meet}"), RunPart::Coordinator { workers: 54, starts_them: false }),
            (format!("--worker --worker-index 7 {meet}"), RunPart::Worker { index: 7 }),
        ] {
            assert_eq!(part(&arguments), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (arguments, says) in [
            ("--workers 0", "--workers"),
            ("--workers 2 --await-workers 2", "cannot be used with"),
            ("--worker --workers 2", "cannot be used with"),
            ("--workers 2 --fault gateway-killed@1..2", "cannot be used with"),
            ("--workers 2 --peer ws", "cannot be used with"),
            ("--await-workers 2 --target t.toml --peer ws", "cannot be used with"),
            ("--worker --target t.toml", "--worker-index"),
            ("--worker-index 3", "give --worker, too"),
            ("--worker --worker-index 0", "--target"),
            ("--worker --worker-index -1 --target t.toml", "-1"),
            ("--worker --worker-index 0 --target t.toml", "--worker needs --coordinator"),
            ("--worker --worker-index 0 --target t.toml --coordinator redis://r", "--worker needs --run-name"),
            ("--await-workers 2 --target t.toml", "--await-workers needs --coordinator"),
            ("--await-workers 2", "--target"),
            ("--workers 2 --workers-silent 0", "--workers-silent: 0 is not"),
            ("--workers 2 --workers-within nan", "--workers-within: NaN is not"),
        ] {
            let refused = part(arguments).unwrap_err();
            assert!(refused.contains(says), "{arguments}: {refused}");
        }
    }
}
