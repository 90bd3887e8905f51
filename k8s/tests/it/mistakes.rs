//! What an operator gets wrong: what they see, and that nobody's login is lost meanwhile.

use scenecast_testing::until;
use serde_json::json;

use crate::{
    cluster::{Cluster, Pod, path},
    load::{Load, assert_nothing_lost},
};

const LOGINS: &str = "tests/overlays/logins";
const GATEWAY: &str = "deployment/scenecast-gateway";

/// Fewer than these came within the shortest of these tests only if most people could not log in.
const SOME_LOGINS: u64 = 5;

/// People who log in until the test has seen enough.
fn people() -> Load {
    Load::start(&["--pages=40", "--opens=40", "--rate=4", "--for=600"])
}

/// What the containers of gateways that can't start wait for.
async fn waiting(cluster: &Cluster) -> String {
    let pods = cluster.get(&["pods", "--selector=app.kubernetes.io/name=scenecast-gateway"]).await;
    let states = pods["items"].as_array().unwrap().iter().map(|pod| &pod["status"]["containerStatuses"][0]["state"]);
    states.map(|state| state["waiting"].to_string()).collect()
}

#[tokio::test]
async fn a_rollout_that_can_not_go_on_says_why_and_the_pods_before_it_serve() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy(LOGINS).await;
    let people = people();
    let before = cluster.fleet_pods().await;

    let no_secret = r#"[{ "op": "add", "path": "/spec/template/spec/containers/0/envFrom/-",
        "value": { "secretRef": { "name": "forgotten" } } }]"#;
    for (mistake, seen) in [
        (&["patch", GATEWAY, "--type=json", "--patch", no_secret][..], r#"secret \"forgotten\" not found"#),
        (&["set", "image", GATEWAY, "gateway=scenecast-gateway:never-built"], "scenecast-gateway:never-built"),
        (&["set", "env", GATEWAY, "SCENECAST_DRAIN__WINDOW=soon"], "CrashLoopBackOff"),
    ] {
        cluster.kubectl(mistake).await;
        until(&format!("somebody who looks at the pods sees {seen}"), async || waiting(&cluster).await.contains(seen))
            .await;
        if seen == "CrashLoopBackOff" {
            let logs =
                cluster.kubectl(&["logs", "--selector=app.kubernetes.io/name=scenecast-gateway", "--tail=50"]).await;
            assert!(logs.contains("drain.window"), "{logs}");
        }
        let now = cluster.fleet_pods().await;
        assert!(before.iter().all(|pod| now.contains(pod)), "{before:?} {now:?}");
        cluster.kubectl(&["rollout", "undo", GATEWAY]).await;
        cluster.rolled_out().await;
    }
    assert_nothing_lost(&people.stop().await, SOME_LOGINS);
}

#[tokio::test]
async fn a_quota_that_stops_new_pods_is_named_and_the_rollout_goes_on_without_it() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy(LOGINS).await;
    let people = people();
    // Room for none: pods of the test before that still drain count, and would make room for others as they end.
    cluster.kubectl(&["create", "quota", "small", "--hard=pods=0"]).await;
    cluster.kubectl(&["rollout", "restart", GATEWAY]).await;
    until("the Deployment says that the quota stops it", async || {
        let status = &cluster.get(&["deployment", "scenecast-gateway"]).await["status"];
        status["conditions"].to_string().contains("exceeded quota: small")
    })
    .await;
    cluster.kubectl(&["delete", "quota", "small"]).await;
    cluster.rolled_out().await;
    assert_nothing_lost(&people.stop().await, SOME_LOGINS);
}

#[tokio::test]
async fn changed_accounts_reach_pods_that_run_and_broken_ones_change_nothing() {
    const TAKEN_OVER: &str = "scenecast_config_reloads_total";
    const REFUSED: &str = "scenecast_config_reload_errors_total";
    let cluster = Cluster::of_this_test().await;
    cluster.deploy(LOGINS).await;
    let people = people();
    let pods = cluster.pods("scenecast-callback").await;
    let shipped = std::fs::read_to_string(path("overlays/dev/accounts.toml")).unwrap();
    let before = [cluster.counts(&pods, TAKEN_OVER).await, cluster.counts(&pods, REFUSED).await];

    set_accounts(&cluster, &shipped.replace("site = \"Demo\"", "site = \"Another\"")).await;
    each_counts_one_more(&cluster, &pods, TAKEN_OVER, &before[0]).await;
    set_accounts(&cluster, &shipped.replace("mode = \"safe\"", "mode = \"sagfe\"")).await;
    each_counts_one_more(&cluster, &pods, REFUSED, &before[1]).await;
    let logs = cluster.kubectl(&["logs", "--selector=app.kubernetes.io/name=scenecast-callback", "--tail=30"]).await;
    assert!(logs.contains("accounts.demo"), "{logs}");

    assert_eq!(cluster.pods("scenecast-callback").await, pods, "no pod was replaced");
    set_accounts(&cluster, &shipped).await;
    assert_nothing_lost(&people.stop().await, SOME_LOGINS);
}

/// Makes this the file of accounts.
async fn set_accounts(cluster: &Cluster, toml: &str) {
    let patch = json!({ "stringData": { "accounts.toml": toml } }).to_string();
    cluster.kubectl(&["patch", "secret", "scenecast-accounts", "--patch", &patch]).await;
}

/// Waits until each pod has counted one more of these than before.
async fn each_counts_one_more(cluster: &Cluster, pods: &[Pod], metric: &str, before: &[f64]) {
    until(&format!("each pod counts {metric}"), async || {
        cluster.counts(pods, metric).await.iter().zip(before).all(|(now, before)| now > before)
    })
    .await;
}

#[tokio::test]
async fn pods_that_start_before_redis_are_ready_and_log_in_once_it_is_there() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy(LOGINS).await;
    cluster.kubectl(&["scale", "deployment/scenecast-redis", "--replicas=0"]).await;
    cluster.kubectl(&["rollout", "restart", GATEWAY, "deployment/scenecast-callback"]).await;
    cluster.rolled_out().await;
    for name in ["scenecast-gateway", "scenecast-callback"] {
        let logs = cluster.kubectl(&["logs", &format!("--selector=app.kubernetes.io/name={name}"), "--tail=-1"]).await;
        assert!(logs.contains("can't connect to Redis") && logs.contains("bus.url"), "{logs}");
    }
    cluster.kubectl(&["scale", "deployment/scenecast-redis", "--replicas=1"]).await;
    cluster.rolled_out().await;
    let people = Load::start(&["--pages=20", "--opens=20", "--rate=4", "--for=10"]);
    assert_nothing_lost(&people.end().await, SOME_LOGINS);
}
