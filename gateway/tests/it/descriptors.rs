//! A gateway process that may open few files: it accepts what fits, and says so to pages, probes and operators.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use scenecast_browsers::login_page::LoginPage;
use scenecast_testing::series_value;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use crate::fixtures::{KEY_SECRET, ORIGIN, PATIENCE, frame, reconnect_delay_ms};

/// A gateway process, whose Redis and callback are away.
pub(crate) struct GatewayProcess {
    pub(crate) child: Child,
    log: Lines<BufReader<ChildStderr>>,
    pub(crate) public: SocketAddr,
    admin: SocketAddr,
    /// What it has logged until it served.
    start: Vec<Value>,
    _config: NamedTempFile,
}

/// The command that runs the gateway and lets it open so many files.
pub(crate) fn command(open_files: u32, config: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {open_files}; exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_scenecast-gateway")).arg("--config").arg(config);
    command.env("SCENECAST_KEY_SECRET__CURRENT", KEY_SECRET);
    command.env("SCENECAST_INTERNAL_SECRET__CURRENT", "a secret of its own");
    command.stderr(Stdio::piped()).kill_on_drop(true);
    command
}

pub(crate) fn sample() -> NamedTempFile {
    let sample = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.toml")).unwrap();
    let sample = sample
        .replace("[::]:8080", "127.0.0.1:0")
        .replace("[::]:9090", "127.0.0.1:0")
        .replace("127.0.0.1:6379", "127.0.0.1:1")
        .replace("notice = 3 ", "notice = 0 ");
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sample).unwrap();
    file
}

impl GatewayProcess {
    async fn start(open_files: u32) -> Self {
        Self::start_with(open_files, &[]).await
    }

    /// The same, with these environment variables.
    pub(crate) async fn start_with(open_files: u32, env: &[(&str, &str)]) -> Self {
        let config = sample();
        let mut child = command(open_files, config.path()).envs(env.iter().copied()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut start: Vec<Value> = vec![];
        let address_of = |start: &[Value], clients| {
            let line = start.iter().find(|line| line["clients"] == clients)?;
            line["address"].as_str().unwrap().parse::<SocketAddr>().ok()
        };
        let (public, admin) = loop {
            start.push(serde_json::from_str(&log.next_line().await.unwrap().unwrap()).unwrap());
            if let (Some(public), Some(admin)) =
                (address_of(&start, "browsers"), address_of(&start, "probes and metrics"))
            {
                break (public, admin);
            }
        };
        Self { child, log, public, admin, start, _config: config }
    }

    /// Lets the process open files whose numbers are below this.
    async fn set_open_files(&self, limit: usize) {
        let pid = self.child.id().unwrap().to_string();
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}:")]).status().await.unwrap();
        assert!(set.success());
    }

    /// Leaves the process no file that it could open.
    async fn exhaust(&self) {
        let files = format!("/proc/{}/fd", self.child.id().unwrap());
        let numbers = std::fs::read_dir(files).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
        numbers.sort_unstable();
        // The lowest number that is free.
        let free =
            (0..).zip(&numbers).find(|(expected, number)| expected != *number).map_or(numbers.len(), |(at, _)| at);
        self.set_open_files(free).await;
    }

    async fn metrics(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
        let metrics = client.get(format!("http://{}/metrics", self.admin)).send().await.expect("metrics within 2 s");
        metrics.text().await.unwrap()
    }

    /// A page that asks for a scene. Returns the code of the problem that it gets.
    pub(crate) async fn problem_of_a_page(&self) -> (String, LoginPage) {
        let address = self.public.to_string();
        let connecting = LoginPage::connect(&address, ORIGIN);
        let mut page = timeout(PATIENCE, connecting).await.expect("it doesn't hang").unwrap();
        page.open("demo", None).await.unwrap();
        (frame(&mut page).await.code, page)
    }

    pub(crate) async fn logs(&mut self, text: &str) {
        let said = async { while !self.log.next_line().await.unwrap().unwrap().contains(text) {} };
        timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("it doesn't say: {text}"));
    }
}

#[tokio::test]
async fn a_gateway_accepts_only_as_many_connections_as_it_may_open_files() {
    let gateway = GatewayProcess::start(256).await;
    let lowered = gateway.start.iter().find(|line| line["setting"] == "limits.connections").expect("a warning");
    assert_eq!((lowered["level"].as_str(), lowered["wanted"].as_u64()), (Some("WARN"), Some(19_000)), "{lowered}");
    assert_eq!((lowered["accepted"].as_u64(), lowered["open_files"].as_u64()), (Some(128), Some(256)), "{lowered}");
    assert_eq!(series_value(&gateway.metrics().await, "scenecast_connections_limit"), Some(128));
    let mut held = vec![];
    for _ in 0..128 {
        held.push(TcpStream::connect(gateway.public).await.unwrap());
    }
    let (code, mut page) = gateway.problem_of_a_page().await;
    assert_eq!(code, "crowded");
    reconnect_delay_ms(&mut page, 1013).await;
    assert!(gateway.metrics().await.contains("turned_away_total{why=\"connections\"} 1"));
}

#[tokio::test]
async fn without_a_free_descriptor_a_gateway_turns_pages_away_and_answers_probes() {
    let mut gateway = GatewayProcess::start(1024).await;
    gateway.exhaust().await;
    for _ in 0..3 {
        let (code, mut page) = gateway.problem_of_a_page().await;
        assert_eq!(code, "crowded");
        reconnect_delay_ms(&mut page, 1013).await;
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("turned_away_total{why=\"descriptors\"} 3"), "{metrics}");
    gateway.logs("raise the limit of open files").await;

    gateway.set_open_files(1024).await;
    let (code, _) = gateway.problem_of_a_page().await;
    assert_eq!(code, "callback_unavailable", "it is served as usual");
}

#[tokio::test]
async fn a_gateway_that_may_open_hardly_any_files_does_not_start_and_says_why() {
    let config = sample();
    let refused = command(100, config.path()).output().await.unwrap();
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("may open 100 files") && said.contains("ulimit -n"), "{said}");
}
