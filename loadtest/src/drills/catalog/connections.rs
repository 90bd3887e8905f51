//! Connections between pods and Redis break, or Redis closes those of subscribers.

use std::collections::BTreeSet;

use scenecast_testing::RedisServer;

use crate::{
    drills::{
        drill::{Drill, run_drill},
        environment::{ClusterShape, DrillEnvironment},
    },
    faults::ProxiedRedis,
    plan::FaultKind,
};

pub(super) const CUT: Drill = Drill {
    name: "connection-cut",
    proves: "Something in the network closes every connection to Redis, three times: pods reconnect and read what \
             they missed.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<ProxiedRedis>| {
            for _ in 0..3 {
                environment.inject_for(FaultKind::RedisDisconnected, 5, 1).await;
            }
        }))
    },
};

pub(super) const HALF_OPEN: Drill = Drill {
    name: "half-open",
    proves: "A firewall drops every connection to Redis: no data passes, and no connection is closed. Pods notice \
             it themselves, and open new connections.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<ProxiedRedis>| {
            environment.inject_for(FaultKind::RedisStalled, 20, 10).await;
        }))
    },
};

pub(super) const OUTPUT_BUFFER: Drill = Drill {
    name: "output-buffer",
    proves: "Redis closes the connection of every subscriber, because its output buffer is full \
             (client-output-buffer-limit): pods resubscribe and read what they missed.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            let redis = &environment.cluster.redis;
            let before = subscribers(redis).await;
            redis.set("client-output-buffer-limit", "pubsub 65536 0 0").await;
            let channels = redis.cli(&["PUBSUB", "SHARDCHANNELS"]).await.expect("it answers");
            for channel in channels.lines() {
                redis.cli(&["SPUBLISH", channel, &"x".repeat(100_000)]).await.expect("it answers");
            }
            redis.set("client-output-buffer-limit", "pubsub 33554432 8388608 60").await;
            let all_closed = subscribers(redis).await.is_disjoint(&before);
            environment.check("Redis closes the connection of every subscriber", all_closed);
            environment.load.run_for(5, 2).await;
        }))
    },
};

/// The ids of all connections that subscribe.
async fn subscribers(redis: &RedisServer) -> BTreeSet<String> {
    let clients = redis.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).await.expect("it answers");
    clients.lines().filter_map(|client| client.split(' ').next()).map(str::to_owned).collect()
}
