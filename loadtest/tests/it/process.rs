//! The simulator as a process.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// The sample configuration with changes by environment.
fn simulator(changes: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
    command.args(["simulator", "--config", concat!(env!("CARGO_MANIFEST_DIR"), "/simulator.toml")]);
    command.env_clear().envs(changes.iter().copied()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_process_serves_until_it_is_told_to_end() {
    let any_port = [("SCENECAST_LISTEN__PUBLIC", "127.0.0.1:0"), ("SCENECAST_LISTEN__ADMIN", "127.0.0.1:0")];
    let mut process = simulator(&any_port).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut address = async || {
        let line: Value = serde_json::from_str(&log.next_line().await.unwrap().unwrap()).unwrap();
        line["address"].as_str().unwrap().to_owned()
    };
    let [public, admin] = [address().await, address().await];

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (address, path) in [(&public, "/sim/faults"), (&admin, "/readyz"), (&admin, "/metrics")] {
        let url = format!("http://{address}{path}");
        assert!(http.get(url).send().await.unwrap().status().is_success(), "{path}");
    }

    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
    assert!(process.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_bad_configuration_stops_the_start_and_is_named() {
    let output = simulator(&[("SCENECAST_PUBLIC_URL", "here")]).output().await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("public_url"), "{said}");
}
