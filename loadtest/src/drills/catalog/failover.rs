//! A primary dies and a replica takes its place.

use scenecast_testing::{RedisCluster, RedisSentinels};

use crate::{
    drills::{
        drill::{Drill, run_drill},
        environment::{ClusterShape, DrillEnvironment},
    },
    plan::FaultKind,
};

pub(super) const SENTINEL: Drill = Drill {
    name: "sentinel-failover",
    proves: "The primary is killed and Sentinels put a replica in its place: every login that was \
             promised to a phone is there too.",
    run: |load| {
        Box::pin(run_drill(
            load,
            ClusterShape::default(),
            async |environment: &mut DrillEnvironment<RedisSentinels>| {
                let killed = environment.inject(FaultKind::RedisKilled).await;
                environment.cluster.redis.until_failed_over(killed.server()).await;
                environment.mend(killed).await;
                environment.load.run_for(20, 3).await;
            },
        ))
    },
};

pub(super) const SENTINEL_STALE: Drill = Drill {
    name: "sentinel-stale-primary",
    proves: "The primary freezes until a replica has replaced it, and then goes on as if nothing had happened: no \
             login that it accepts before it learns of the failover is promised to anybody.",
    run: |load| {
        Box::pin(run_drill(
            load,
            ClusterShape::default(),
            async |environment: &mut DrillEnvironment<RedisSentinels>| {
                let frozen = environment.inject(FaultKind::RedisFrozen).await;
                environment.cluster.redis.until_failed_over(frozen.server()).await;
                environment.mend(frozen).await;
                environment.load.run_for(20, 3).await;
            },
        ))
    },
};

pub(super) const CLUSTER: Drill = Drill {
    name: "cluster-failover",
    proves: "One of three primaries of a Redis Cluster is killed: logins of the other two go on, and its own \
             logins go on as soon as its replica has replaced it.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisCluster>| {
            fail_over(environment, FaultKind::RedisKilled).await;
            environment.load.run_for(20, 3).await;
        }))
    },
};

pub(super) const CLUSTER_CUT_OFF: Drill = Drill {
    name: "cluster-failover-cut-off",
    proves: "The same, after the replica was cut off from its primary for a while: logins that only the dead primary \
             knew were promised to nobody, and their users scan again.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisCluster>| {
            let primary = environment.cluster.redis.primary_of(0).await;
            environment.cluster.redis.node(primary).disconnect_replicas().await;
            environment.load.run_for(5, 2).await;
            fail_over(environment, FaultKind::RedisKilled).await;
            environment.load.run_for(20, 3).await;
        }))
    },
};

pub(super) const CLUSTER_STALE: Drill = Drill {
    name: "cluster-stale-primary",
    proves: "One of three primaries of a Redis Cluster freezes until its replica has replaced it, and then goes on \
             as if nothing had happened: no login that it accepts before it learns of the failover is promised to \
             anybody.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisCluster>| {
            fail_over(environment, FaultKind::RedisFrozen).await;
            environment.load.run_for(20, 3).await;
        }))
    },
};

/// Breaks a primary like this until its replica has replaced it.
async fn fail_over(environment: &mut DrillEnvironment<RedisCluster>, kind: FaultKind) {
    let replica = environment.cluster.redis.replica_of(environment.cluster.redis.primary_of(0).await).await;
    let broken = environment.inject(kind).await;
    environment.cluster.redis.until_primary(replica).await;
    environment.mend(broken).await;
}
