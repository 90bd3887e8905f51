//! The networks in which a gateway process listens on all addresses: with IPv6 apart from IPv4, without IPv6, and without
//! IPv4.

use std::{path::Path, process::Stdio};

use scenecast_testing::until;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    descriptors::{command, sample},
    fixtures::{ORIGIN, PATIENCE},
};

/// Runs a program in a network of its own, after a change of it.
const IN_OWN_NETWORK: &str = r#"ip link set lo up && eval "$1" && shift && exec "$@""#;
/// Sends a request by IPv6 to a port, and prints the answer.
const ASK: &str = r#"exec 3<>/dev/tcp/::1/$0 && printf '%b' "$1" >&3 && cat <&3"#;

/// A gateway process that serves in a network of its own.
struct GatewayInNetwork {
    process: Child,
    command: Command,
}

impl GatewayInNetwork {
    /// The network is changed by this shell command. Redis and callback are where the environment says.
    async fn start(change: &str, config: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = command(1024, config);
        command.env("SCENECAST_LISTEN__PUBLIC", "[::]:8080").env("SCENECAST_LISTEN__ADMIN", "[::]:9090");
        command.envs(env.iter().copied());
        let gateway = command.as_std();
        let mut process = Command::new("unshare");
        process.args(["--map-root-user", "--net", "sh", "-c", IN_OWN_NETWORK, "sh", change]);
        process.arg(gateway.get_program()).args(gateway.get_args());
        process.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut process = process.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let serves = async {
            while let Some(line) = log.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{change}: {line}"));
                if line["clients"] == "probes and metrics" {
                    return;
                }
            }
            panic!("{change}: the process has ended");
        };
        timeout(PATIENCE, serves).await.expect("a process that serves");
        // What it says from now on is read, so that it isn't stopped by a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { process, command }
    }

    /// Runs a program beside it.
    fn beside(&self, program: &str) -> Command {
        let mut beside = Command::new("nsenter");
        let pid = self.process.id().unwrap().to_string();
        beside.args(["--user", "--preserve-credentials", "--net", "--target", &pid, program]).kill_on_drop(true);
        beside
    }

    async fn is_healthy(&self) -> bool {
        let gateway = self.command.as_std();
        let mut healthcheck = self.beside(gateway.get_program().to_str().unwrap());
        healthcheck.args(gateway.get_args()).arg("healthcheck");
        healthcheck.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
        healthcheck.status().await.unwrap().success()
    }

    /// The answer to a request by IPv6.
    async fn answer(&self, port: u16, request: &str) -> String {
        let output = self.beside("bash").args(["-c", ASK, &port.to_string(), request]).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[tokio::test]
async fn all_addresses_are_reached_by_ipv4_whatever_the_machine_has_of_ipv6() {
    let config = sample();
    for parameter in ["bindv6only", "conf/all/disable_ipv6"] {
        let change = format!("echo 1 >/proc/sys/net/ipv6/{parameter}");
        assert!(GatewayInNetwork::start(&change, config.path(), &[]).await.is_healthy().await, "{parameter}");
    }
}

#[tokio::test]
async fn where_there_is_no_ipv4_pages_redis_and_callbacks_are_reached_by_ipv6() {
    let config = sample();
    let away = [("SCENECAST_BUS__URL", "redis://[::1]:6379"), ("SCENECAST_CALLBACK__URL", "http://[::1]:9")];
    let gateway = GatewayInNetwork::start("ip address del 127.0.0.1/8 dev lo", config.path(), &away).await;
    let mut redis = gateway.beside("redis-server");
    redis.args(["--bind", "::1", "--port", "6379", "--save", ""]).stdout(Stdio::null());
    let _redis = redis.spawn().unwrap();

    let end = r"Host: h\r\nConnection: close\r\n";
    let module = gateway.answer(8080, &format!(r"GET /v1/scenecast.js HTTP/1.1\r\n{end}\r\n")).await;
    assert!(module.starts_with("HTTP/1.1 200 "), "{module}");
    let open = format!(
        r#"POST /v1/scenes HTTP/1.1\r\n{end}Origin: {ORIGIN}\r\nContent-Length: 18\r\n\r\n{{"account":"demo"}}"#
    );
    let opened = gateway.answer(8080, &open).await;
    assert!(opened.starts_with("HTTP/1.1 503 ") && opened.contains("callback_unavailable"), "{opened}");
    let metrics = format!(r"GET /metrics HTTP/1.1\r\n{end}\r\n");
    for connection in ["commands", "subscriptions"] {
        let up = format!("scenecast_redis_connected{{connection=\"{connection}\"}} 1\n");
        until(&up, async || gateway.answer(9090, &metrics).await.contains(&up)).await;
    }
}
