//! What a pod reaches, as its own programs would: pods of ours have no shell that could be asked.

use serde_json::Value;
use tokio::process::Command;

use crate::cluster::Cluster;

/// The network of a pod that runs.
pub(crate) struct PodNetwork {
    /// A process in it.
    process: String,
}

impl PodNetwork {
    /// That of this pod.
    pub(crate) async fn of(cluster: &Cluster, namespace: &str, pod: &str) -> Self {
        let found = cluster.get(&["pod", pod, "--namespace", namespace]).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let socket = format!("/run/{}/containerd.sock", text(&found["spec"]["nodeName"]));
        let container = text(&found["status"]["containerStatuses"][0]["containerID"]);
        let container = container.trim_start_matches("containerd://");
        let listed = Command::new("ctr").args(["-a", &socket, "-n", "k8s.io", "tasks", "list"]).output().await.unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let line = listed.lines().find(|line| line.starts_with(container)).unwrap_or_else(|| panic!("{pod}: {listed}"));
        Self { process: line.split_whitespace().nth(1).unwrap().to_owned() }
    }

    /// Whether a connection from this pod is accepted within a second.
    pub(crate) async fn reaches(&self, address: &str, port: u16) -> bool {
        let network = format!("--net=/proc/{}/ns/net", self.process);
        let to = format!("TCP4:{address}:{port},connect-timeout=1");
        let ended =
            Command::new("nsenter").args([&network, "socat", "-u", "OPEN:/dev/null", &to]).output().await.unwrap();
        ended.status.success()
    }
}
