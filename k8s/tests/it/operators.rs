//! What an operator changes under a running fleet, and what an operator forgets.

use scenecast_testing::until;

use crate::cluster::{Cluster, Pod, path};

const CALLBACK: &str = "scenecast-callback";
const ADMIN: u16 = 9081;

/// Makes this the file of accounts.
async fn set_accounts(cluster: &Cluster, toml: &str) {
    let patch = serde_json::json!({ "stringData": { "accounts.toml": toml } }).to_string();
    cluster.kubectl(&["patch", "secret", "scenecast-accounts", "--patch", &patch]).await;
}

/// Waits until each pod has counted one more of these than before.
async fn each_counts_one_more(cluster: &Cluster, pods: &[Pod], metric: &str, before: &[f64]) {
    for (pod, before) in pods.iter().zip(before) {
        until(&format!("{} counts {metric}", pod.name), async || cluster.metric(pod, ADMIN, metric).await > *before)
            .await;
    }
}

async fn count(cluster: &Cluster, pods: &[Pod], metric: &str) -> Vec<f64> {
    let mut counts = vec![];
    for pod in pods {
        counts.push(cluster.metric(pod, ADMIN, metric).await);
    }
    counts
}

#[tokio::test]
async fn changed_accounts_reach_pods_that_run_and_broken_ones_change_nothing() {
    const TAKEN_OVER: &str = "scenecast_config_reloads_total";
    const REFUSED: &str = "scenecast_config_reload_errors_total";
    let cluster = Cluster::of_this_test().await;
    cluster.deploy("tests/overlays/logins").await;
    let pods = cluster.pods(CALLBACK).await;
    let shipped = std::fs::read_to_string(path("overlays/dev/accounts.toml")).unwrap();
    let (taken_over, refused) = (count(&cluster, &pods, TAKEN_OVER).await, count(&cluster, &pods, REFUSED).await);

    set_accounts(&cluster, &shipped.replace("site = \"Demo\"", "site = \"Another\"")).await;
    each_counts_one_more(&cluster, &pods, TAKEN_OVER, &taken_over).await;
    set_accounts(&cluster, &shipped.replace("mode = \"safe\"", "mode = \"sagfe\"")).await;
    each_counts_one_more(&cluster, &pods, REFUSED, &refused).await;

    assert_eq!(cluster.pods(CALLBACK).await, pods, "no pod was replaced");
    set_accounts(&cluster, &shipped).await;
}

#[tokio::test]
async fn pods_that_cannot_start_leave_those_before_in_place_and_say_what_is_missing() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy("tests/overlays/logins").await;
    let pods = cluster.pods("scenecast-gateway").await;
    for (broken, reason) in [
        (
            r#"[{"op":"replace","path":"/spec/template/spec/containers/0/envFrom/1/secretRef/name","value":"not-there"}]"#,
            "CreateContainerConfigError",
        ),
        (
            r#"[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"scenecast-gateway:not-there"}]"#,
            "ErrImagePull",
        ),
    ] {
        let patch = ["patch", "deployment", "scenecast-gateway", "--type=json", "--patch", broken];
        cluster.kubectl(&patch).await;
        until(&format!("a new pod says {reason}"), async || {
            let found = cluster.get(&["pods", "--selector=app.kubernetes.io/name=scenecast-gateway"]).await.to_string();
            found.contains(reason) || (reason == "ErrImagePull" && found.contains("ImagePullBackOff"))
        })
        .await;
        let there = cluster.pods("scenecast-gateway").await;
        assert!(pods.iter().all(|pod| there.contains(pod)), "{pods:?} {there:?}");
        cluster.kubectl(&["rollout", "undo", "deployment/scenecast-gateway"]).await;
        cluster.rolled_out().await;
    }
}
