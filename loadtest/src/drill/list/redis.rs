//! One Redis server goes away, comes back, and is slow.

use std::time::Duration;

use scenecast_shared::testing::RedisServer;

use crate::drill::{Drill, Load, Shape, Stage, perform};

pub(super) const RESTART: Drill = Drill {
    name: "redis-restart",
    proves: "Redis is killed and comes back with its data: gateways subscribe again and read what they missed.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            stage.cluster.redis.restart().await;
            stage.goes_on(10, 2).await;
        }))
    },
};

pub(super) const EMPTIED: Drill = Drill {
    name: "redis-emptied",
    proves: "Redis is killed and comes back without its data: every page that waits has its scene opened again, \
             under the code that it shows.",
    perform: |load| {
        // What nobody has any more can't be fetched by a page that comes back for it.
        let load = Load { restless: false, ..load };
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            stage.cluster.redis.restart_empty().await;
            stage.goes_on(10, 3).await;
        }))
    },
};

pub(super) const GONE: Drill = Drill {
    name: "redis-gone",
    proves: "Redis is away for a minute: pages stay connected, phones are told to scan again, and logins go on as \
             soon as it is back.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            stage.cluster.redis.stop().await;
            stage.goes_on(60, 8).await;
            stage.cluster.redis.restart().await;
            stage.goes_on(10, 3).await;
        }))
    },
};

pub(super) const SLOW: Drill = Drill {
    name: "redis-slow",
    proves: "Redis answers nothing for two seconds, three times: whoever scans is told the truth, even if late.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            for _ in 0..3 {
                stage.cluster.redis.sleep(Duration::from_secs(2)).await;
                stage.goes_on(5, 1).await;
            }
        }))
    },
};

pub(super) const FULL: Drill = Drill {
    name: "redis-full",
    proves: "Redis has no memory left and refuses to write: nobody is told that they are logged in, nothing that \
             waits is lost, and logins go on as soon as there is room.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            stage.cluster.redis.set("maxmemory", "1").await;
            stage.goes_on(20, 4).await;
            stage.cluster.redis.set("maxmemory", "0").await;
            stage.goes_on(10, 2).await;
        }))
    },
};
