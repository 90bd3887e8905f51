//! More than enough comes for a long time: scenes without end, and peers that mean no good.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use scenecast_shared::testing::RedisServer;
use tokio::time::timeout;

use crate::{
    drill::{Drill, Shape, Stage, perform},
    hostile::Hostile,
};

/// Longer than it takes until a pod that didn't answer is taken for ready again.
const PROBED_WITHIN: Duration = Duration::from_secs(5);

/// Hostile peers at each listener that only neighbours reach.
const INSIDE: u32 = 50;

pub(super) const CHURN: Drill = Drill {
    name: "churn",
    proves: "Scenes that live for ten seconds are opened, scanned and forgotten, an hour's worth in minutes: no \
             process grows, and Redis keeps no channel of what is over.",
    perform: |load| {
        let short_lived = Shape { scene_life: 10, ..Shape::default() };
        Box::pin(perform(load, short_lived, async |stage: &mut Stage<RedisServer>| {
            // The first scenes have expired then, and whatever grows to its size has grown.
            stage.goes_on(60, 11).await;
            let before = stage.memory().await;
            stage.goes_on(120, 8).await;
            stage.stays_flat(before).await;
            let channels = stage.cluster.redis.cli(&["PUBSUB", "SHARDCHANNELS"]).await.expect("it answers");
            let (channels, pages) = (channels.lines().count(), stage.load.pages as usize);
            stage.check(format!("{channels} channels for {pages} pages"), channels <= pages + pages / 2);
        }))
    },
};

pub(super) const HOSTILE: Drill = Drill {
    name: "hostile",
    proves: "Thousands of connections from outside, and some to every listener inside, say nothing, or something byte \
             by byte: nobody else's login takes much longer.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            let began = Instant::now();
            stage.goes_on(10, 3).await;
            let outside = Hostile::gather(&outside(stage), if stage.load.short { 1000 } else { 10_000 });
            let inside = inside(stage);
            let inside = Hostile::gather(&inside, INSIDE * u32::try_from(inside.len()).expect("there are few"));
            let pestered = Instant::now();
            stage.goes_on(30, 8).await;
            let until = Instant::now();
            // Whoever waits now, or is away, has heard by then: who still hasn't would not be counted.
            stage.goes_on(10, 7).await;
            let (calm, busy) = {
                let ledger = stage.crowd.ledger();
                (ledger.p99(began..pestered), ledger.p99(pestered..until))
            };
            let holds = busy <= 3 * calm.max(stage.load.late_after / 4);
            stage.check(format!("99 of 100 pages hear within {calm:?}, and among the hostile {busy:?}"), holds);
            let probed = timeout(PROBED_WITHIN, stage.all_ready()).await.is_ok();
            stage.check("probes are answered among the hostile", probed);
            drop((outside, inside));
        }))
    },
};

/// Where anybody can connect.
fn outside(stage: &Stage<RedisServer>) -> Vec<SocketAddr> {
    let gateways = (0..stage.gateways()).map(|n| stage.cluster.gateway_address(n));
    gateways.chain((0..stage.callbacks()).map(|n| stage.cluster.callback_public(n))).collect()
}

/// Where only neighbours can.
fn inside(stage: &Stage<RedisServer>) -> Vec<SocketAddr> {
    let gateways = (0..stage.gateways()).map(|n| stage.cluster.gateway_admin(n));
    let callbacks =
        (0..stage.callbacks()).flat_map(|n| [stage.cluster.callback_internal(n), stage.cluster.callback_admin(n)]);
    gateways.chain(callbacks).collect()
}
