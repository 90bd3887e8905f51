//! An address behind which there isn't one primary: the log says so.

use std::net::SocketAddr;

use scenecast_bus::BusError;
use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_testing::{CALLBACK_PASSWORD, FaultProxy, KeptLog, RedisServer, SplittingProxy, until};

use crate::fixtures::{callback, opening, pod, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_an_address_that_leads_to_more_than_one_primary() {
    let (primary, other) = tokio::join!(RedisServer::start(), RedisServer::start());
    let replica = RedisServer::start_replica_of(&primary).await;
    let splitting = SplittingProxy::start(&primary, &replica).await;
    // One that leads to two in turn, and one that leads to one primary, as it should.
    let [in_turn, right] =
        [FaultProxy::start(vec![primary.address()]).await, FaultProxy::start(vec![primary.address()]).await];
    let url = |proxy: &FaultProxy| format!("redis://admin:admin@{}", proxy.address());
    let node = |address: SocketAddr| format!("node={address}");
    let _right = pod(&url(&right));
    let gateway = Redis::connect(&url(&in_turn).parse().unwrap(), &Metrics::new());
    let is_up = || !KeptLog::lines_with(&["connected to Redis", &node(in_turn.address())]).is_empty();
    until("the first connection is up", async || is_up()).await;
    in_turn.set_upstreams(vec![other.address()]);
    let _subscriptions = gateway.subscriptions(|_| ());
    // This replica is late for ever.
    primary.disconnect_replicas().await;
    let (callback, _) = callback(&splitting.url_for("callback", CALLBACK_PASSWORD));
    // Whoever asks has to come back: the answer isn't final.
    callback.open(scene(1), &opening()).await.unwrap();
    let read = callback.snapshot(scene(1)).await;
    assert!(matches!(&read, Err(BusError::Undecided(error)) if error.to_string().contains("proxy")), "{read:?}");
    assert_eq!(callback.snapshot(scene(2)).await, Ok(None), "it is nowhere");
    let is_told = |what: &str, address| !KeptLog::lines_with(&[what, &node(address)]).is_empty();
    until("reads at a replica are noticed", async || is_told("isn't read again", splitting.address())).await;
    until("several primaries are noticed", async || is_told("different Redis servers", in_turn.address())).await;
    for what in ["isn't read again", "different Redis servers"] {
        for address in [right.address(), primary.address()] {
            assert_eq!(KeptLog::lines_with(&[what, &node(address)]), [""; 0]);
        }
    }
}
