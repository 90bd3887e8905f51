//! Gateways and callbacks drain, die and freeze.

use std::time::{Duration, Instant};

use scenecast_testing::RedisServer;
use tokio::time::timeout;

use crate::{
    drills::{
        drill::{Drill, run_drill},
        environment::{ClusterShape, DrillEnvironment, NOTICE},
        load::Load,
    },
    plan::FaultKind,
};

pub(super) const ROLLING_RESTART: Drill = Drill {
    name: "rolling-restart",
    proves: "Every gateway and every callback is restarted, one after another: no login is lost. Closes are \
             spread over the drain window, each with its own delay, and scanned scenes come last. Pages never \
             reconnect at more than twice their mean rate. Pages of compatible routes, which don't reconnect, stay \
             until they have logged in.",
    run: |load| {
        // Longer than the pages need. A page that is closed earlier was closed too soon.
        let gateway_settings = "compatible = 120\n".to_owned();
        let shape = ClusterShape { confirmation: "tap", gateway_settings, ..ClusterShape::default() };
        Box::pin(run_drill(load, shape, async |environment: &mut DrillEnvironment<RedisServer>| {
            for n in 0..environment.gateways() {
                roll_gateway(environment, n).await;
            }
            for n in 0..environment.callbacks() {
                environment.roll(&[], &[n]).await;
            }
            check_reconnects(environment);
        }))
    },
};

/// Restarts gateway `n`. Some of its pages are scanned and about to be confirmed, and some can't reconnect.
async fn roll_gateway(environment: &mut DrillEnvironment<RedisServer>, n: usize) {
    let crowd = environment.crowd.clone();
    let phones = environment.phones();
    let began = Instant::now();
    let drained_after = NOTICE + environment.load.window();
    // These users confirm only after their pages have moved to another gateway.
    let hesitant = environment.phones_with_think_time(drained_after + Duration::from_secs(1));
    let pages = (environment.load.pages / 60).max(1);
    let mut path_socket_pages = crowd.path_socket_pages(environment.cluster.gateway_address(n), pages, &phones).await;
    let _ = timeout(Duration::from_secs(1), crowd.scan(&hesitant, environment.load.rate)).await;
    let log_in = async {
        // By then all other pages have moved.
        tokio::time::sleep(drained_after).await;
        path_socket_pages.scan_all(&phones);
        let logged_in = path_socket_pages.logged_in().await;
        phones.wait_until_done().await;
        hesitant.wait_until_done().await;
        logged_in
    };
    let alone = [n];
    let (logged_in, ()) = tokio::join!(log_in, environment.roll(&alone, &[]));
    let what = format!("{logged_in} of {pages} pages that can't reconnect stay at gateway {n} until they log in");
    environment.check(what, u32::try_from(logged_in) == Ok(pages));
    let moves = crowd.ledger().moves_from(environment.cluster.gateway_address(n), began);
    let scanned = moves.iter().filter(|page| page.scanned).count();
    environment.check(format!("gateway {n} moves {scanned} pages whose scene is scanned"), scanned > 0);
}

fn check_reconnects(environment: &mut DrillEnvironment<RedisServer>) {
    let reconnects = environment.crowd.ledger().tally(environment.load.late_after).reconnects;
    environment.check("pages reconnect at no more than twice their mean rate", reconnects.unevenness() <= 2.0);
}

pub(super) const SEVERAL_AT_ONCE: Drill = Drill {
    name: "several-at-once",
    proves: "All gateways but one and all callbacks but one are restarted at the same moment.",
    run: |load| {
        let shape = ClusterShape { confirmation: "tap", ..ClusterShape::default() };
        Box::pin(run_drill(load, shape, async |environment: &mut DrillEnvironment<RedisServer>| {
            let but_one = |pods: usize| (1..pods).collect::<Vec<_>>();
            let gateways = but_one(environment.gateways());
            let callbacks = but_one(environment.callbacks());
            environment.roll(&gateways, &callbacks).await;
            check_reconnects(environment);
        }))
    },
};

pub(super) const GATEWAY_KILLED: Drill = Drill {
    name: "gateway-killed",
    proves: "A gateway is killed (SIGKILL): its pages reconnect at the others, not all at once, and get what they \
             missed.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            environment.inject_for(FaultKind::GatewayKilled, 10, 2).await;
            environment.wait_until_ready().await;
        }))
    },
};

pub(super) const GATEWAY_FROZEN: Drill = Drill {
    name: "gateway-frozen",
    proves: "A gateway freezes (SIGSTOP) and falls behind Redis; then it goes on, and catches up.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            environment.inject_for(FaultKind::GatewayFrozen, 10, 3).await;
            environment.wait_until_ready().await;
        }))
    },
};

pub(super) const CALLBACK_KILLED: Drill = Drill {
    name: "callback-killed",
    proves: "A callback is killed (SIGKILL) while it handles deliveries: WeChat delivers them again to another \
             callback, and nobody is logged in twice.",
    run: |load| {
        Box::pin(run_drill(load, ClusterShape::default(), async |environment: &mut DrillEnvironment<RedisServer>| {
            environment.inject_for(FaultKind::CallbackKilled, 10, 2).await;
            environment.wait_until_ready().await;
        }))
    },
};

/// The time limit until a gateway that came back empty has its share. Pages move slowly, at most one in a hundred per
/// second, and only after the set of pods hasn't changed for a while.
const BALANCED_WITHIN: Duration = Duration::from_secs(150);

pub(super) const REBALANCE: Drill = Drill {
    name: "rebalance",
    proves: "After a restart one of two gateways holds every page: it slowly sheds the surplus to the other one, and \
             no login is lost.",
    run: |load| {
        // With many logins the next scenes would balance the pods without any shedding.
        let load = Load { rate: load.rate.min(2.0), ..load };
        Box::pin(run_drill(
            load,
            ClusterShape { gateways: 2, ..ClusterShape::default() },
            async |environment: &mut DrillEnvironment<RedisServer>| {
                environment.roll(&[0], &[]).await;
                let balanced = async {
                    while !is_balanced(&environment.pages_by_gateway().await) {
                        environment.load.run_for(1, 1).await;
                    }
                };
                let balanced = timeout(BALANCED_WITHIN, balanced).await.is_ok();
                environment.check("no gateway holds much more than its share", balanced);
            },
        ))
    },
};

/// Whether no gateway holds much more than the mean. A better balance is not worth it, because chance alone gives one
/// of few pods twice the pages of another.
fn is_balanced(held: &[f64]) -> bool {
    let fullest = held.iter().copied().fold(0.0, f64::max);
    fullest <= 1.2 * mean(held) + 50.0
}

fn mean(held: &[f64]) -> f64 {
    held.iter().sum::<f64>() / f64::from(u32::try_from(held.len()).expect("few pods"))
}
