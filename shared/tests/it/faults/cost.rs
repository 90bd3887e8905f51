//! What a login costs a Cluster, however many nodes it has.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use scenecast_shared::{
    bus::Role,
    testing::{RedisCluster, RedisServer, Usage},
};

use super::{Logins, delivery, login};
use crate::fixtures::{opening, pod, scene, settle_again};

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
    know_the_scripts(&cluster).await;
    let usage = async || join_all(cluster.nodes().iter().map(RedisServer::usage)).await;
    let before = usage().await;
    let mut logins = Logins::at(&cluster.url(), LOGINS).await;
    logins.log_in(0..LOGINS).await;
    logins.have_all_arrived().await;
    let used: Vec<_> = usage().await.into_iter().zip(before).map(|(after, before)| after - before).collect();

    let busiest = used.iter().map(|used| used.calls("evalsha")).max().unwrap();
    assert!(u128::from(busiest) < 2 * 2 * LOGINS / primaries as u128, "the busiest node was called {busiest} times");
    let sum = |of: &dyn Fn(&Usage) -> u64| used.iter().map(of).sum::<u64>();
    Cost {
        commands: OF_A_LOGIN.map(|command| (command, sum(&|used| used.calls(command)))).into(),
        bytes: sum(&|used| used.bytes_in + used.bytes_out),
    }
}

/// A script's first call at each node costs one more.
async fn know_the_scripts(cluster: &RedisCluster) {
    let (bus, _) = pod(&cluster.url(), Role::Settles);
    for n in LOGINS..LOGINS + 200 {
        bus.open(scene(n), &opening()).await.unwrap();
        settle_again(&bus, scene(n), &delivery(n), login(n)).await;
    }
}
