//! A primary is cut off from the other Redis servers, while the pods reach both sides.

use scenecast_testing::{RedisCluster, RedisSentinels};

use crate::drills::{
    drill::{Drill, run_drill_around},
    environment::{ClusterShape, DrillEnvironment},
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
                    let redis = &environment.cluster.redis;
                    let primary = redis.primary().await;
                    redis.isolate(primary);
                    redis.until_failed_over(primary).await;
                    environment.load.run_for(10, 2).await;
                    redis.heal();
                    environment.load.run_for(20, 3).await;
                },
            )
            .await
        })
    },
};

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
                    let primary = redis.primary_of(0).await;
                    let replica = redis.replica_of(primary).await;
                    redis.isolate(primary);
                    redis.until_primary(replica).await;
                    environment.load.run_for(10, 2).await;
                    redis.heal();
                    environment.load.run_for(20, 3).await;
                },
            )
            .await
        })
    },
};
