//! Every drill in its short form.

mod command;
mod watch;

use std::{sync::LazyLock, thread::available_parallelism};

use scenecast_loadtest::drills::{self, Load};
use tokio::sync::Semaphore;

/// Limits how many drills run at a time, because each one runs a busy cluster and measures how long logins take.
static AT_A_TIME: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().unwrap().get()));

async fn passes(name: &str) {
    // These drills measure latency or evenness, so they run alone.
    let permits = if ["hostile", "rolling-restart", "several-at-once"].contains(&name) {
        available_parallelism().unwrap().get()
    } else {
        1
    };
    let _permits = AT_A_TIME.acquire_many(permits.try_into().unwrap()).await.unwrap();
    let report = drills::find(name).expect("there is such a drill").run(Load::SHORT).await;
    assert!(report.passes(), "\n{report}");
}

/// Makes a test for each of these drills, and one that checks that no drill is missing.
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
            let drills: Vec<_> = scenecast_loadtest::drills::DRILLS.iter().map(|drill| drill.name).collect();
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
    sentinel_partition_with_pods: "sentinel-partition-with-pods",
    sentinel_partition_without_pods: "sentinel-partition-without-pods",
    sentinel_returning_primaries: "sentinel-returning-primaries",
    sentinel_far_sentinels: "sentinel-far-sentinels",
    sentinel_replicas_frozen: "sentinel-replicas-frozen",
    cluster_replicas_frozen: "cluster-replicas-frozen",
    slot_moves: "slot-moves",
    node_added: "node-added",
    node_removed: "node-removed",
    wechat_mark_fail: "wechat-mark-fail",
    overload: "overload",
    overload_connects: "overload-connects",
    overload_scenes: "overload-scenes",
    overload_deliveries: "overload-deliveries",
    slow_readers: "slow-readers",
    churn: "churn",
    hostile: "hostile",
}
