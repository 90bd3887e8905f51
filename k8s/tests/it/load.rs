//! Logins from beside the nodes: `scenecast-loadtest run` is WeChat, browsers, phones and the site's backend.

use std::{fs::File, process::Stdio};

use scenecast_loadtest::results::{self, Funnel};
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
        let results = tempfile::tempdir().unwrap();
        let process = Command::new(path(LOAD_TESTER))
            .args(["run", "--force", "--confirmation=tap", "--think=0-1", "--target", &path(TARGET), "--out"])
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
        self.end().await
    }

    /// What became of all logins, once the load has ended.
    pub(crate) async fn end(mut self) -> Funnel {
        self.process.wait().await.unwrap();
        let log = std::fs::read_to_string(self.results.path().join(LOG)).unwrap();
        let result = results::read(&self.results.path().join("result.json"));
        result.unwrap_or_else(|error| panic!("{error}: {log}")).funnel
    }
}

/// Panics if a login was lost or came twice, or if there was none.
pub(crate) fn assert_nothing_lost(funnel: &Funnel) {
    let wrong = (funnel.lost, funnel.doubled, funnel.mixed_up);
    assert_eq!(wrong, (0, 0, 0), "lost, doubled, mixed up: {funnel:?}");
    assert!(funnel.accepted > 0 && funnel.accepted == funnel.delivered, "{funnel:?}");
}
