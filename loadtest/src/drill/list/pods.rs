//! Gateways and callbacks leave, die and freeze.

use std::time::{Duration, Instant};

use scenecast_shared::testing::RedisServer;
use tokio::time::timeout;

use crate::drill::{Drill, Load, Shape, Stage, perform, stage::NOTICE};

pub(super) const ROLLING_RESTART: Drill = Drill {
    name: "rolling-restart",
    proves: "Every gateway and every callback is restarted, one after another: no login is lost, closes are spread \
             over the drain window, each with its own delay and those of whom somebody is about to confirm last, and \
             pages never come back at more than twice their mean rate. Pages of compatible routes, which don't come \
             back, stay until they have logged in.",
    perform: |load| {
        // Longer than they need: whoever is closed before has been closed too soon.
        let gateway_settings = "compatible = 120\n".to_owned();
        let asks = Shape { confirmation: "tap", gateway_settings, ..Shape::default() };
        Box::pin(perform(load, asks, async |stage: &mut Stage<RedisServer>| {
            for n in 0..stage.gateways() {
                roll_under_all_kinds(stage, n).await;
            }
            for n in 0..stage.callbacks() {
                stage.roll(&[], &[n]).await;
            }
            come_back_evenly(stage);
        }))
    },
};

/// Restarts gateway `n` while somebody is about to confirm some of its pages, and others can't come back.
async fn roll_under_all_kinds(stage: &mut Stage<RedisServer>, n: usize) {
    let (crowd, phones, began) = (stage.crowd.clone(), stage.phones(), Instant::now());
    let is_left = NOTICE + stage.load.window();
    // They answer only once their pages are elsewhere.
    let hesitant = stage.phones_of(is_left + Duration::from_secs(1));
    let pages = (stage.load.pages / 60).max(1);
    let mut foreign = crowd.foreign(stage.cluster.gateway_address(n), pages, &phones).await;
    let _ = timeout(Duration::from_secs(1), crowd.scan(&hesitant, stage.load.rate)).await;
    let log_in = async {
        // All others have left by then.
        tokio::time::sleep(is_left).await;
        foreign.are_scanned(&phones);
        let logged_in = foreign.logged_in().await;
        phones.are_done().await;
        hesitant.are_done().await;
        logged_in
    };
    let alone = [n];
    let (logged_in, ()) = tokio::join!(log_in, stage.roll(&alone, &[]));
    let what = format!("{logged_in} of {pages} pages that don't come back stay at gateway {n} until they log in");
    stage.check(what, u32::try_from(logged_in) == Ok(pages));
    let moves = crowd.ledger().moved(stage.cluster.gateway_address(n), began);
    let scanned = moves.iter().filter(|page| page.scanned).count();
    stage.check(format!("{scanned} pages go from gateway {n} while somebody is about to confirm"), scanned > 0);
}

fn come_back_evenly(stage: &mut Stage<RedisServer>) {
    let reconnects = stage.crowd.ledger().tally(stage.load.late_after).reconnects;
    stage.check("pages come back at no more than twice their mean rate", reconnects.unevenness() <= 2.0);
}

pub(super) const SEVERAL_AT_ONCE: Drill = Drill {
    name: "several-at-once",
    proves: "All gateways but one and all callbacks but one are restarted at the same moment.",
    perform: |load| {
        let asks = Shape { confirmation: "tap", ..Shape::default() };
        Box::pin(perform(load, asks, async |stage: &mut Stage<RedisServer>| {
            let but_one = |pods: usize| (1..pods).collect::<Vec<_>>();
            let (gateways, callbacks) = (but_one(stage.gateways()), but_one(stage.callbacks()));
            stage.roll(&gateways, &callbacks).await;
            come_back_evenly(stage);
        }))
    },
};

pub(super) const GATEWAY_KILLED: Drill = Drill {
    name: "gateway-killed",
    proves: "A gateway is killed (SIGKILL): its pages come back at the others, not all at once, and get what they missed.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            stage.cluster.gateway(0).kill().await;
            stage.goes_on(10, 2).await;
            stage.cluster.restart_gateway(0).await;
            stage.all_ready().await;
        }))
    },
};

pub(super) const GATEWAY_FROZEN: Drill = Drill {
    name: "gateway-frozen",
    proves: "A gateway stands still (SIGSTOP) and lags behind what Redis tells it; then it goes on, and catches up.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            stage.cluster.gateway(0).pause();
            stage.goes_on(10, 3).await;
            stage.cluster.gateway(0).resume();
            stage.all_ready().await;
        }))
    },
};

pub(super) const CALLBACK_KILLED: Drill = Drill {
    name: "callback-killed",
    proves: "A callback is killed (SIGKILL) with webhooks in its hands: WeChat delivers them again to another, and \
             nobody is logged in twice.",
    perform: |load| {
        Box::pin(perform(load, Shape::default(), async |stage: &mut Stage<RedisServer>| {
            stage.cluster.callback(0).kill().await;
            stage.goes_on(10, 2).await;
            stage.cluster.restart_callback(0).await;
            stage.all_ready().await;
        }))
    },
};

/// In how long one of two gateways that came back empty has its share: pages move slowly, at most one in a hundred
/// a second, and only once the pods have been the same for a while.
const BALANCED_WITHIN: Duration = Duration::from_secs(150);

pub(super) const REBALANCE: Drill = Drill {
    name: "rebalance",
    proves: "After a restart one of two gateways holds every page: it sheds what is too much to the other, slowly, and \
             no login is lost on the way.",
    perform: |load| {
        // Where many log in, their next scenes even the pods out without any shedding.
        let load = Load { rate: load.rate.min(2.0), ..load };
        Box::pin(perform(load, Shape { gateways: 2, ..Shape::default() }, async |stage: &mut Stage<RedisServer>| {
            stage.roll(&[0], &[]).await;
            let is_even = async {
                while !evenly(&stage.held().await) {
                    stage.goes_on(1, 1).await;
                }
            };
            let is_even = timeout(BALANCED_WITHIN, is_even).await.is_ok();
            stage.check("no gateway holds much more than its share", is_even);
        }))
    },
};

/// As evenly as is worth anything: chance alone gives one of few pods twice the pages of another.
fn evenly(held: &[f64]) -> bool {
    let fullest = held.iter().copied().fold(0.0, f64::max);
    fullest <= 1.2 * mean(held) + 50.0
}

fn mean(held: &[f64]) -> f64 {
    held.iter().sum::<f64>() / f64::from(u32::try_from(held.len()).expect("few pods"))
}
