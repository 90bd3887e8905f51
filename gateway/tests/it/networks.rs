//! The networks in which a gateway process listens on all addresses: with IPv6 apart from IPv4, and without IPv6.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    descriptors::{command, sample},
    fixtures::PATIENCE,
};

/// Runs a program in a network of its own, in which one kernel parameter is 1.
const IN_OWN_NETWORK: &str = r#"ip link set lo up && echo 1 >"/proc/sys/net/ipv6/$1" && shift && exec "$@""#;

#[tokio::test]
async fn all_addresses_are_reached_by_ipv4_whatever_the_machine_has_of_ipv6() {
    let config = sample();
    for parameter in ["bindv6only", "conf/all/disable_ipv6"] {
        let gateway = command(1024, config.path());
        let gateway = gateway.as_std();
        let mut process = Command::new("unshare");
        process.args(["--map-root-user", "--net", "sh", "-c", IN_OWN_NETWORK, "sh", parameter]);
        process.arg(gateway.get_program()).args(gateway.get_args());
        process.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
        process.env("SCENECAST_LISTEN__PUBLIC", "[::]:8080").env("SCENECAST_LISTEN__ADMIN", "[::]:9090");
        let mut process = process.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();

        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let serves = async {
            while let Some(line) = log.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{parameter}: {line}"));
                if line["clients"] == "probes and metrics" {
                    return;
                }
            }
            panic!("{parameter}: the process has ended");
        };
        timeout(PATIENCE, serves).await.expect("a process that serves");
        let pid = process.id().unwrap().to_string();
        let mut healthcheck = Command::new("nsenter");
        healthcheck.args(["--user", "--preserve-credentials", "--net", "--target", &pid]);
        healthcheck.arg(gateway.get_program()).args(gateway.get_args()).arg("healthcheck");
        healthcheck.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
        healthcheck.env("SCENECAST_LISTEN__ADMIN", "[::]:9090");
        assert!(healthcheck.status().await.unwrap().success(), "{parameter}");
    }
}
