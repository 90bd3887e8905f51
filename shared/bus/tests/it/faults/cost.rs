//! What a login costs a Cluster, however many nodes it has.

use std::{collections::BTreeMap, ops::Range};

use futures_util::{StreamExt, future::join_all, stream};

use scenecast_testing::{ProcessUsage, RedisCluster, RedisServer};

use super::{delivery, login};
use crate::fixtures::{Bus, apply, callback, heard, opening, pod, scene};

const LOGINS: u128 = 1_000;
/// What is sent for a login; the rest is sent by the clock, to know the Cluster and whether it is alive.
const OF_A_LOGIN: [&str; 9] =
    ["evalsha", "time", "exists", "hmget", "pttl", "hset", "pexpireat", "spublish", "ssubscribe"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_costs_six_primaries_together_what_it_costs_three() {
    let (three, six) = (cost(3).await, cost(6).await);
    assert_eq!(three.commands, six.commands);
    assert!(six.bytes < three.bytes * 11 / 10, "{} bytes of three, {} of six", three.bytes, six.bytes);
}

/// What all nodes saw together.
struct Cost {
    commands: BTreeMap<&'static str, u64>,
    bytes: u64,
}

async fn cost(primaries: usize) -> Cost {
    let cluster = RedisCluster::start_with(primaries, 0).await;
    let ((gateway, _), (callback, _)) = (pod(&cluster.url()), callback(&cluster.url()));
    // Each script's first call at each node costs one more.
    log_in(&gateway, &callback, 0..LOGINS / 5).await;
    let usage = async || join_all(cluster.nodes().iter().map(RedisServer::usage)).await;
    let before = usage().await;
    log_in(&gateway, &callback, LOGINS..2 * LOGINS).await;
    let used: Vec<_> = usage().await.into_iter().zip(before).map(|(after, before)| after - before).collect();

    let busiest = used.iter().map(|used| used.calls("spublish")).max().unwrap();
    assert!(u128::from(busiest) < 2 * LOGINS / primaries as u128, "the busiest node told of {busiest} logins");
    let sum = |of: &dyn Fn(&ProcessUsage) -> u64| used.iter().map(of).sum::<u64>();
    Cost {
        commands: OF_A_LOGIN.map(|command| (command, sum(&|used| used.calls(command)))).into(),
        bytes: sum(&|used| used.bytes_in + used.bytes_out),
    }
}

/// Opens these scenes, watches them, logs in on them, and has the pages hear of it.
async fn log_in(gateway: &Bus, callback: &Bus, scenes: Range<u128>) {
    let logins = scenes.map(async |n| {
        callback.open(scene(n), &opening()).await.unwrap();
        let (mut page, _) = gateway.watch(scene(n), 0).await.unwrap();
        apply(callback, scene(n), &delivery(n), &login(n)).await;
        assert_eq!(heard(&mut page).await, "confirmed");
    });
    stream::iter(logins).buffer_unordered(64).collect::<()>().await;
}
