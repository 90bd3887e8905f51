//! Pods on a node with a wrong clock: what an operator sees of them, and that nobody's login is lost.

use scenecast_testing::until;
use serde_json::json;

use crate::{
    cluster::{Cluster, Pod, path},
    load::{Load, TARGET, assert_nothing_lost},
};

/// How far the clock is ahead, in seconds: twice as far as a message of WeChat may be from a callback's clock.
const AHEAD: f64 = 600.0;
/// The Service and the pod of the callback with this clock.
const CALLBACK_AHEAD: &str = "scenecast-callback-ahead";
/// Where `images.sh` puts the library that lets a process see another time.
const LIBRARY: &str = "/usr/local/lib/libfaketime.so.1";

/// Starts one more pod of a Deployment, whose clock is ahead.
async fn pod_ahead(cluster: &Cluster, deployment: &str) -> Pod {
    let mut template = cluster.get(&["deployment", deployment]).await["spec"]["template"].take();
    let mut spec = template["spec"].take();
    let environment = [("LD_PRELOAD", LIBRARY), ("FAKETIME", &format!("+{AHEAD}")), ("DONT_FAKE_MONOTONIC", "1")];
    let mut variables = spec["containers"][0]["env"].as_array().cloned().unwrap_or_default();
    variables.extend(environment.map(|(name, value)| json!({ "name": name, "value": value })));
    spec["containers"][0]["env"] = variables.into();
    let name = format!("{deployment}-ahead");
    let mut metadata = json!({ "name": name, "labels": template["metadata"]["labels"] });
    metadata["labels"]["app"] = name.clone().into();
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pod.to_string()).unwrap();
    cluster.kubectl(&["apply", "-f", file.path().to_str().unwrap()]).await;
    cluster.kubectl(&["wait", &format!("pod/{name}"), "--for=condition=Ready", "--timeout=60s"]).await;
    cluster.pods(deployment).await.into_iter().find(|pod| pod.name == name).unwrap()
}

/// How many pages these gateways have logged in.
async fn logged_in(cluster: &Cluster, gateways: &[Pod]) -> f64 {
    let mut pages = 0.0;
    for gateway in gateways {
        pages += cluster.metric(gateway, 9090, "scenecast_scan_to_push_seconds_count").await;
    }
    pages
}

#[tokio::test]
async fn pods_with_a_wrong_clock_lose_no_login_and_say_so() {
    let cluster = Cluster::of_this_test().await;
    cluster.deploy("tests/overlays/logins").await;
    let gateways = cluster.pods("scenecast-gateway").await;
    // WeChat delivers in turn to all and to the one with the wrong clock: a Service alone could leave that one out.
    cluster.kubectl(&["create", "service", "clusterip", CALLBACK_AHEAD, "--tcp=8081"]).await;
    let all = "\"http://scenecast-callback:8081/wechat/demo\"";
    let shipped = std::fs::read_to_string(path(TARGET)).unwrap();
    let target = shipped.replace(all, &format!("{all}, \"http://{CALLBACK_AHEAD}:8081/wechat/demo\""));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), target).unwrap();
    let at = file.path().to_str().unwrap();
    let people = Load::start_at(at, &["--pages=40", "--opens=40", "--rate=4", "--for=600"]);
    until("people log in", async || logged_in(&cluster, &gateways).await >= 10.0).await;
    let gateway = pod_ahead(&cluster, "scenecast-gateway").await;
    let callback = pod_ahead(&cluster, "scenecast-callback").await;

    // All others are behind by as much.
    for (pod, port, metric) in [
        (&gateway, 9090, "scenecast_redis_clock_skew_seconds"),
        (&callback, 9081, "scenecast_redis_clock_skew_seconds"),
        (&callback, 9081, "scenecast_wechat_clock_ahead_seconds"),
    ] {
        let what = format!("{metric} of {} shows the wrong clock", pod.name);
        until(&what, async || (cluster.metric(pod, port, metric).await + AHEAD).abs() < 30.0).await;
    }
    for (pod, said) in [
        (&gateway, "the clock of this Redis and that of this pod differ"),
        (&callback, "the clock of this Redis and that of this pod differ"),
        (&callback, "a rightly signed message has a time more than 300 s from this pod's clock"),
    ] {
        let says = async || cluster.kubectl(&["logs", &pod.name, "--tail=-1"]).await.contains(said);
        until(&format!("the log of {} says: {said}", pod.name), says).await;
    }
    // Pages that come to that gateway are refused a code, and try again at another one.
    let callbacks = ["logs", "--selector=app.kubernetes.io/name=scenecast-callback", "--tail=-1"];
    let refused = "the call was signed more than 60 s from this server's clock";
    until("callbacks say why they open no scene for that gateway", async || {
        cluster.kubectl(&callbacks).await.contains(refused)
    })
    .await;
    let before = logged_in(&cluster, &gateways).await;
    until("people still log in", async || logged_in(&cluster, &gateways).await >= before + 10.0).await;
    assert_nothing_lost(&people.stop().await, 20);
    cluster.kubectl(&["delete", "pod", &gateway.name, &callback.name, "--now"]).await;
    cluster.kubectl(&["delete", "service", CALLBACK_AHEAD]).await;
}
