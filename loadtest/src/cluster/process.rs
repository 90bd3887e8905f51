//! One process of ours, started and ended as an orchestrator would.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

/// A running process; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts one of our binaries with this configuration, and waits until it serves.
    pub async fn start(binary: &str, config: &Path) -> Self {
        let path = beside_us(binary);
        refuse_if_stale(&path);
        let mut child = Command::new(&path)
            .arg("--config")
            .arg(config)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; cargo build --workspace makes it", path.display()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        loop {
            match lines.next_line().await.expect("logs are text") {
                Some(line) => {
                    let serves = line.contains("\"serving\"");
                    keep(&log, line);
                    if serves {
                        break;
                    }
                }
                None => panic!("{binary} ended: {}", log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")),
            }
        }
        tokio::spawn(keep_all(lines, log.clone()));
        Self { child, log }
    }

    /// What it has logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Freezes it (SIGSTOP).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends a [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it (SIGKILL).
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.expect("a child can be waited for")
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it hasn't been waited for"), signal).expect("a child can be signalled");
    }
}

fn keep(log: &Mutex<Vec<String>>, line: String) {
    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

async fn keep_all(mut lines: Lines<BufReader<ChildStderr>>, log: Arc<Mutex<Vec<String>>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        keep(&log, line);
    }
}

/// The binary in our own directory, or above it where we are a test in `deps`.
fn beside_us(binary: &str) -> PathBuf {
    let us = std::env::current_exe().expect("a process knows its binary");
    let directories = us.ancestors().skip(1).take(2);
    let found = directories.map(|directory| directory.join(binary)).find(|path| path.exists());
    found.unwrap_or_else(|| us.with_file_name(binary))
}

/// Cargo builds no other crate's binary for a test, so yesterday's would be tested without a word.
fn refuse_if_stale(binary: &Path) {
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    // Cargo writes beside a binary what it was made of: `binary: source source …`.
    let made_of = std::fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    let newer = made_of.split_whitespace().skip(1).find(|source| changed(source.as_ref()) > changed(binary));
    if let Some(source) = newer {
        panic!("{} is older than {source}; cargo build --workspace makes it", binary.display());
    }
}

/// How often a process is asked for its metrics, …
const ASKED_AT_MOST: u32 = 20;
/// … and how long an answer may take.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// To make one takes so long that those who make several would be late with their requests. It keeps no connections,
/// which end with the runtime of whoever asked.
static ASKS: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(ASK_LIMIT).no_proxy().build();
    client.expect("the TLS library starts")
});

/// The value of a process's metric with its labels, or 0; from its admin listener.
pub async fn metric(admin: SocketAddr, name: &str) -> f64 {
    let url = crate::http(admin).join("/metrics").expect("a valid path");
    let ask = async || ASKS.get(url.clone()).send().await?.error_for_status()?.text().await;
    let mut asked = 1;
    let metrics = loop {
        match ask().await {
            Ok(metrics) => break metrics,
            // Where all share few cores, a request can be later than the second that it has.
            Err(error) => assert!(asked < ASKED_AT_MOST, "a running process has metrics: {error}"),
        }
        asked += 1;
    };
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().expect("a metric is a number"))
}
