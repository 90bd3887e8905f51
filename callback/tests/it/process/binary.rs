//! The binary: it starts without Redis, answers its probes, and ends on SIGTERM.

use std::{
    io::Write,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use scenecast_scene::{Rotating, internal};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::world::{API_KEY, INTERNAL, LIFE, SECRET, TOKEN, assert_no_secrets, new_scene, opening, unix_now};

/// The one of the other tests is the simulator's published one, which is refused for WeChat itself.
const OWN_AES_KEY: &str = "hgfedcbaijklmnopqrstuvwxyz0123456789ABCDEFG";

pub(crate) fn binary(config: &Path, command: &str) -> Command {
    let mut binary = Command::new(env!("CARGO_BIN_EXE_scenecast-callback"));
    binary.arg(command).arg("--config").arg(config).env_clear().kill_on_drop(true);
    binary.env("SCENECAST_INTERNAL_SECRET__CURRENT", INTERNAL);
    binary.env("SCENECAST_ACCOUNTS__DEMO__SECRET", SECRET);
    binary.env("SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT", TOKEN);
    binary.env("SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT", OWN_AES_KEY);
    binary.env("SCENECAST_API_KEYS__SHOP__KEY__CURRENT", API_KEY);
    binary
}

/// The sample configuration, on free ports, with a Redis that isn't there.
pub(crate) fn sample(change: impl Fn(String) -> String) -> tempfile::NamedTempFile {
    let sample = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("callback.toml")).unwrap();
    let sample = ["[::]:8081", "[::]:8082", "[::]:9081"]
        .into_iter()
        .fold(sample, |text, address| text.replace(address, "127.0.0.1:0"))
        .replace("127.0.0.1:6379", "127.0.0.1:1")
        .replace("notice = 3 ", "notice = 0 ");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(change(sample).as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn the_process_lives_without_redis_and_ends_on_sigterm() {
    for threads in [1, 2] {
        live_and_end(&format!("threads = {threads}")).await;
    }
}

async fn live_and_end(threads: &str) {
    let with_threads = |sample: String| sample.replace("threads = 1", threads);
    let file = sample(with_threads);
    let mut process = binary(file.path(), "serve").stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let listens = loop {
        let line = log.next_line().await.unwrap().unwrap();
        assert_no_secrets(&line);
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "accepting connections" && line["clients"] == "probes and metrics" {
            break line;
        }
    };
    let admin = listens["address"].as_str().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = http.get(format!("http://{admin}{path}")).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
        assert_no_secrets(&answer.text().await.unwrap());
    }
    let port = admin.rsplit(':').next().unwrap();
    let admin = format!("admin = \"127.0.0.1:{port}\"");
    let same = sample(|sample| with_threads(sample).replace("admin = \"127.0.0.1:0\"", &admin));
    assert!(binary(same.path(), "healthcheck").status().await.unwrap().success());
    // A file that is broken by now, or no TOML, and secrets that only the process has, say nothing of its health.
    for broken in ["\n[accounts.new]\n", "\n[accounts.new\n"] {
        let broken = sample(|sample| with_threads(sample).replace("admin = \"127.0.0.1:0\"", &admin) + broken);
        assert!(binary(broken.path(), "healthcheck").env_clear().status().await.unwrap().success());
    }
    // Nor does a file that is gone, where a variable says what it said.
    let mut gone = binary(Path::new("gone.toml"), "healthcheck");
    let refused = gone.output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.starts_with("warning: gone.toml: ") && said.contains("not healthy: "), "{said}");
    assert!(gone.env("SCENECAST_LISTEN__ADMIN", format!("127.0.0.1:{port}")).status().await.unwrap().success());

    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
    assert!(process.wait().await.unwrap().success());
    assert!(!binary(same.path(), "healthcheck").stderr(Stdio::null()).status().await.unwrap().success());
}

#[tokio::test]
async fn a_callback_that_may_open_few_files_accepts_fewer_connections_and_says_so() {
    let file = sample(|sample| sample);
    let limited = |files: u32| {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]).kill_on_drop(true);
        let callback = binary(file.path(), "serve");
        let callback = callback.as_std();
        limited.arg(callback.get_program()).args(callback.get_args()).env_clear();
        limited.envs(callback.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited.stderr(Stdio::piped());
        limited
    };
    let mut process = limited(256).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let lowered = loop {
        let line: Value = serde_json::from_str(&log.next_line().await.unwrap().unwrap()).unwrap();
        if line["setting"] == "limits.connections" {
            break line;
        }
    };
    // Each of its two listeners accepts so many.
    assert_eq!((lowered["accepted"].as_u64(), lowered["open_files"].as_u64()), (Some(64), Some(256)), "{lowered}");
    assert_eq!(limited(100).output().await.unwrap().status.code(), Some(64));
}

#[tokio::test]
async fn a_bad_configuration_stops_the_start_and_the_error_names_it() {
    let good = binary(sample(|sample| sample).path(), "check-config").output().await.unwrap();
    assert!(good.status.success());
    let memory = sample(|sample| sample.replace("redis://127.0.0.1:1", "memory:"));
    for command in ["check-config", "serve"] {
        let refused = binary(memory.path(), command).output().await.unwrap();
        assert_eq!(refused.status.code(), Some(64));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("bus.url") && said.contains("runs in one process"), "{said}");
    }
}

#[tokio::test]
async fn a_probable_mistake_is_told_by_check_config_and_in_the_log() {
    let file = sample(|sample| sample.replace("wx0123456789abcdef", "wx0123456789abcde"));
    let named = "accounts.demo.app_id";
    let checked = binary(file.path(), "check-config").output().await.unwrap();
    let warnings = String::from_utf8(checked.stderr).unwrap();
    assert!(checked.status.success() && warnings.contains(&format!("warning: {named}: ")), "{warnings}");
    assert!(String::from_utf8(checked.stdout).unwrap().contains("can be used; mind the warnings"));

    let mut process = binary(file.path(), "serve").stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    loop {
        let line = log.next_line().await.unwrap().expect("the log ended without the warning");
        assert_no_secrets(&line);
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["setting"] == named {
            assert_eq!(line["level"], "WARN");
            break;
        }
    }
}

#[tokio::test]
async fn a_wrong_api_key_and_lost_traces_have_a_line_and_the_exit_does_not_wait_for_a_silent_collector() {
    let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = sample(|sample| sample);
    let mut process = binary(file.path(), "serve");
    process.env("SCENECAST_TELEMETRY__OTLP_ENDPOINT", format!("http://{}", collector.local_addr().unwrap()));
    process.env("SCENECAST_TELEMETRY__TRACE_SHARE", "1").env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let mut process = process.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut next_line = async || {
        let line = tokio::time::timeout(Duration::from_secs(20), log.next_line()).await.expect("a line in time");
        let line = line.unwrap().expect("the log goes on");
        assert_no_secrets(&line);
        assert!(!line.contains("of-the-shop"), "{line}");
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let mut addresses = std::collections::BTreeMap::new();
    while addresses.len() < 3 {
        let line = next_line().await;
        if line["message"] == "accepting connections" {
            let [clients, address] = ["clients", "address"].map(|field| line[field].as_str().unwrap().to_owned());
            addresses.insert(clients, address);
        }
    }
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let redeem = format!("http://{}/v1/redeem", addresses["gateways and sites"]);
    for authorization in [format!("Bearer \"{API_KEY}\""), "Bearer another-key-of-the-shop".to_owned()] {
        let answer = http.post(&redeem).header("authorization", authorization).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
    let said = loop {
        let line = next_line().await;
        if line["message"].as_str().unwrap().contains("it has no valid API key") {
            break line["why"].as_str().unwrap().to_owned();
        }
    };
    assert!(said.contains("quotation marks"), "{said}");
    // A gateway opens a scene whose login is traced. Redis is away.
    let open_traced = async || {
        let scene = opening(new_scene("demo"), "demo", LIFE).to_string();
        let signature = internal::sign(&Rotating::fixed(INTERNAL), unix_now(), internal::OPEN_PATH, scene.as_bytes());
        let url = format!("http://{}{}", addresses["gateways and sites"], internal::OPEN_PATH);
        let call = http.post(url).header(internal::HEADER, signature).body(scene);
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(call.header("traceparent", trace).send().await.unwrap().status(), 503);
    };
    open_traced().await;
    drop(collector.accept().await.unwrap());
    while !next_line().await["message"].as_str().unwrap().contains("traces are lost until the log says otherwise") {}

    // The next batch is on its way when the process ends, and is never answered.
    open_traced().await;
    let _silent = collector.accept().await.unwrap();
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
    while next_line().await["message"] != "shutting down: every connection has ended" {}
    let exit = Instant::now();
    assert!(process.wait().await.unwrap().success());
    assert!(exit.elapsed().as_secs() < 4, "{:?}", exit.elapsed());
}
