//! More comes than a pod accepts. It refuses the rest with a delay, and goes on with what it has.

use std::time::Duration;

use scenecast_testing::RedisServer;
use tokio::time::timeout;

use crate::{
    crowd::Crowd,
    drills::{
        drill::{Drill, run_drill},
        environment::{ClusterShape, DrillEnvironment},
        load::Load,
    },
    ledger::Tally,
};

/// The time limit until the pages of a second crowd have done what a drill asks.
const DONE_WITHIN: Duration = Duration::from_secs(60);
/// How often a drill looks at the ledger.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The longest allowed time without a login. Chance and a busy machine make small gaps.
const MAX_GAP: Duration = Duration::from_secs(5);
/// How many scenes an address may open per minute. Only the office's address opens more.
const SCENES_A_MINUTE: u32 = 20;

pub(super) const CONNECTIONS: Drill = Drill {
    name: "overload",
    proves: "As many pages again come to pods that have no room for them: they are told when to come back, logins of \
             the connected pages go on, and no pod grows.",
    run: |load| {
        // A little more room than needed, so that chance doesn't fill one gateway before all pages are connected.
        let room = load.pages / 3 + load.pages / 10;
        Box::pin(run_drill(
            load,
            limits_of("connections", room),
            async |environment: &mut DrillEnvironment<RedisServer>| {
                let surge = environment.rush(environment.load.pages);
                environment.load.run_for(10, 2).await;
                let before = environment.memory().await;
                environment.load.run_for(20, 4).await;
                check_refusals(environment, &surge, "connections", "crowded").await;
                check_no_gap(environment);
                environment.check_memory(before).await;
            },
        ))
    },
};

pub(super) const CONNECTS: Drill = Drill {
    name: "overload-connects",
    proves: "Twice as many pages again connect at the same moment, more than pods take in a second: those beyond are \
             told when to come back, all of them connect in the end, and logins of the connected pages go on.",
    run: |load| {
        let load = with_room(load);
        // Enough for the pages that follow each login, and for all pages at the start, which come a few at a time.
        let limits = limits_of("connections_per_second", load.pages / 5);
        Box::pin(run_drill(load, limits, async |environment: &mut DrillEnvironment<RedisServer>| {
            let pages = 2 * environment.load.pages;
            let rush = environment.rush(pages);
            let all_connected = timeout(DONE_WITHIN, rush.wait_for_codes(pages)).await.is_ok();
            environment.check("all pages connect", all_connected);
            check_refusals(environment, &rush, "connects", "crowded").await;
            check_no_gap(environment);
        }))
    },
};

pub(super) const SCENES: Drill = Drill {
    name: "overload-scenes",
    proves: "An office behind one address opens more scenes than an address may: those beyond are told when to come \
             back, and every user with a scene logs in, in the office and elsewhere.",
    run: |load| {
        let load = with_room(load);
        Box::pin(run_drill(
            load,
            limits_of("scenes_per_address", SCENES_A_MINUTE),
            async |environment: &mut DrillEnvironment<RedisServer>| {
                let office = environment.office(5 * SCENES_A_MINUTE);
                let tally = log_in_all(environment, &office, (2 * SCENES_A_MINUTE).into()).await;
                let holds = tally.keeps_the_promise() && tally.delivered >= (2 * SCENES_A_MINUTE).into();
                environment.check(format!("the pages of the office log in: {tally:?}"), holds);
                check_refusals(environment, &office, "scenes", "too_many_scenes").await;
            },
        ))
    },
};

pub(super) const DELIVERIES: Drill = Drill {
    name: "overload-deliveries",
    proves: "More people scan at once than callbacks accept deliveries: WeChat gets no answer to those beyond and \
             delivers them again, so these logins come late, but all of them come.",
    run: |load| {
        let load = with_room(load);
        // Two callbacks together accept half as much again as usually comes.
        let a_second = (0.75 * load.rate).ceil();
        let callback_settings = format!("[limits]\ndeliveries_per_second = {a_second}\n");
        let limits = ClusterShape { callback_settings, ..ClusterShape::default() };
        Box::pin(run_drill(load, limits, async |environment: &mut DrillEnvironment<RedisServer>| {
            let crowd = environment.crowd.clone();
            let phones = environment.phones();
            let _ = timeout(Duration::from_millis(500), crowd.scan(&phones, 8.0 * environment.load.rate)).await;
            phones.wait_until_done().await;
            let beyond = environment.metric_sum("scenecast_turned_away_total{why=\"deliveries\"}").await;
            environment.check(format!("{beyond} deliveries get no answer"), beyond > 0.0);
            let Tally { not_told, p99, .. } = crowd.ledger().tally(environment.load.late_after);
            environment.check(format!("they are delivered again, within {p99:?}"), p99 >= Duration::from_secs(5));
            environment.check(format!("{not_told} phones are told nothing in the end"), not_told == 0);
        }))
    },
};

pub(super) const SLOW_READERS: Drill = Drill {
    name: "slow-readers",
    proves: "Pages don't read what they are sent: their gateway cuts them off, they resume their scene at another one, \
             and log in.",
    run: |load| {
        let load = with_room(load);
        // A short limit, because some pages are only cut off when the kernel notices that nothing was read.
        Box::pin(run_drill(load, limits_of("unread", 5), async |environment: &mut DrillEnvironment<RedisServer>| {
            let pages: u32 = if environment.load.short { 3 } else { 50 };
            let slow_readers = environment.slow_readers(0, pages);
            let are_cut = timeout(DONE_WITHIN, slow_readers.wait_for_cuts(pages)).await.is_ok();
            environment.check("all slow readers are cut off", are_cut);
            let tally = log_in_all(environment, &slow_readers, pages.into()).await;
            let holds = tally.keeps_the_promise() && tally.delivered == u64::from(pages);
            environment.check(format!("all of them log in at another gateway: {tally:?}"), holds);
        }))
    },
};

/// A smaller load, so that together with the second crowd it is about as large as usual.
fn with_room(load: Load) -> Load {
    Load { pages: load.pages / 3, rate: load.rate / 3.0, ..load }
}

/// A cluster whose gateways have this limit.
fn limits_of(limit: &str, value: u32) -> ClusterShape {
    ClusterShape { gateway_settings: format!("[limits]\n{limit} = {value}\n"), ..ClusterShape::default() }
}

/// Checks that pages of the first crowd logged in all the time.
fn check_no_gap(environment: &mut DrillEnvironment<RedisServer>) {
    let gap = environment.crowd.ledger().tally(environment.load.late_after).longest_gap;
    environment.check(format!("the longest time without a login is {gap:?}"), gap <= MAX_GAP);
}

/// Checks that pages of this crowd were refused for the reason `why` (a metric's label), and got this problem code.
async fn check_refusals(environment: &mut DrillEnvironment<RedisServer>, crowd: &Crowd, why: &str, code: &str) {
    let refused = environment.metric_sum(&format!("scenecast_turned_away_total{{why=\"{why}\"}}")).await;
    let problems = crowd.ledger().tally(environment.load.late_after).problems;
    let holds = refused > 0.0 && problems.contains_key(code);
    environment.check(format!("{refused} are refused because of {why}, with the problem {code}: {problems:?}"), holds);
}

/// Lets people scan this crowd's codes until this many have logged in. Answers the sums.
async fn log_in_all(environment: &DrillEnvironment<RedisServer>, crowd: &Crowd, logins: u64) -> Tally {
    let phones = environment.phones();
    let load = environment.load;
    let tally = || crowd.ledger().tally(load.late_after);
    let all_logged_in = async {
        while tally().delivered < logins {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::select! {
        () = crowd.scan(&phones, load.rate) => {}
        _ = timeout(DONE_WITHIN, all_logged_in) => {}
    }
    phones.wait_until_done().await;
    crowd.wait_for_deliveries(DONE_WITHIN).await;
    tally()
}
