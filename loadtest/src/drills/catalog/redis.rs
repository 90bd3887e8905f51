//! One Redis server goes away, comes back, and is slow.

use std::time::Duration;

use scenecast_testing::RedisServer;

use crate::{
    drills::{
        drill::{Drill, run_drill},
        environment::{ClusterShape, DrillEnvironment},
        load::Load,
    },
    plan::FaultKind,
};

pub(super) const RESTART: Drill = Drill {
    name: "redis-restart",
    proves: "Redis is killed and comes back with its data: gateways resubscribe and read what they missed.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            let killed = environment.inject(FaultKind::RedisKilled).await;
            environment.mend(killed).await;
            environment.load.run_for(10, 2).await;
        }))
    },
};

pub(super) const EMPTIED: Drill = Drill {
    name: "redis-emptied",
    proves: "Redis is killed and comes back without its data: the scene of every waiting page is opened again, with \
             the code that the page shows. Only a login whose grant waits to be redeemed at that moment ends with the data.",
    run: |load| {
        // A page that is away when the data is lost can't get its login when it comes back.
        let load = Load { restless: false, ..load };
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            environment.inject_for(FaultKind::RedisEmptied, 10, 3).await;
        }))
    },
};

pub(super) const GONE: Drill = Drill {
    name: "redis-gone",
    proves: "Redis is down for a minute: pages stay connected, phones are told to scan again, and logins go on as \
             soon as it is back.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            environment.inject_for(FaultKind::RedisKilled, 60, 8).await;
            environment.load.run_for(10, 3).await;
        }))
    },
};

pub(super) const SLOW: Drill = Drill {
    name: "redis-slow",
    proves: "Redis answers nothing for two seconds, three times: everybody who scans is told the truth, even if it is \
             late.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            for _ in 0..3 {
                let frozen = environment.inject(FaultKind::RedisFrozen).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
                environment.mend(frozen).await;
                environment.load.run_for(5, 1).await;
            }
        }))
    },
};

pub(super) const FULL: Drill = Drill {
    name: "redis-full",
    proves: "Redis has no memory left and refuses to write: nobody is told that they are logged in, no waiting \
             page is lost, and logins go on as soon as there is memory.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            environment.inject_for(FaultKind::RedisFull, 20, 4).await;
            environment.load.run_for(10, 2).await;
        }))
    },
};
