//! What is between pods and Redis breaks, and Redis cuts a subscriber off.

use std::collections::BTreeSet;

use scenecast_shared::testing::{Hop, RedisServer};

use crate::{
    cluster::Redis,
    drill::{Drill, Shape, Stage, perform},
};

/// A Redis that all pods reach by way of a hop.
struct Wired {
    server: RedisServer,
    hop: Hop,
}

impl Redis for Wired {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let hop = Hop::to(vec![server.address()]).await;
        Self { server, hop }
    }

    async fn add_user(&self, user: &str, password: &str, rules: &str) {
        self.server.add_user(user, password, rules).await;
    }

    fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.hop.address())
    }
}

pub(super) const CUT: Drill = Drill {
    name: "connection-cut",
    proves: "Something on the way closes every connection to Redis, three times: whatever was said in between is \
             read afterwards.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<Wired>| {
            for _ in 0..3 {
                stage.cluster.redis.hop.cut();
                stage.goes_on(5, 1).await;
            }
        }))
    },
};

pub(super) const HALF_OPEN: Drill = Drill {
    name: "half-open",
    proves: "A firewall forgets every connection to Redis: nothing comes through any more and nothing is closed. \
             Pods notice by themselves, and take other connections.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<Wired>| {
            stage.cluster.redis.hop.stall();
            stage.goes_on(20, 10).await;
        }))
    },
};

pub(super) const OUTPUT_BUFFER: Drill = Drill {
    name: "output-buffer",
    proves: "Redis cuts every subscriber off, because there is more than it may keep for them \
             (client-output-buffer-limit): they subscribe again and read what they missed.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            let redis = &stage.cluster.redis;
            let before = subscribers(redis).await;
            redis.set("client-output-buffer-limit", "pubsub 65536 0 0").await;
            let channels = redis.cli(&["PUBSUB", "SHARDCHANNELS"]).await.expect("it answers");
            for channel in channels.lines() {
                redis.cli(&["SPUBLISH", channel, &"x".repeat(100_000)]).await.expect("it answers");
            }
            redis.set("client-output-buffer-limit", "pubsub 33554432 8388608 60").await;
            let all_cut_off = subscribers(redis).await.is_disjoint(&before);
            stage.check("Redis cuts every subscriber off", all_cut_off);
            stage.goes_on(5, 2).await;
        }))
    },
};

/// Which connections subscribe.
async fn subscribers(redis: &RedisServer) -> BTreeSet<String> {
    let clients = redis.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).await.expect("it answers");
    clients.lines().filter_map(|client| client.split(' ').next()).map(str::to_owned).collect()
}
