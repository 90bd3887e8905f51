//! One process of ours, started and ended as an orchestrator would, and its metrics.

use std::{
    fs::OpenOptions,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, LazyLock},
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use scenecast_simulator::http;
use scenecast_testing::series_value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts one of our binaries with this configuration file and these variables in its environment, and waits until it
    /// serves.
    pub async fn start(binary: &str, config: &Path, environment: &[(&'static str, String)]) -> Self {
        let path = find_binary(binary);
        refuse_if_stale(&path);
        let mut child = Command::new(&path)
            .arg("--config")
            .arg(config)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {}: {error}; run cargo build --workspace", path.display()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        loop {
            match lines.next_line().await.expect("logs are text") {
                Some(line) => {
                    let serves = line.contains("\"serving\"");
                    log.lock().push(line);
                    if serves {
                        break;
                    }
                }
                None => panic!("{binary} exited before it served: {}", log.lock().join("\n")),
            }
        }
        tokio::spawn(keep_log(lines, log.clone()));
        Self { child, log }
    }

    /// Starts one of our binaries, whose log goes to the end of a file. Waits until it serves. It gets none of this terminal's signals.
    pub async fn start_logging_to(binary: &str, config: &Path, log: &Path) -> Self {
        let path = find_binary(binary);
        refuse_if_stale(&path);
        let file = OpenOptions::new().append(true).create(true).open(log);
        let file = file.unwrap_or_else(|error| panic!("can't write {}: {error}", log.display()));
        // A process that was here before has written to it, too.
        let before = file.metadata().map_or(0, |file| file.len());
        let before = usize::try_from(before).expect("a log of a test is short");
        let mut child = Command::new(&path)
            .arg("--config")
            .arg(config)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {}: {error}", path.display()));
        let written = || {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            log.get(before..).unwrap_or_default().to_owned()
        };
        while !written().contains("\"serving\"") {
            let ended = child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "{binary} exited before it served: {}", written());
            tokio::time::sleep(LOG_POLL).await;
        }
        Self { child, log: Arc::default() }
    }

    /// The lines that it has logged so far. None if they go to a file.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// Its process id; `None` if it has exited.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends SIGTERM: the process should drain and exit.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGSTOP: the process freezes.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Sends SIGCONT: a frozen process goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGKILL.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Waits until it has exited.
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.expect("a child can be waited for")
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it hasn't been waited for"), signal).expect("a child can be signalled");
    }
}

async fn keep_log(mut lines: Lines<BufReader<ChildStderr>>, log: Arc<Mutex<Vec<String>>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().push(line);
    }
}

/// The binary in the directory of this executable, or in the one above it if this executable is a test in `deps`. It need not
/// exist.
pub fn find_binary(binary: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a process knows its executable");
    let directories = this.ancestors().skip(1).take(2);
    let found = directories.map(|directory| directory.join(binary)).find(|path| path.exists());
    found.unwrap_or_else(|| this.with_file_name(binary))
}

/// Panics if the binary is older than its sources. Cargo doesn't build the binaries of other crates for a test, so the
/// test would run an old one unnoticed.
fn refuse_if_stale(binary: &Path) {
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    // Cargo writes a file beside the binary that lists its sources: `binary: source source …`.
    let dependencies = std::fs::read_to_string(binary.with_extension("d")).unwrap_or_default();
    let newer = dependencies.split_whitespace().skip(1).find(|source| changed(source.as_ref()) > changed(binary));
    if let Some(source) = newer {
        panic!("{} is older than {source}; run cargo build --workspace", binary.display());
    }
}

/// How often a log file is read until the process serves.
const LOG_POLL: Duration = Duration::from_millis(20);

/// How often a process is asked for its metrics before the test fails.
const METRICS_TRIES: u32 = 20;
const METRICS_TIMEOUT: Duration = Duration::from_secs(5);

/// Shared, because building a client takes so long that tests which build several would send their requests late. It
/// keeps no connections, because those end with the runtime of the test that opened them.
static METRICS_CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(METRICS_TIMEOUT).no_proxy().build();
    client.expect("the TLS library starts")
});

/// The value of a metric, such as `scenecast_scenes_held` or `scenecast_scenes_total{stage="opened"}`, from a process's
/// admin listener. 0 if the process doesn't have it.
pub async fn metric(admin: SocketAddr, name: &str) -> f64 {
    let url = http(admin).join("/metrics").expect("a valid path");
    let request = async || METRICS_CLIENT.get(url.clone()).send().await?.error_for_status()?.text().await;
    let mut tries = 1;
    let metrics = loop {
        match request().await {
            Ok(metrics) => break metrics,
            // On a busy machine a request can arrive later than the second that the listener waits for it.
            Err(error) => assert!(tries < METRICS_TRIES, "a running process answers /metrics: {error}"),
        }
        tries += 1;
    };
    series_value(&metrics, name).unwrap_or(0.0)
}
