//! The drills of Kubernetes, as an operator runs them: `scenecast-loadtest drill … --cluster k8s`.

use std::{fs, os::unix::fs::PermissionsExt};

use tokio::process::Command;

use crate::{
    cluster::{Cluster, path},
    load::{LOAD_TESTER, TARGET},
};

const FLEET: &str = "tests/overlays/drills";
const NEXT: &str = "tests/overlays/drills-next";
const EDGE: &str = "tests/edge.conf";
/// What it includes.
const EDGE_GATEWAYS: &str = "/run/edge-gateways.conf";
const EDGE_ADDRESS: &str = "10.200.0.1:8080";

/// The fleet of the drills, all of it ready.
async fn fleet() -> Cluster {
    let cluster = Cluster::of_this_test().await;
    // The disk of Redis. All nodes see it.
    fs::create_dir_all("/run/redis-data").unwrap();
    fs::set_permissions("/run/redis-data", fs::Permissions::from_mode(0o777)).unwrap();
    cluster.deploy(FLEET).await;
    cluster
}

/// Runs a drill, which has to pass, with these further arguments. Pages reach the gateways at this address.
async fn passes(drill: &str, arguments: &[&str], gateways: &str) {
    let ended = Command::new(path(LOAD_TESTER))
        .args(["drill", drill, "--cluster=k8s", "--pages=150", "--rate=8", "--around=3", "--target", &path(TARGET)])
        .args(arguments)
        .env("SCENECAST_GATEWAYS", gateways)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let [table, errors] = [&ended.stdout, &ended.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(ended.status.success(), "{table}{errors}");
}

async fn drill(name: &str, arguments: &[&str]) {
    passes(name, arguments, "scenecast-gateway:8080").await;
}

#[tokio::test]
async fn a_rollout_loses_no_login() {
    let cluster = fleet().await;
    let before = cluster.fleet_pods().await;
    drill("rollout", &[]).await;
    let after = cluster.fleet_pods().await;
    assert!(before.iter().all(|pod| !after.contains(pod)), "{before:?} {after:?}");
}

#[tokio::test]
async fn another_image_and_setting_and_the_way_back_lose_no_login() {
    let cluster = fleet().await;
    for image in ["scenecast-gateway", "scenecast-callback"] {
        let images = cluster.images(image).await;
        cluster.tag_image(&images[0], &format!("{image}:next")).await;
    }
    let before = cluster.images("scenecast-gateway").await;
    drill("overlay", &["--overlay", &path(NEXT)]).await;
    assert_eq!(cluster.images("scenecast-gateway").await, ["scenecast-gateway:next"]);
    drill("overlay", &["--overlay", &path(FLEET)]).await;
    assert_eq!(cluster.images("scenecast-gateway").await, before);
}

#[tokio::test]
async fn policies_that_come_under_load_lose_no_login() {
    let cluster = fleet().await;
    cluster.kubectl(&["delete", "networkpolicies", "--all"]).await;
    drill("overlay", &["--overlay", &path(FLEET)]).await;
    assert!(cluster.get(&["networkpolicies"]).await["items"].as_array().unwrap().len() > 5);
}

#[tokio::test]
async fn pods_that_are_deleted_without_grace_lose_no_login() {
    let _cluster = fleet().await;
    drill("pod-deletion", &[]).await;
}

#[tokio::test]
async fn a_node_that_is_drained_loses_no_login() {
    let _cluster = fleet().await;
    drill("node-drain", &[]).await;
}

#[tokio::test]
async fn a_node_that_vanishes_loses_no_login() {
    let cluster = fleet().await;
    // A node that was drained before stays empty until pods are made anew.
    if cluster.nodes_of("scenecast-gateway").await.len() < 2 {
        cluster.kubectl(&["rollout", "restart", "deployment/scenecast-gateway"]).await;
        cluster.rolled_out().await;
    }
    let script = |name: &str| format!("bash {} \"$1\"", path(&format!("cluster/inside/{name}")));
    let [lose, bring_back] = [script("lose_node.sh"), script("return_node.sh")];
    drill("node-loss", &["--lose-node", &lose, "--return-node", &bring_back]).await;
}

#[tokio::test]
async fn a_redis_with_another_address_and_the_same_data_loses_no_login() {
    let _cluster = fleet().await;
    drill("redis-move", &[]).await;
}

#[tokio::test]
async fn an_edge_proxy_that_is_reloaded_loses_no_login() {
    let _cluster = fleet().await;
    let shipped = fs::read_to_string(path("../deploy/nginx/gateway.conf")).unwrap();
    let edge_gateways = shipped
        .replace("listen 80;", &format!("listen {EDGE_ADDRESS};"))
        .replace("server 10.0.1.1:8080;", "server scenecast-gateway:8080;")
        .replace("server 10.0.1.2:8080;", "");
    assert!(edge_gateways.contains(EDGE_ADDRESS) && !edge_gateways.contains("10.0.1."), "{edge_gateways}");
    fs::write(EDGE_GATEWAYS, edge_gateways).unwrap();
    let edge = format!("nginx -c {}", path(EDGE));
    let shell = async |command: &str| Command::new("sh").args(["-c", command]).status().await.unwrap().success();
    assert!(shell(&edge).await);
    passes("proxy-reload", &["--reload-proxy", &format!("{edge} -s reload")], EDGE_ADDRESS).await;
    assert!(shell(&format!("{edge} -s quit")).await);
}
