//! Where pods may connect to, and who may connect to them: the policies as shipped, with traces.

use scenecast_testing::until;
use tokio::{net::TcpListener, process::Command};

use crate::{cluster::Cluster, pod_network::PodNetwork};

/// Addresses beside the nodes, which pods reach by their default route: a server in the internet, where clouds tell a
/// machine its credentials, and something private.
const INTERNET: &str = "203.0.113.1";
const METADATA: &str = "169.254.169.254";
const PRIVATE: &str = "10.200.0.1";
const DNS: &str = "10.96.0.10";
const API_SERVER: &str = "10.96.0.1";

/// Servers at addresses outside of the cluster. They stop listening when they are dropped.
async fn outside() -> Vec<TcpListener> {
    let mut listeners = vec![];
    for (address, ports) in [(INTERNET, &[80, 443][..]), (METADATA, &[80, 443]), (PRIVATE, &[443])] {
        let arguments = ["address", "replace", &format!("{address}/32"), "dev", "lo"];
        assert!(address == PRIVATE || Command::new("ip").args(arguments).status().await.unwrap().success());
        for port in ports {
            listeners.push(TcpListener::bind((address, *port)).await.unwrap());
        }
    }
    listeners
}

/// Starts something in another namespace that listens at this port, and answers its address.
async fn neighbour(cluster: &Cluster, namespace: &str, port: &str) -> String {
    cluster.kubectl(&["create", "namespace", namespace]).await;
    until("the namespace takes pods", async || {
        cluster.try_kubectl(&["get", "serviceaccount", "default", "--namespace", namespace]).await.status.success()
    })
    .await;
    let server = ["--", "--port", port, "--protected-mode", "no", "--save", ""];
    cluster
        .kubectl(&[&["run", "neighbour", "--image=redis:7.4-alpine", "--namespace", namespace][..], &server].concat())
        .await;
    cluster
        .kubectl(&["wait", "pod/neighbour", "--for=condition=Ready", "--timeout=60s", "--namespace", namespace])
        .await;
    let pod = cluster.get(&["pod", "neighbour", "--namespace", namespace]).await;
    pod["status"]["podIP"].as_str().unwrap().to_owned()
}

/// Waits until it is so from this pod: policies reach the nodes a moment after their pods do.
async fn reaches(who: &str, from: &PodNetwork, open: &[(&str, u16)], closed: &[(&str, u16)]) {
    for (targets, expected) in [(open, true), (closed, false)] {
        for (address, port) in targets {
            let what = format!("{who} {} {address}:{port}", if expected { "reaches" } else { "can't reach" });
            until(&what, async || from.reaches(address, *port).await == expected).await;
        }
    }
}

#[tokio::test]
async fn pods_connect_to_what_policies_name_and_to_nothing_else() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy("tests/overlays/policies").await;
    let _outside = outside().await;
    let collector = neighbour(&cluster, "observability", "4318").await;
    let stranger = neighbour(&cluster, "monitoring", "4318").await;
    let gateways = cluster.pods("scenecast-gateway").await;
    let (callback, redis) = (cluster.pods("scenecast-callback").await, cluster.pods("scenecast-redis").await);
    let [gateway, callback_at, redis_at] =
        [&gateways[1].address, &callback[0].address, &redis[0].address].map(String::as_str);
    let collector = (collector.as_str(), 4318);

    let nobody_may = [(INTERNET, 80), (METADATA, 80), (METADATA, 443), (PRIVATE, 443)];
    let everybody_may = [(redis_at, 6379), (DNS, 53), collector];
    let others = [(API_SERVER, 443), (&*stranger, 4318), (gateway, 9090), (callback_at, 9081)];

    let from = PodNetwork::of(&cluster, "scenecast", &gateways[0].name).await;
    let open = [&everybody_may[..], &[(callback_at, 8082)]].concat();
    let closed = [&nobody_may[..], &others, &[(INTERNET, 443), (callback_at, 8081)]].concat();
    reaches("a gateway", &from, &open, &closed).await;

    let from = PodNetwork::of(&cluster, "scenecast", &callback[0].name).await;
    let open = [&everybody_may[..], &[(INTERNET, 443)]].concat();
    // A policy doesn't stop a pod from reaching itself.
    let closed = [&nobody_may[..], &others[..3], &[(gateway, 8080)]].concat();
    reaches("a callback", &from, &open, &closed).await;

    let from = PodNetwork::of(&cluster, "scenecast", &redis[0].name).await;
    let closed = [&nobody_may[..], &others, &[(INTERNET, 443), (callback_at, 8082)]].concat();
    reaches("Redis", &from, &[(DNS, 53)], &closed).await;

    let from = PodNetwork::of(&cluster, "monitoring", "neighbour").await;
    reaches("Prometheus", &from, &[(gateway, 9090), (callback_at, 9081)], &[(callback_at, 8082), (redis_at, 6379)])
        .await;

    // Whom no policy concerns, reaches all that was closed outside, and no admin port.
    let from = PodNetwork::of(&cluster, "observability", "neighbour").await;
    let open = [&nobody_may[..], &[(INTERNET, 443), (API_SERVER, 443), (&*stranger, 4318)]].concat();
    reaches("a stranger", &from, &open, &[(gateway, 9090), (callback_at, 9081), (redis_at, 6379)]).await;
    cluster.kubectl(&["delete", "namespace", "observability", "monitoring", "--wait=false"]).await;
}
