//! A primary dies and a replica takes its place.

use scenecast_shared::testing::{RedisCluster, RedisSentinels};

use crate::drill::{Drill, Shape, Stage, perform};

pub(super) const SENTINEL: Drill = Drill {
    name: "sentinel-failover",
    proves: "The primary is killed and Sentinels put a replica in its place: what a phone was told is there, too.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisSentinels>| {
            let redis = &mut stage.cluster.redis;
            let primary = redis.primary().await;
            redis.server_mut(primary).stop().await;
            redis.until_failed_over(primary).await;
            redis.server_mut(primary).restart().await;
            stage.goes_on(20, 3).await;
        }))
    },
};

pub(super) const SENTINEL_STALE: Drill = Drill {
    name: "sentinel-stale-primary",
    proves: "The primary stands still until another has its place, and goes on then as if nothing had happened: \
             nothing that it takes in before it knows is promised to anybody.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisSentinels>| {
            let redis = &stage.cluster.redis;
            let primary = redis.primary().await;
            redis.server(primary).pause();
            redis.until_failed_over(primary).await;
            redis.server(primary).resume();
            stage.goes_on(20, 3).await;
        }))
    },
};

pub(super) const CLUSTER: Drill = Drill {
    name: "cluster-failover",
    proves: "One of three primaries of a Redis Cluster is killed: the others' logins go on meanwhile, and its own as \
             soon as its replica has its place.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisCluster>| {
            fail_over(stage).await;
        }))
    },
};

pub(super) const CLUSTER_CUT_OFF: Drill = Drill {
    name: "cluster-failover-cut-off",
    proves: "The same, when the replica has heard nothing from its primary for a while: what only the dead primary \
             knew was promised to nobody, and is scanned again.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisCluster>| {
            let primary = stage.cluster.redis.primary_of(0).await;
            stage.cluster.redis.node(primary).cut_replicas_off().await;
            stage.goes_on(5, 2).await;
            fail_over(stage).await;
        }))
    },
};

pub(super) const CLUSTER_STALE: Drill = Drill {
    name: "cluster-stale-primary",
    proves: "One of three primaries of a Redis Cluster stands still until its replica has its place, and goes on then \
             as if nothing had happened: nothing that it takes in before it knows is promised to anybody.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisCluster>| {
            let redis = &stage.cluster.redis;
            let primary = redis.primary_of(0).await;
            let replica = redis.replica_of(primary).await;
            redis.node(primary).pause();
            redis.until_primary(replica).await;
            redis.node(primary).resume();
            stage.goes_on(20, 3).await;
        }))
    },
};

async fn fail_over(stage: &mut Stage<RedisCluster>) {
    let redis = &mut stage.cluster.redis;
    let primary = redis.primary_of(0).await;
    let replica = redis.replica_of(primary).await;
    redis.node_mut(primary).stop().await;
    redis.until_primary(replica).await;
    redis.node_mut(primary).restart().await;
    stage.goes_on(20, 3).await;
}
