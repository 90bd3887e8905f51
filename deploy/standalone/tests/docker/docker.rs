//! The daemon that the tests use, and containers that go away with their test.

use std::{
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::{AtomicU32, Ordering},
};

use scenecast_testing::until;
use serde_json::Value;
use tokio::process::Command;

/// The names of the images, without `scenecast-`.
pub(crate) const IMAGES: [&str; 4] = ["gateway", "callback", "standalone", "loadtest"];

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// An image of this version.
pub(crate) fn image(name: &str) -> String {
    format!("scenecast-{name}:{}", env!("CARGO_PKG_VERSION"))
}

/// Runs the client. What it says is the caller's to check.
pub(crate) async fn docker(arguments: &[&str]) -> Output {
    assert!(std::env::var_os("DOCKER_HOST").is_some(), "these tests need their own daemon: run make test-docker");
    Command::new("docker").args(arguments).kill_on_drop(true).output().await.unwrap()
}

/// Runs the client, which has to succeed. Returns its output without the line break at its end.
pub(crate) async fn docker_ok(arguments: &[&str]) -> String {
    let output = docker(arguments).await;
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// What the daemon knows of an image or a container.
pub(crate) async fn inspect(what: &str) -> Value {
    let all: Value = serde_json::from_str(&docker_ok(&["inspect", what]).await).unwrap();
    all[0].clone()
}

/// How much a container may do: what Kubernetes' `restricted` asks, and no write.
pub(crate) const LOCKED_DOWN: [&str; 4] =
    ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--health-interval=1s"];

/// A container, which is removed when this is dropped.
pub(crate) struct Container(pub(crate) String);

impl Container {
    /// Starts a container of this image in the background: locked down, with these options and the command's arguments.
    pub(crate) async fn start(name: &str, options: &[String], arguments: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let container = Self(format!("test-{}-{name}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        let image = image(name);
        let mut all = vec!["run", "--detach", "--name", &container.0];
        all.extend(LOCKED_DOWN);
        all.extend(options.iter().map(String::as_str));
        all.push(&image);
        all.extend(arguments);
        docker_ok(&all).await;
        container
    }

    /// Waits until the binary's own health check has succeeded.
    pub(crate) async fn healthy(&self) {
        until(&format!("{} is healthy", self.0), async || {
            let state = inspect(&self.0).await["State"].clone();
            assert_eq!(state["Status"], "running", "{state}\n{}", self.log().await);
            state["Health"]["Status"] == "healthy"
        })
        .await;
    }

    pub(crate) async fn signal(&self, name: &str) {
        docker_ok(&["kill", "--signal", name, &self.0]).await;
    }

    /// Waits until the container has ended. Returns the exit code of its process.
    pub(crate) async fn exit_code(&self) -> String {
        docker_ok(&["wait", &self.0]).await
    }

    /// All that it has written.
    pub(crate) async fn log(&self) -> String {
        let output = docker(&["logs", &self.0]).await;
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rm", "--force", &self.0]).output();
    }
}
