//! A primary is cut off from the other Redis servers. The pods reach both sides, or only one.

use scenecast_testing::{ClientSide, CutOffZone, RedisCluster, RedisSentinels};

use crate::{
    drills::{
        drill::{Drill, DrillResult, run_drill_around},
        environment::{ClusterShape, DrillEnvironment},
        load::Load,
    },
    plan::FaultKind,
};

pub(super) const SENTINEL: Drill = Drill {
    name: "sentinel-partition",
    proves: "The primary is cut off from its replicas and Sentinels, and the pods still reach all of them: logins \
             that only the primary knows are promised to nobody. A replica replaces it, and it goes on as a primary \
             until the partition ends.",
    run: |load| {
        Box::pin(async move {
            let redis = RedisSentinels::start_partitionable().await;
            run_drill_around(
                redis,
                load,
                ClusterShape::default(),
                async |environment: &mut DrillEnvironment<RedisSentinels>| {
                    let partitioned = environment.inject(FaultKind::RedisPartitioned).await;
                    environment.cluster.redis.until_failed_over(partitioned.server()).await;
                    environment.load.run_for(10, 2).await;
                    environment.mend(partitioned).await;
                    environment.load.run_for(20, 3).await;
                },
            )
            .await
        })
    },
};

pub(super) const SENTINEL_PODS_CUT_OFF: Drill = Drill {
    name: "sentinel-partition-with-pods",
    proves: "All pods are cut off together with the primary and one of three Sentinels, long enough that this Sentinel \
             gives the replicas up: nobody is promised a login there, and logins go on after the partition.",
    run: |load| Box::pin(async move { cut_off_zone(load, ClientSide::CutOff).await }),
};

pub(super) const SENTINEL_PODS_LEFT: Drill = Drill {
    name: "sentinel-partition-without-pods",
    proves: "The primary and one of three Sentinels are cut off, and all pods are on the other side: logins go on as \
             soon as a replica has replaced it.",
    run: |load| Box::pin(async move { cut_off_zone(load, ClientSide::Rest).await }),
};

async fn cut_off_zone(load: Load, pods: ClientSide) -> DrillResult {
    let redis = RedisSentinels::start_partitionable().await;
    let cut_off = async |environment: &mut DrillEnvironment<RedisSentinels>| {
        let redis = &environment.cluster.redis;
        let primary = redis.primary().await;
        redis.cut_off(CutOffZone { servers: &[primary], sentinels: &[2], clients: pods });
        redis.until_failed_over_at(&[0, 1], primary).await;
        environment.load.run_for(20, 8).await;
        redis.heal();
        environment.load.run_for(20, 5).await;
    };
    run_drill_around(redis, load, ClusterShape::default(), cut_off).await
}

pub(super) const CLUSTER: Drill = Drill {
    name: "cluster-partition",
    proves: "The same, with one of three primaries of a Redis Cluster and all its other nodes.",
    run: |load| {
        Box::pin(async move {
            let redis = RedisCluster::start_partitionable().await;
            run_drill_around(
                redis,
                load,
                ClusterShape::default(),
                async |environment: &mut DrillEnvironment<RedisCluster>| {
                    let redis = &environment.cluster.redis;
                    let replica = redis.replica_of(redis.primary_of(0).await).await;
                    let partitioned = environment.inject(FaultKind::RedisPartitioned).await;
                    environment.cluster.redis.until_primary(replica).await;
                    environment.load.run_for(10, 2).await;
                    environment.mend(partitioned).await;
                    environment.load.run_for(20, 3).await;
                },
            )
            .await
        })
    },
};
