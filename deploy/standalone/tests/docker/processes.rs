//! A container's process: it starts, is healthy, says what is wrong, and ends.

use std::{fs::OpenOptions, io::Write, net::SocketAddr};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::docker::{Container, docker, image, root};

const SECRETS_OF_A_GATEWAY: [&str; 2] = [
    "SCENECAST_KEY_SECRET__CURRENT=a-key-secret-for-tests",
    "SCENECAST_INTERNAL_SECRET__CURRENT=an-internal-secret-for-tests",
];

/// Options that set these variables.
fn variables(all: &[&str]) -> Vec<String> {
    all.iter().map(|variable| format!("--env={variable}")).collect()
}

/// What a gateway needs, of which Redis and callback are away.
fn of_a_gateway() -> Vec<String> {
    let settings = [
        "SCENECAST_BUS__URL=redis://127.0.0.1:1",
        "SCENECAST_CALLBACK__URL=http://127.0.0.1:1",
        "SCENECAST_ORIGINS=https://www.example.com",
        "SCENECAST_DRAIN__NOTICE=0",
    ];
    variables(&[settings.as_slice(), &SECRETS_OF_A_GATEWAY].concat())
}

fn of_a_callback() -> Vec<String> {
    variables(&[
        "SCENECAST_BUS__URL=redis://127.0.0.1:1",
        "SCENECAST_INTERNAL_SECRET__CURRENT=an-internal-secret-for-tests",
        "SCENECAST_ACCOUNTS__DEMO__APP_ID=wx0123456789abcdef",
        "SCENECAST_ACCOUNTS__DEMO__ORIGINAL_ID=gh_0123456789ab",
        "SCENECAST_ACCOUNTS__DEMO__SECRET=an-app-secret-for-tests",
        "SCENECAST_ACCOUNTS__DEMO__TOKEN__CURRENT=aTokenForTests",
        "SCENECAST_ACCOUNTS__DEMO__AES_KEY__CURRENT=hgfedcbaijklmnopqrstuvwxyz0123456789ABCDEFG",
        "SCENECAST_API_KEYS__SHOP__KEY__CURRENT=an-api-key-for-tests",
        "SCENECAST_API_KEYS__SHOP__ACCOUNTS=demo",
        "SCENECAST_DRAIN__NOTICE=0",
    ])
}

/// The lines of a log that have this message.
fn lines(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|text| text.contains(message))).collect()
}

#[tokio::test]
async fn locked_down_as_process_1_it_serves_is_healthy_and_ends_on_sigterm() {
    for (name, options) in [("gateway", of_a_gateway()), ("callback", of_a_callback()), ("standalone", vec![])] {
        let container = Container::start(name, &options, &[]).await;
        container.healthy().await;
        let log = container.log().await;
        assert!(!lines(&log, "the process accepts so many connections").is_empty(), "{name}: {log}");
        container.signal("TERM").await;
        assert_eq!(container.exit_code().await, "0", "{name}: {}", container.log().await);
    }
}

#[tokio::test]
async fn a_sigterm_that_comes_before_the_configuration_is_read_is_not_lost() {
    let directory = TempDir::new().unwrap();
    let pipe = directory.path().join("gateway.toml");
    assert!(Command::new("mkfifo").args(["--mode=644", pipe.to_str().unwrap()]).status().await.unwrap().success());
    let mut options = of_a_gateway();
    options.push(format!("--volume={}:/gateway.toml:ro", pipe.display()));
    let container = Container::start("gateway", &options, &["--config", "/gateway.toml"]).await;
    // This waits until the process reads its configuration, which is the first that it does.
    let mut pipe =
        tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(pipe).unwrap()).await.unwrap();
    container.signal("TERM").await;
    pipe.write_all(b"\n").unwrap();
    drop(pipe);
    assert_eq!(container.exit_code().await, "0", "{}", container.log().await);
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said_by_name_and_the_exit_code_is_64() {
    let secret = "hush-hush-hush-hush";
    let missing = ["is missing; set it in the file, or by SCENECAST_KEY_SECRET"];
    let wrong = ["listen.admin: must be an IP address and a port", "set by SCENECAST_LISTEN__ADMIN"];
    let unknown = ["orgins", "SCENECAST_ORGINS"];
    let no_file = ["/etc/scenecast/gateway.toml: No such file"];
    for (options, expected) in [
        (of_a_gateway().into_iter().filter(|it| !it.contains("KEY_SECRET")).collect::<Vec<_>>(), missing.as_slice()),
        ([of_a_gateway(), variables(&["SCENECAST_LISTEN__ADMIN=hush-hush-hush-hush"])].concat(), &wrong),
        ([of_a_gateway(), variables(&["SCENECAST_ORGINS=hush-hush-hush-hush"])].concat(), &unknown),
        ([of_a_gateway(), variables(&["SCENECAST_CONFIG=/etc/scenecast/gateway.toml"])].concat(), &no_file),
    ] {
        let container = Container::start("gateway", &options, &[]).await;
        assert_eq!(container.exit_code().await, "64");
        let log = container.log().await;
        assert!(expected.iter().all(|text| log.contains(text)) && !log.contains(secret), "{expected:?}: {log}");
    }
}

#[tokio::test]
async fn a_gateway_accepts_as_many_connections_as_its_memory_holds() {
    let mut options = of_a_gateway();
    options.push("--memory=100m".to_owned());
    let container = Container::start("gateway", &options, &[]).await;
    container.healthy().await;
    let log = container.log().await;
    let lowered = lines(&log, "the memory limit is too low for this setting");
    let lowered = lowered.first().unwrap_or_else(|| panic!("no warning: {log}"));
    assert_eq!((lowered["wanted"].as_u64(), lowered["accepted"].as_u64()), (Some(19_000), Some(2_133)), "{lowered}");
    assert_eq!((&lowered["memory_limit_mib"], &lowered["memory_needed_mib"]), (&100.into(), &510.into()), "{lowered}");

    let with_room =
        Container::start("gateway", &[of_a_gateway(), vec!["--memory=512m".to_owned()]].concat(), &[]).await;
    with_room.healthy().await;
    let log = with_room.log().await;
    assert!(lines(&log, "too low for this setting").is_empty(), "{log}");
}

#[tokio::test]
async fn variables_of_links_and_of_services_do_no_harm() {
    let other = Container::start("standalone", &[], &[]).await;
    let mut options = of_a_gateway();
    options.push(format!("--link={}:scenecast-gateway", other.0));
    options.extend(variables(&[
        "SCENECAST_CALLBACK_SERVICE_HOST=10.0.0.1",
        "SCENECAST_CALLBACK_PORT=tcp://10.0.0.1:8081",
        "SCENECAST_CALLBACK_PORT_8081_TCP_ADDR=10.0.0.1",
    ]));
    let container = Container::start("gateway", &options, &[]).await;
    container.healthy().await;
    let log = container.log().await;
    assert!(log.contains("SCENECAST_CALLBACK_PORT"), "it says that it ignores them: {log}");
}

#[tokio::test]
async fn a_machine_whose_kernel_has_no_ipv6_is_served_by_ipv4() {
    let directory = TempDir::new().unwrap();
    let profile = directory.path().join("no-ipv6.json");
    // socket(AF_INET6, …) fails with EAFNOSUPPORT.
    let rules = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{
            "names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97,
            "args": [{ "index": 0, "value": 10, "op": "SCMP_CMP_EQ" }],
        }],
    });
    std::fs::write(&profile, rules.to_string()).unwrap();
    let mut options = of_a_gateway();
    options.push(format!("--security-opt=seccomp={}", profile.display()));
    let container = Container::start("gateway", &options, &[]).await;
    container.healthy().await;
    let log = container.log().await;
    assert_eq!(lines(&log, "this machine has no IPv6").len(), 2, "{log}");
    assert!(log.contains("\"address\":\"0.0.0.0:8080\""), "{log}");
}

#[tokio::test]
async fn standalone_is_reached_from_outside_of_its_container() {
    let ports: Vec<String> = (7300..=7306).map(|port| format!("--publish=127.0.0.1:{port}:{port}")).collect();
    let container = Container::start("standalone", &ports, &[]).await;
    container.healthy().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for port in [7300, 7301, 7305] {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let ready = http.get(format!("http://{address}/readyz")).send().await.unwrap();
        assert!(ready.status().is_success(), "{address}");
    }
    let page = http.get("http://127.0.0.1:7300/").send().await.unwrap();
    let session = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let config = http.get("http://127.0.0.1:7300/config.json").header("cookie", session);
    let config: Value = config.send().await.unwrap().json().await.unwrap();
    assert!(config["gateway"].as_str().unwrap().starts_with("http://127.0.0.1:7301"), "{config}");
}

#[tokio::test]
async fn the_simulator_says_what_it_lacks() {
    let sample = root().join("loadtest/simulator/simulator.toml");
    let volume = format!("{}:/simulator.toml:ro", sample.display());
    let checked = [
        "run",
        "--rm",
        "--volume",
        &volume,
        &image("loadtest"),
        "simulator",
        "--config",
        "/simulator.toml",
        "check-config",
    ];
    assert!(docker(&checked).await.status.success());
    let bare = docker(&["run", "--rm", &image("loadtest"), "simulator"]).await;
    assert_eq!(bare.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&bare.stderr).contains("public_url: is missing"), "{bare:?}");
}
