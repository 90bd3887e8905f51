//! The running cluster, as its administrator sees it.

use std::{collections::BTreeSet, path::PathBuf, process::Output, time::Duration};

use serde_json::Value;
use tokio::{
    net::TcpStream,
    process::Command,
    sync::{Mutex, MutexGuard},
    time::timeout,
};

/// There is one cluster, so one test at a time has it.
static CLUSTER: Mutex<()> = Mutex::const_new(());

/// How long pods may take to be as they should.
const READY: &str = "--timeout=120s";

pub(crate) struct Cluster(#[expect(dead_code, reason = "held for as long as the test runs")] MutexGuard<'static, ()>);

/// A pod that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) address: String,
}

impl Cluster {
    /// The cluster, with the namespace that all overlays have.
    pub(crate) async fn of_this_test() -> Self {
        let cluster = Self(CLUSTER.lock().await);
        cluster.kubectl(&["apply", "-f", &path("base/namespace.yaml")]).await;
        // What a test before it made by hand, and left because it failed.
        cluster.kubectl(&["delete", "pods,services", "--selector=app", "--wait=false"]).await;
        cluster
    }

    /// Applies an overlay, by its folder in `k8s`, and waits until all its pods are ready. Policies and autoscalers of the
    /// overlay before are gone then.
    pub(crate) async fn deploy(&self, overlay: &str) {
        let path = path(overlay);
        let pruned = ["networking.k8s.io/v1/NetworkPolicy", "autoscaling/v2/HorizontalPodAutoscaler"];
        let [policies, autoscalers] = pruned.map(|kind| format!("--prune-allowlist={kind}"));
        let ours = "--selector=app.kubernetes.io/part-of=scenecast";
        self.kubectl(&["apply", "-k", &path, "--prune", &policies, &autoscalers, ours]).await;
        self.rolled_out().await;
    }

    /// Waits until all Deployments are as they should be.
    pub(crate) async fn rolled_out(&self) {
        self.kubectl(&["rollout", "status", "deployment", READY]).await;
    }

    /// What `kubectl` says in the namespace of Scenecast. Panics if it fails.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments).await;
        let refused = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {}: {refused}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, for what may fail.
    pub(crate) async fn try_kubectl(&self, arguments: &[&str]) -> Output {
        Command::new("kubectl").args(["--namespace", "scenecast"]).args(arguments).output().await.unwrap()
    }

    /// What `kubectl get` finds, as JSON.
    pub(crate) async fn get(&self, arguments: &[&str]) -> Value {
        let found = self.kubectl(&[&["get", "--output=json"], arguments].concat()).await;
        serde_json::from_str(&found).unwrap()
    }

    /// The pods of a Deployment that don't end.
    pub(crate) async fn pods(&self, name: &str) -> Vec<Pod> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pod = |pod: &Value| Pod { name: text(&pod["metadata"]["name"]), address: text(&pod["status"]["podIP"]) };
        self.running(name).await.iter().map(pod).collect()
    }

    /// The nodes on which these pods are.
    pub(crate) async fn nodes_of(&self, name: &str) -> BTreeSet<String> {
        self.running(name).await.iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap().to_owned()).collect()
    }

    /// The pods of a Deployment that run and don't end, as Kubernetes describes them.
    async fn running(&self, name: &str) -> Vec<Value> {
        let selector = format!("--selector=app.kubernetes.io/name={name}");
        let found = self.get(&["pods", "--field-selector=status.phase=Running", &selector]).await;
        let pods = found["items"].as_array().unwrap().iter();
        pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).cloned().collect()
    }

    /// The pods of gateways and callbacks that don't end.
    pub(crate) async fn fleet_pods(&self) -> Vec<Pod> {
        [self.pods("scenecast-gateway").await, self.pods("scenecast-callback").await].concat()
    }

    /// The images that the containers of a Deployment are to have.
    pub(crate) async fn images(&self, name: &str) -> Vec<String> {
        let deployment = self.get(&["deployment", name]).await;
        let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap().clone();
        containers.iter().map(|container| container["image"].as_str().unwrap().to_owned()).collect()
    }

    /// Gives an image a second name on every node.
    pub(crate) async fn tag_image(&self, image: &str, name: &str) {
        for node in self.get(&["nodes"]).await["items"].as_array().unwrap() {
            let socket = format!("/run/{}/containerd.sock", node["metadata"]["name"].as_str().unwrap());
            let [image, name] = [image, name].map(|name| format!("docker.io/library/{name}"));
            let tagged = Command::new("ctr")
                .args(["-a", &socket, "-n", "k8s.io", "images", "tag", "--force", &image, &name])
                .output()
                .await
                .unwrap();
            assert!(tagged.status.success(), "{}", String::from_utf8_lossy(&tagged.stderr));
        }
    }

    /// The sum of a pod's metric over its labels.
    pub(crate) async fn metric(&self, pod: &Pod, admin_port: u16, name: &str) -> f64 {
        let url = format!("http://{}:{admin_port}/metrics", pod.address);
        // A pod may end while it is asked.
        let Ok(response) = reqwest::get(url).await else { return 0.0 };
        let text = response.text().await.unwrap_or_default();
        let is_it = |line: &&str| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "));
        let value = |line: &str| line.rsplit_once(' ')?.1.parse::<f64>().ok();
        text.lines().filter(is_it).filter_map(value).sum()
    }

    /// The same metric of several callbacks.
    pub(crate) async fn counts(&self, callbacks: &[Pod], name: &str) -> Vec<f64> {
        let mut counts = vec![];
        for pod in callbacks {
            counts.push(self.metric(pod, 9081, name).await);
        }
        counts
    }

    /// How many replicas an autoscaler or a person wants of a Deployment.
    pub(crate) async fn replicas(&self, name: &str) -> u64 {
        self.get(&["deployment", name]).await["spec"]["replicas"].as_u64().unwrap()
    }
}

/// A file or folder in `k8s`.
pub(crate) fn path(in_k8s: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(in_k8s).display().to_string()
}

/// Whether a connection from beside the nodes is accepted within a second.
pub(crate) async fn accepts(address: &str, port: u16) -> bool {
    matches!(timeout(Duration::from_secs(1), TcpStream::connect((address, port))).await, Ok(Ok(_)))
}
