//! Every drill in its short form: nothing is lost, nothing doubled.

mod command;
mod watch;

use std::{sync::LazyLock, thread::available_parallelism};

use scenecast_loadtest::drill::{Drill, Load};
use tokio::sync::Semaphore;

/// A drill has a cluster that works, and checks how long logins take.
static AT_A_TIME: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().unwrap().get()));

async fn passes(name: &str) {
    // Whoever measures how late something comes, or how evenly, is alone.
    let turns = if ["hostile", "rolling-restart", "several-at-once"].contains(&name) {
        available_parallelism().unwrap().get()
    } else {
        1
    };
    let _turns = AT_A_TIME.acquire_many(turns.try_into().unwrap()).await.unwrap();
    let report = Drill::of_name(name).expect("there is such a drill").run(Load::SHORT).await;
    assert!(report.passes(), "\n{report}");
}

/// A test for each of these drills, and one that none is forgotten.
macro_rules! drills {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                passes($name).await;
            }
        )*

        #[test]
        fn every_drill_has_its_test() {
            let drills: Vec<_> = scenecast_loadtest::drill::DRILLS.iter().map(|drill| drill.name).collect();
            assert_eq!(drills, [$($name),*]);
        }
    };
}

drills! {
    rolling_restart: "rolling-restart",
    several_at_once: "several-at-once",
    gateway_killed: "gateway-killed",
    gateway_frozen: "gateway-frozen",
    callback_killed: "callback-killed",
    rebalance: "rebalance",
    redis_restart: "redis-restart",
    redis_emptied: "redis-emptied",
    redis_gone: "redis-gone",
    redis_slow: "redis-slow",
    redis_full: "redis-full",
    connection_cut: "connection-cut",
    half_open: "half-open",
    output_buffer: "output-buffer",
    sentinel_failover: "sentinel-failover",
    sentinel_stale_primary: "sentinel-stale-primary",
    cluster_failover: "cluster-failover",
    cluster_failover_cut_off: "cluster-failover-cut-off",
    cluster_stale_primary: "cluster-stale-primary",
    sentinel_partition: "sentinel-partition",
    cluster_partition: "cluster-partition",
    slot_moves: "slot-moves",
    node_added: "node-added",
    node_removed: "node-removed",
    overload: "overload",
    overload_connects: "overload-connects",
    overload_scenes: "overload-scenes",
    overload_webhooks: "overload-webhooks",
    slow_readers: "slow-readers",
    churn: "churn",
    hostile: "hostile",
}
