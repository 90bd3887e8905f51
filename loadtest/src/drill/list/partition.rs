//! A primary is cut off from its fellows, while pods reach both sides.

use scenecast_shared::testing::{RedisCluster, RedisSentinels};

use crate::drill::{Drill, Shape, Stage, perform_around};

pub(super) const SENTINEL: Drill = Drill {
    name: "sentinel-partition",
    proves: "Nothing comes through between the primary and its replicas and Sentinels any more, and pods reach all of \
             them: what only the primary knows is promised to nobody. A replica takes its place, and it goes on as if \
             it hadn't, until it is told.",
    perform: |load| {
        Box::pin(async move {
            let redis = RedisSentinels::start_divisible().await;
            perform_around(redis, load, Shape::default(), async |stage: &mut Stage<RedisSentinels>| {
                let redis = &stage.cluster.redis;
                let primary = redis.primary().await;
                redis.divide(primary);
                redis.until_failed_over(primary).await;
                stage.goes_on(10, 2).await;
                redis.reunite();
                stage.goes_on(20, 3).await;
            })
            .await
        })
    },
};

pub(super) const CLUSTER: Drill = Drill {
    name: "cluster-partition",
    proves: "The same with one of three primaries of a Redis Cluster and all other nodes.",
    perform: |load| {
        Box::pin(async move {
            let redis = RedisCluster::start_divisible().await;
            perform_around(redis, load, Shape::default(), async |stage: &mut Stage<RedisCluster>| {
                let redis = &stage.cluster.redis;
                let primary = redis.primary_of(0).await;
                let replica = redis.replica_of(primary).await;
                redis.divide(primary);
                redis.until_primary(replica).await;
                stage.goes_on(10, 2).await;
                redis.reunite();
                stage.goes_on(20, 3).await;
            })
            .await
        })
    },
};
