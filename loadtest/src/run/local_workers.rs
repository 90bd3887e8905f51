//! Workers as processes on this machine: the same command that a worker on another machine is.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    process::{Child, Command},
    sync::mpsc,
};

use super::error::RunError;

/// What all workers are started with.
#[derive(Debug)]
pub(super) struct WorkerLaunch<'a> {
    pub(super) coordinator: &'a str,
    pub(super) run: &'a str,
    /// The file that describes the target.
    pub(super) target: &'a Path,
    pub(super) is_forced: bool,
    pub(super) silent_seconds: f64,
    pub(super) within_seconds: f64,
    /// Where their logs go.
    pub(super) logs: &'a Path,
}

/// Running workers. Dropping it kills them.
#[derive(Debug)]
pub(super) struct LocalWorkers {
    ended: mpsc::UnboundedReceiver<(u32, String)>,
    _tasks: tokio::task::JoinSet<()>,
    pub(super) pids: Vec<u32>,
}

impl LocalWorkers {
    /// None: somebody else starts the workers.
    pub(super) fn none() -> Self {
        Self { ended: mpsc::unbounded_channel().1, _tasks: tokio::task::JoinSet::new(), pids: vec![] }
    }

    /// Starts this many. They get none of this terminal's signals.
    pub(super) fn start(count: u32, launch: &WorkerLaunch) -> Result<Self, RunError> {
        let (ends, ended) = mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        let mut pids = vec![];
        for index in 0..count {
            let mut child = spawn(index, launch)?;
            pids.extend(child.id());
            let ends = ends.clone();
            let log = log_file(launch.logs, index);
            tasks.spawn(async move {
                let status = child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
                // It fails if nobody listens any more.
                let _ = ends.send((index, format!("its process ended ({status}); its log is {}", log.display())));
            });
        }
        Ok(Self { ended, _tasks: tasks, pids })
    }

    /// Workers whose process has ended since the last call, and how.
    pub(super) fn newly_ended(&mut self) -> Vec<(u32, String)> {
        std::iter::from_fn(|| self.ended.try_recv().ok()).collect()
    }
}

fn spawn(index: u32, launch: &WorkerLaunch) -> Result<Child, RunError> {
    let failed = |source| RunError::Process { what: "start a worker", source };
    let path = log_file(launch.logs, index);
    let log = File::create(&path).map_err(|source| RunError::Output { path, source })?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["run", "--worker", "--ends-with-parent", "--worker-index", &index.to_string()]);
    command.args(["--run-name", launch.run, "--workers-silent", &launch.silent_seconds.to_string()]);
    command.args(["--workers-within", &launch.within_seconds.to_string()]);
    command.arg("--target").arg(launch.target);
    if launch.is_forced {
        command.arg("--force");
    }
    // Not as an argument, since everybody on the machine can read those, and the URL may have a password.
    command.env("LOADTEST_COORDINATOR", launch.coordinator);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0).kill_on_drop(true);
    command.spawn().map_err(failed)
}

fn log_file(logs: &Path, index: u32) -> PathBuf {
    logs.join(format!("worker-{index}.log"))
}
