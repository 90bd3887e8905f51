//! Every drill that breaks a Kubernetes.

use futures_util::future::LocalBoxFuture;

use super::{
    cluster::{CALLBACKS, GATEWAYS, KubernetesCluster, Need},
    kubectl::ClusterCommandError,
};
use crate::drills::report::DrillCheck;

/// What a fault did to the cluster, beside logins.
pub(super) type FaultResult = Result<Vec<DrillCheck>, ClusterCommandError>;

/// A drill at a Kubernetes that somebody else runs.
pub struct KubernetesDrill {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it proves.
    pub proves: &'static str,
    /// What the operator has to say for it.
    pub(super) needs: Option<Need>,
    pub(super) fault: for<'a> fn(&'a KubernetesCluster) -> LocalBoxFuture<'a, FaultResult>,
}

/// All drills of Kubernetes, in the order in which `all` runs them.
pub static KUBERNETES_DRILLS: [KubernetesDrill; 7] = [
    KubernetesDrill {
        name: "rollout",
        proves: "Both Deployments are restarted with `kubectl rollout restart`, as for a new release: each pod drains, and no \
                 login is lost.",
        needs: None,
        fault: |cluster| Box::pin(async { cluster.restart().await.map(|()| vec![]) }),
    },
    KubernetesDrill {
        name: "overlay",
        proves: "An overlay is applied to the running fleet: another image, another ConfigMap, NetworkPolicies.",
        needs: Some(Need::Overlay),
        fault: |cluster| Box::pin(async { cluster.apply_overlay().await.map(|()| vec![]) }),
    },
    KubernetesDrill {
        name: "pod-deletion",
        proves: "A gateway and a callback are deleted with a grace of 0: pages reconnect at the other gateways, and WeChat \
                 delivers again to another callback.",
        needs: None,
        fault: |cluster| {
            Box::pin(async {
                cluster.kill_pod_of(GATEWAYS).await?;
                cluster.kill_pod_of(CALLBACKS).await?;
                cluster.rolled_out().await.map(|()| vec![])
            })
        },
    },
    KubernetesDrill {
        name: "node-drain",
        proves: "A node is drained for maintenance: its pods leave one by one, as their PodDisruptionBudgets say.",
        needs: None,
        fault: |cluster| {
            Box::pin(async {
                let node = cluster.node().await?;
                cluster.drain(&node).await.map(|()| vec![])
            })
        },
    },
    KubernetesDrill {
        name: "node-loss",
        proves: "A node vanishes, and comes back: nobody tells its pods or Kubernetes before.",
        needs: Some(Need::LostNode),
        fault: |cluster| {
            Box::pin(async {
                let node = cluster.node().await?;
                let lost = cluster.lose(&node).await;
                cluster.bring_back(&node).await?;
                lost.map(|()| vec![])
            })
        },
    },
    KubernetesDrill {
        name: "redis-move",
        proves: "Redis's pod is replaced by one with another address, which has the same data.",
        needs: None,
        fault: |cluster| {
            Box::pin(async {
                let [before, after] = cluster.move_redis().await?;
                let what = format!("Redis has another address: {before} before, {after} after");
                Ok(vec![DrillCheck { what, holds: before != after }])
            })
        },
    },
    KubernetesDrill {
        name: "proxy-reload",
        proves: "The proxy before the gateways is reloaded while pages are connected through it.",
        needs: Some(Need::Proxy),
        fault: |cluster| Box::pin(async { cluster.reload_proxy().await.map(|()| vec![]) }),
    },
];
