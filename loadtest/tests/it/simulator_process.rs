//! The simulator as a process.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// The command with the sample configuration, and with these environment variables.
fn simulator(changes: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scenecast-loadtest"));
    command.args(["simulator", "--config", concat!(env!("CARGO_MANIFEST_DIR"), "/simulator/simulator.toml")]);
    command.env_clear().envs(changes.iter().copied()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_process_serves_until_sigterm() {
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
async fn the_process_does_not_start_with_a_bad_configuration_and_names_it() {
    let output = simulator(&[("SCENECAST_PUBLIC_URL", "here")]).output().await.unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("public_url"), "{error}");
}
