//! Primaries that come back at once, replicas that are all away, and Sentinels that are far away.

use std::time::Duration;

use scenecast_testing::{RedisCluster, RedisSentinels};

use crate::{
    drills::{
        drill::{Drill, run_drill, run_drill_around},
        environment::{ClusterShape, DrillEnvironment},
    },
    plan::FaultKind,
};

/// The way to a Sentinel in another region, there and back.
const FAR: Duration = Duration::from_millis(150);

pub(super) const RETURNING: Drill = Drill {
    name: "sentinel-returning-primaries",
    proves: "Primary after primary is killed, and is back with its data while Sentinels replace it, so that for a moment \
             it has replicas: what it answers then is promised to nobody.",
    run: |load| {
        Box::pin(run_drill(
            load,
            ClusterShape::default(),
            async |environment: &mut DrillEnvironment<RedisSentinels>| {
                let kills = if environment.load.short { 4 } else { 20 };
                for kill in 0..kills {
                    kill_and_restart(environment, Duration::from_millis(1600 + 300 * (kill % 9))).await;
                    environment.load.run_for(6, 3).await;
                }
            },
        ))
    },
};

pub(super) const FAR_SENTINELS: Drill = Drill {
    name: "sentinel-far-sentinels",
    proves: "Two of three Sentinels are 150 ms away, and the primary is killed and comes back: the near Sentinel alone is \
             not believed.",
    run: |load| {
        Box::pin(async move {
            let redis = RedisSentinels::start_partitionable().await;
            redis.delay_sentinel(1, FAR);
            redis.delay_sentinel(2, FAR);
            let kill_twice = async |environment: &mut DrillEnvironment<RedisSentinels>| {
                for _ in 0..2 {
                    kill_and_restart(environment, Duration::from_secs(3)).await;
                    environment.load.run_for(15, 5).await;
                }
            };
            run_drill_around(redis, load, ClusterShape::default(), kill_twice).await
        })
    },
};

/// Kills the primary, and starts it again after this time, whether it has been replaced or not.
async fn kill_and_restart(environment: &mut DrillEnvironment<RedisSentinels>, after: Duration) {
    let killed = environment.inject(FaultKind::RedisKilled).await;
    tokio::time::sleep(after).await;
    environment.mend(killed).await;
}

pub(super) const SENTINEL_FROZEN: Drill = Drill {
    name: "sentinel-replicas-frozen",
    proves: "All replicas freeze until the Sentinels have given them up, and the primary dies just as they return: what \
             only the primary knew was promised to nobody.",
    run: |load| {
        Box::pin(run_drill(
            load,
            ClusterShape::default(),
            async |environment: &mut DrillEnvironment<RedisSentinels>| {
                environment.load.run_for(5, 2).await;
                let redis = &mut environment.cluster.redis;
                let primary = redis.primary().await;
                let replicas: Vec<_> = (0..redis.servers().len()).filter(|server| *server != primary).collect();
                for replica in &replicas {
                    redis.server(*replica).pause();
                }
                environment.load.run_for(20, 9).await;
                redis.server_mut(primary).stop().await;
                for replica in &replicas {
                    redis.server(*replica).resume();
                }
                redis.until_failed_over(primary).await;
                redis.server_mut(primary).restart().await;
                environment.load.run_for(20, 5).await;
            },
        ))
    },
};

pub(super) const CLUSTER_FROZEN: Drill = Drill {
    name: "cluster-replicas-frozen",
    proves: "The same, with the only replica of one of three primaries of a Redis Cluster: logins of the other two go on.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisCluster>| {
            let redis = &mut environment.cluster.redis;
            let primary = redis.primary_of(0).await;
            let replica = redis.replica_of(primary).await;
            redis.node(replica).pause();
            environment.load.run_for(20, 9).await;
            redis.node_mut(primary).stop().await;
            redis.node(replica).resume();
            redis.until_primary(replica).await;
            redis.node_mut(primary).restart().await;
            environment.load.run_for(20, 5).await;
        }))
    },
};
