//! A Scenecast in Kubernetes: what its operator tells of it, and what drills do to it.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use clap::Args;

use super::kubectl::{ClusterCommandError, Kubectl, run_in_shell};

/// The Deployments of `k8s/`. Their pods have the same names as labels.
pub(super) const GATEWAYS: &str = "scenecast-gateway";
pub(super) const CALLBACKS: &str = "scenecast-callback";

/// How often a drill asks for something that it waits for.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The time limit for a pod or a node that goes away or comes back.
const CHANGED_WITHIN: Duration = Duration::from_secs(5 * 60);

/// How drills reach Kubernetes, and what they need to know of the cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct KubernetesOptions {
    /// The namespace of gateways and callbacks
    #[arg(long, default_value = "scenecast")]
    namespace: String,
    /// The context in the kubeconfig, if it isn't the current one
    #[arg(long)]
    context: Option<String>,
    /// Which pods are Redis, for `redis-move`. They must keep their data when they move
    #[arg(long, value_name = "SELECTOR", default_value = "app.kubernetes.io/name=scenecast-redis")]
    redis: String,
    /// The overlay that `overlay` applies
    #[arg(long, value_name = "FOLDER")]
    overlay: Option<PathBuf>,
    /// The node for `node-drain` and `node-loss`, if it isn't to be chosen: one with a gateway and without Redis
    #[arg(long)]
    node: Option<String>,
    /// A shell command that takes the node `$1` off the network or its power, for `node-loss`
    #[arg(long, value_name = "COMMAND", requires = "return_node")]
    lose_node: Option<String>,
    /// A shell command that brings the node `$1` back, for `node-loss`
    #[arg(long, value_name = "COMMAND", requires = "lose_node")]
    return_node: Option<String>,
    /// A shell command that reloads the proxy before the gateways, for `proxy-reload`
    #[arg(long, value_name = "COMMAND")]
    reload_proxy: Option<String>,
}

/// What only the operator knows how to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Overlay,
    LostNode,
    Proxy,
}

/// A Scenecast in Kubernetes.
pub(super) struct KubernetesCluster {
    kubectl: Kubectl,
    options: KubernetesOptions,
}

impl KubernetesCluster {
    pub(super) fn new(options: KubernetesOptions) -> Self {
        let kubectl = Kubectl { namespace: options.namespace.clone(), context: options.context.clone() };
        Self { kubectl, options }
    }

    /// Restarts all pods as a new release does.
    pub(super) async fn restart(&self) -> Result<(), ClusterCommandError> {
        self.kubectl.run(&["rollout", "restart", "deployment", GATEWAYS, CALLBACKS]).await?;
        self.rolled_out().await
    }

    /// Waits until both Deployments have as many ready pods of their latest template as they want.
    pub(super) async fn rolled_out(&self) -> Result<(), ClusterCommandError> {
        for deployment in [GATEWAYS, CALLBACKS] {
            self.kubectl.run(&["rollout", "status", "deployment", deployment, "--timeout=30m"]).await?;
        }
        Ok(())
    }

    /// Applies the operator's overlay.
    pub(super) async fn apply_overlay(&self) -> Result<(), ClusterCommandError> {
        let overlay = self.options.overlay.as_deref().ok_or(Need::Overlay.missing())?;
        self.kubectl.run(&["apply", "--kustomize", &overlay.to_string_lossy()]).await?;
        self.rolled_out().await
    }

    /// Deletes one pod of this Deployment without any grace.
    pub(super) async fn kill_pod_of(&self, deployment: &str) -> Result<(), ClusterCommandError> {
        let pods = self.kubectl.run(&["get", "pods", "--selector", &selector(deployment), "--output=name"]).await?;
        let pod = pods.lines().next().ok_or_else(|| nothing(format!("{deployment} has no pod")))?;
        self.kubectl.run(&["delete", pod, "--grace-period=0", "--force"]).await.map(drop)
    }

    /// The node that is to be broken.
    pub(super) async fn node(&self) -> Result<String, ClusterCommandError> {
        if let Some(node) = &self.options.node {
            return Ok(node.clone());
        }
        let gateways = self.nodes_of(&selector(GATEWAYS)).await?;
        let redis = self.nodes_of(&self.options.redis).await?;
        let without_redis = gateways.difference(&redis).next().cloned();
        without_redis
            .ok_or_else(|| nothing("each node with a gateway has Redis, too: choose one with --node".to_owned()))
    }

    /// Evicts all pods of a node as a maintenance does, lets them settle elsewhere, and opens the node again.
    pub(super) async fn drain(&self, node: &str) -> Result<(), ClusterCommandError> {
        let drained = self
            .kubectl
            .run(&["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=30m"])
            .await
            .map(drop);
        let settled = if drained.is_ok() { self.rolled_out().await } else { Ok(()) };
        self.kubectl.run(&["uncordon", node]).await?;
        drained.and(settled)
    }

    /// Lets a node vanish, and waits until Kubernetes has noticed.
    pub(super) async fn lose(&self, node: &str) -> Result<(), ClusterCommandError> {
        run_in_shell(given(self.options.lose_node.as_deref(), Need::LostNode)?, node).await?;
        self.wait_for_node(node, false).await
    }

    /// Brings a lost node back, and waits until it is ready.
    pub(super) async fn bring_back(&self, node: &str) -> Result<(), ClusterCommandError> {
        run_in_shell(given(self.options.return_node.as_deref(), Need::LostNode)?, node).await?;
        self.wait_for_node(node, true).await?;
        self.rolled_out().await
    }

    /// Deletes Redis's pod, and waits for the one that replaces it. Answers the addresses of both.
    pub(super) async fn move_redis(&self) -> Result<[String; 2], ClusterCommandError> {
        let redis = self.options.redis.as_str();
        let before = self.ready_address(redis).await?;
        let before = before.ok_or_else(|| nothing(format!("no pod with {redis} is ready: name Redis with --redis")))?;
        self.kubectl.run(&["delete", "pods", "--selector", redis]).await?;
        let mut after = None;
        wait_until("a new pod of Redis is ready", async || {
            after = self.ready_address(redis).await?;
            Ok(after.is_some())
        })
        .await?;
        Ok([before, after.unwrap_or_default()])
    }

    /// Reloads the proxy before the gateways.
    pub(super) async fn reload_proxy(&self) -> Result<(), ClusterCommandError> {
        run_in_shell(given(self.options.reload_proxy.as_deref(), Need::Proxy)?, "").await
    }

    async fn nodes_of(&self, selector: &str) -> Result<BTreeSet<String>, ClusterCommandError> {
        let path = "--output=jsonpath={range .items[*]}{.spec.nodeName}{\"\\n\"}{end}";
        let nodes = self.kubectl.run(&["get", "pods", "--selector", selector, path]).await?;
        Ok(nodes.lines().filter(|node| !node.is_empty()).map(str::to_owned).collect())
    }

    /// The address of the pod with these labels that is ready and not about to end.
    async fn ready_address(&self, selector: &str) -> Result<Option<String>, ClusterCommandError> {
        let path = "--output=jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status}|\
                    {.metadata.deletionTimestamp}|{.status.podIP}{\"\\n\"}{end}";
        let pods = self.kubectl.run(&["get", "pods", "--selector", selector, path]).await?;
        Ok(pods.lines().find_map(|pod| pod.strip_prefix("True||")).map(str::to_owned))
    }

    async fn wait_for_node(&self, node: &str, ready: bool) -> Result<(), ClusterCommandError> {
        let path = "--output=jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
        let what = format!("node {node} is {}", if ready { "ready" } else { "not ready" });
        wait_until(&what, async || Ok((self.kubectl.run(&["get", "node", node, path]).await? == "True") == ready)).await
    }
}

impl KubernetesOptions {
    pub(super) fn meets(&self, need: Need) -> bool {
        match need {
            Need::Overlay => self.overlay.is_some(),
            Need::LostNode => self.lose_node.is_some(),
            Need::Proxy => self.reload_proxy.is_some(),
        }
    }
}

impl Need {
    fn missing(self) -> ClusterCommandError {
        ClusterCommandError::OptionMissing(self.options())
    }

    /// The options that say it.
    pub(super) fn options(self) -> &'static str {
        match self {
            Self::Overlay => "--overlay",
            Self::LostNode => "--lose-node and --return-node",
            Self::Proxy => "--reload-proxy",
        }
    }
}

fn given(option: Option<&str>, need: Need) -> Result<&str, ClusterCommandError> {
    option.ok_or(need.missing())
}

fn selector(deployment: &str) -> String {
    format!("app.kubernetes.io/name={deployment}")
}

fn nothing(what: String) -> ClusterCommandError {
    ClusterCommandError::NothingToBreak(what)
}

async fn wait_until(
    what: &str,
    mut so: impl AsyncFnMut() -> Result<bool, ClusterCommandError>,
) -> Result<(), ClusterCommandError> {
    let waiting = async {
        while !so().await? {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    };
    let not_so = || ClusterCommandError::NotSo { what: what.to_owned(), minutes: CHANGED_WITHIN.as_secs() / 60 };
    tokio::time::timeout(CHANGED_WITHIN, waiting).await.unwrap_or_else(|_| Err(not_so()))
}
