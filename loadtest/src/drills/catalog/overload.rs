//! Too much for a long time: a flood of scenes, and hostile clients.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use scenecast_testing::RedisServer;
use tokio::time::timeout;

use crate::{
    drills::{
        drill::{Drill, run_drill},
        environment::{ClusterShape, DrillEnvironment},
    },
    hostile::HostileClients,
};

/// Longer than a pod that didn't answer a probe takes to count as ready again.
const PROBED_WITHIN: Duration = Duration::from_secs(5);

/// The number of hostile clients at each listener that only neighbours can reach.
const INSIDE_CLIENTS: u32 = 50;

pub(super) const CHURN: Drill = Drill {
    name: "churn",
    proves: "Scenes that live for ten seconds are opened, scanned and forgotten, as many in minutes as usually in an \
             hour: no process grows, and Redis keeps no channel of a scene that is over.",
    run: |load| {
        let short_lived = ClusterShape { scene_life: 10, ..ClusterShape::default() };
        Box::pin(run_drill(load, short_lived, async |environment: &mut DrillEnvironment<RedisServer>| {
            // By then the first scenes have expired, and every table and pool has its full size.
            environment.load.run_for(60, 11).await;
            let before = environment.memory().await;
            environment.load.run_for(120, 8).await;
            environment.check_memory(before).await;
            let channels = environment.cluster.redis.cli(&["PUBSUB", "SHARDCHANNELS"]).await.expect("it answers");
            let channels = channels.lines().count();
            let pages = environment.load.pages as usize;
            environment.check(format!("{channels} channels for {pages} pages"), channels <= pages + pages / 2);
        }))
    },
};

pub(super) const HOSTILE: Drill = Drill {
    name: "hostile",
    proves: "Thousands of hostile clients outside, and some at every internal listener, send nothing, or something \
             byte by byte: no other login takes much longer.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            let began = Instant::now();
            environment.load.run_for(10, 3).await;
            let outside =
                HostileClients::start(&outside(environment), if environment.load.short { 1000 } else { 10_000 });
            let inside = inside(environment);
            let inside =
                HostileClients::start(&inside, INSIDE_CLIENTS * u32::try_from(inside.len()).expect("there are few"));
            let attacked = Instant::now();
            environment.load.run_for(30, 8).await;
            let until = Instant::now();
            // By then every page of a login in this period has learned of it. A login without a page isn't counted.
            environment.load.run_for(10, 7).await;
            let (calm, busy) = {
                let ledger = environment.crowd.ledger();
                (ledger.p99(began..attacked), ledger.p99(attacked..until))
            };
            let holds = busy <= 3 * calm.max(environment.load.late_after / 4);
            environment.check(
                format!("99 of 100 pages learn of their login within {calm:?}, and during the attack within {busy:?}"),
                holds,
            );
            let probed = timeout(PROBED_WITHIN, environment.wait_until_ready()).await.is_ok();
            environment.check("probes are answered during the attack", probed);
            drop((outside, inside));
        }))
    },
};

/// The listeners that anybody can reach.
fn outside(environment: &DrillEnvironment<RedisServer>) -> Vec<SocketAddr> {
    let gateways = (0..environment.gateways()).map(|n| environment.cluster.gateway_address(n));
    gateways.chain((0..environment.callbacks()).map(|n| environment.cluster.callback_public(n))).collect()
}

/// The listeners that only neighbours can reach.
fn inside(environment: &DrillEnvironment<RedisServer>) -> Vec<SocketAddr> {
    let gateways = (0..environment.gateways()).map(|n| environment.cluster.gateway_admin(n));
    let callbacks = (0..environment.callbacks())
        .flat_map(|n| [environment.cluster.callback_internal(n), environment.cluster.callback_admin(n)]);
    gateways.chain(callbacks).collect()
}
