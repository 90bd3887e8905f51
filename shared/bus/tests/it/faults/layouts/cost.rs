//! A login costs a Cluster the same, however many nodes it has.

use std::{collections::BTreeMap, ops::Range};

use futures_util::{StreamExt, future::join_all, stream};

use scenecast_testing::{ProcessUsage, RedisCluster, RedisServer};

use crate::{
    faults::{delivery, login},
    fixtures::{TestBus, apply, callback, next_event_kind, opening, pod, scene},
};

const LOGINS: u128 = 1_000;
/// The commands of a login. All other commands are sent by the clock: heartbeats, and questions about the slot table and
/// about Redis's clock. (`TIME` is both: each script calls it once.)
const LOGIN_COMMANDS: [&str; 8] = ["evalsha", "exists", "hmget", "pttl", "hset", "pexpireat", "spublish", "ssubscribe"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_costs_six_primaries_together_no_more_than_three() {
    let three = cost(3).await;
    let six = cost(6).await;
    assert_eq!(three.commands, six.commands);
    assert!(six.bytes < three.bytes * 11 / 10, "three primaries: {} bytes, six: {}", three.bytes, six.bytes);
}

/// The sums over all nodes.
struct Cost {
    commands: BTreeMap<&'static str, u64>,
    bytes: u64,
}

async fn cost(primaries: usize) -> Cost {
    let cluster = RedisCluster::start_with(primaries, 0).await;
    let (gateway, _) = pod(&cluster.url());
    let (callback, _) = callback(&cluster.url());
    // The first call of each script at each node takes one command more, so it isn't counted.
    log_in(&gateway, &callback, 0..LOGINS / 5).await;
    let usage = async || join_all(cluster.nodes().iter().map(RedisServer::usage)).await;
    let before = usage().await;
    log_in(&gateway, &callback, LOGINS..2 * LOGINS).await;
    let used: Vec<_> = usage().await.into_iter().zip(before).map(|(after, before)| after - before).collect();

    let busiest = used.iter().map(|used| used.calls("spublish")).max().unwrap();
    assert!(u128::from(busiest) < 2 * LOGINS / primaries as u128, "the busiest node published {busiest} events");
    let sum = |of: &dyn Fn(&ProcessUsage) -> u64| used.iter().map(of).sum::<u64>();
    Cost {
        commands: LOGIN_COMMANDS.map(|command| (command, sum(&|used| used.calls(command)))).into(),
        bytes: sum(&|used| used.bytes_in + used.bytes_out),
    }
}

/// Opens and watches these scenes, logs in on them, and waits until the pages get the event.
async fn log_in(gateway: &TestBus, callback: &TestBus, scenes: Range<u128>) {
    let logins = scenes.map(async |n| {
        callback.open(scene(n), &opening()).await.unwrap();
        let (mut page, _) = gateway.watch(scene(n), 0).await.unwrap();
        apply(callback, scene(n), &delivery(n), &login(n)).await;
        assert_eq!(next_event_kind(&mut page).await, "confirmed");
    });
    stream::iter(logins).buffer_unordered(64).collect::<()>().await;
}
