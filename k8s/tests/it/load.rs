//! Logins from beside the nodes: `scenecast-loadtest run` is WeChat, browsers, phones and the site's backend.

use std::{fs::File, process::Stdio};

use scenecast_loadtest::{
    generator::STOPPED_EARLY,
    results::{self, Funnel, RunResult},
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::cluster::path;

/// What the overlay `tests/overlays/logins` expects the load tester to be.
pub(crate) const TARGET: &str = "tests/load.toml";
pub(crate) const LOAD_TESTER: &str = "../target/debug/scenecast-loadtest";

/// What it says meanwhile, in the folder of its results.
const LOG: &str = "log";

/// A load that runs. Dropping it ends it.
pub(crate) struct Load {
    process: Child,
    results: TempDir,
}

impl Load {
    /// Starts `scenecast-loadtest run` with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_at(&path(TARGET), arguments)
    }

    /// The same with another file as its target.
    pub(crate) fn start_at(target: &str, arguments: &[&str]) -> Self {
        let results = tempfile::tempdir().unwrap();
        let process = Command::new(path(LOAD_TESTER))
            .args(["run", "--force", "--confirmation=tap", "--think=0-1", "--target", target, "--out"])
            .arg(results.path())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(File::create(results.path().join(LOG)).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, results }
    }

    /// Ends the load as Ctrl-C does: what became of the logins that had begun.
    pub(crate) async fn stop(self) -> Funnel {
        let process = self.process.id().expect("it runs until it is stopped").to_string();
        assert!(Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
        let (result, log) = self.ended().await;
        // A load that had ended by itself, or never began, says nothing of what the test did.
        let reasons = &result.completeness.reasons;
        assert!(reasons.iter().any(|reason| reason == STOPPED_EARLY), "{reasons:?}: {log}");
        result.funnel
    }

    /// What became of all logins, once the load has ended. Panics if any of the plan is missing.
    pub(crate) async fn end(self) -> Funnel {
        let (result, log) = self.ended().await;
        assert!(result.completeness.is_complete, "{:?}: {log}", result.completeness.reasons);
        result.funnel
    }

    /// The result, and what was said meanwhile.
    async fn ended(mut self) -> (RunResult, String) {
        let status = self.process.wait().await.unwrap();
        let log = std::fs::read_to_string(self.results.path().join(LOG)).unwrap();
        let result = results::read(&self.results.path().join("result.json"));
        let result = result.unwrap_or_else(|error| panic!("{error}: {status}: {log}"));
        // Whether the generator was the limit, we don't ask: this machine is the cluster, too.
        assert_eq!(status.code(), Some(result.verdict.exit_code().into()), "{status}: {log}");
        (result, log)
    }
}

/// Panics if a login was lost or came twice, or if fewer than these were accepted: a load without logins proves nothing.
pub(crate) fn assert_nothing_lost(funnel: &Funnel, accepted_at_least: u64) {
    let wrong = (funnel.lost, funnel.doubled, funnel.mixed_up);
    assert_eq!(wrong, (0, 0, 0), "lost, doubled, mixed up: {funnel:?}");
    assert_eq!(funnel.accepted, funnel.delivered, "{funnel:?}");
    assert!(funnel.accepted >= accepted_at_least, "fewer than {accepted_at_least} were accepted: {funnel:?}");
}
