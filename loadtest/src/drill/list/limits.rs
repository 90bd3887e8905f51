//! More comes than a pod takes: it says so, and what it holds goes on.

use std::time::Duration;

use scenecast_shared::testing::RedisServer;
use tokio::time::timeout;

use crate::{
    crowd::Crowd,
    drill::{Drill, Load, Shape, Stage, perform},
    ledger::Tally,
};

/// How long pages of a second crowd may take until they have done what is asked.
const DONE_WITHIN: Duration = Duration::from_secs(60);
/// How often is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest that none of the pages that are there may log in: chance and a busy machine make small ones.
const NO_GAP: Duration = Duration::from_secs(5);
/// So many scenes an address may open in a minute: more than any other than the office's does.
const A_MINUTE: u32 = 20;

pub(super) const CONNECTIONS: Drill = Drill {
    name: "overload",
    proves: "As many pages again come to pods that have no room for them: they are told when to come back, the \
             logins of the pages that are there go on, and no pod grows.",
    perform: |load| {
        // A little room, so that chance doesn't fill one gateway before all pages are there.
        let room = load.pages / 3 + load.pages / 10;
        Box::pin(perform(load, limits_of("connections", room), async |stage: &mut Stage<RedisServer>| {
            let surge = stage.rush(stage.load.pages);
            stage.goes_on(10, 2).await;
            let before = stage.memory().await;
            stage.goes_on(20, 4).await;
            are_told(stage, &surge, "connections", "crowded").await;
            goes_on(stage);
            stage.stays_flat(before).await;
        }))
    },
};

pub(super) const CONNECTS: Drill = Drill {
    name: "overload-connects",
    proves: "Twice as many pages again connect at the same moment, more than pods take in a second: those beyond are \
             told when to come back, all get in, and the logins of the pages that are there go on.",
    perform: |load| {
        let load = with_room(load);
        // Enough for those that come with the logins, and for all at first, a few at a time.
        let limits = limits_of("connections_per_second", load.pages / 5);
        Box::pin(perform(load, limits, async |stage: &mut Stage<RedisServer>| {
            let pages = 2 * stage.load.pages;
            let rush = stage.rush(pages);
            let all_in = timeout(DONE_WITHIN, rush.shows(pages)).await.is_ok();
            stage.check("all get in", all_in);
            are_told(stage, &rush, "connects", "crowded").await;
            goes_on(stage);
        }))
    },
};

pub(super) const SCENES: Drill = Drill {
    name: "overload-scenes",
    proves: "An office behind one address opens more scenes than an address may: those beyond are told when to come \
             back, and whoever has one logs in, there and everywhere else.",
    perform: |load| {
        let load = with_room(load);
        Box::pin(perform(load, limits_of("scenes_per_address", A_MINUTE), async |stage: &mut Stage<RedisServer>| {
            let office = stage.office(5 * A_MINUTE);
            let tally = all_log_in(stage, &office, (2 * A_MINUTE).into()).await;
            let holds = tally.keeps_the_promise() && tally.delivered >= (2 * A_MINUTE).into();
            stage.check(format!("the office logs in: {tally:?}"), holds);
            are_told(stage, &office, "scenes", "too_many_scenes").await;
        }))
    },
};

pub(super) const WEBHOOKS: Drill = Drill {
    name: "overload-webhooks",
    proves: "More people scan at once than callbacks take messages: WeChat gets no answer to those beyond and delivers \
             them again, so that these logins come late, and all of them come.",
    perform: |load| {
        let load = with_room(load);
        // For two callbacks, a half more than usually come.
        let a_second = (0.75 * load.rate).ceil();
        let callback_settings = format!("[limits]\nwebhooks_per_second = {a_second}\n");
        let limits = Shape { callback_settings, ..Shape::default() };
        Box::pin(perform(load, limits, async |stage: &mut Stage<RedisServer>| {
            let (crowd, phones) = (stage.crowd.clone(), stage.phones());
            let _ = timeout(Duration::from_millis(500), crowd.scan(&phones, 8.0 * stage.load.rate)).await;
            phones.are_done().await;
            let beyond = stage.sum("scenecast_turned_away_total{why=\"webhooks\"}").await;
            stage.check(format!("{beyond} messages get no answer"), beyond > 0.0);
            let Tally { untold, p99, .. } = crowd.ledger().tally(stage.load.late_after);
            stage.check(format!("they come again, in {p99:?}"), p99 >= Duration::from_secs(5));
            stage.check(format!("{untold} phones are told nothing in the end"), untold == 0);
        }))
    },
};

pub(super) const SLOW_READERS: Drill = Drill {
    name: "slow-readers",
    proves: "Pages don't read what they are sent: they are cut, go on with their scene at another gateway, and log in.",
    perform: |load| {
        let load = with_room(load);
        // So that whoever the kernel has to cut, since nobody has more for them, is cut soon.
        Box::pin(perform(load, limits_of("unread", 5), async |stage: &mut Stage<RedisServer>| {
            let pages: u32 = if stage.load.short { 3 } else { 50 };
            let deaf = stage.deaf_to(0, pages);
            let are_cut = timeout(DONE_WITHIN, deaf.are_cut(pages)).await.is_ok();
            stage.check("all who don't read are cut", are_cut);
            let tally = all_log_in(stage, &deaf, pages.into()).await;
            let holds = tally.keeps_the_promise() && tally.delivered == u64::from(pages);
            stage.check(format!("all of them log in elsewhere: {tally:?}"), holds);
        }))
    },
};

/// With what comes on top it is about as much as usual.
fn with_room(load: Load) -> Load {
    Load { pages: load.pages / 3, rate: load.rate / 3.0, ..load }
}

/// Where gateways have this limit.
fn limits_of(limit: &str, of: u32) -> Shape {
    Shape { gateway_settings: format!("[limits]\n{limit} = {of}\n"), ..Shape::default() }
}

/// Those that are there log in all the time.
fn goes_on(stage: &mut Stage<RedisServer>) {
    let gap = stage.crowd.ledger().tally(stage.load.late_after).longest_gap;
    stage.check(format!("pages that are there log in all the time, but for {gap:?}"), gap <= NO_GAP);
}

/// Pages of this crowd were turned away for this reason, and told so.
async fn are_told(stage: &mut Stage<RedisServer>, crowd: &Crowd, why: &str, code: &str) {
    let turned_away = stage.sum(&format!("scenecast_turned_away_total{{why=\"{why}\"}}")).await;
    let told = crowd.ledger().tally(stage.load.late_after).problems;
    let holds = turned_away > 0.0 && told.contains_key(code);
    stage.check(format!("{turned_away} are turned away because of {why}, and told {code}: {told:?}"), holds);
}

/// People scan what this crowd shows, until so many have logged in; what has come of it by then.
async fn all_log_in(stage: &Stage<RedisServer>, crowd: &Crowd, logins: u64) -> Tally {
    let (phones, load) = (stage.phones(), stage.load);
    let tally = || crowd.ledger().tally(load.late_after);
    let are_in = async {
        while tally().delivered < logins {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = crowd.scan(&phones, load.rate) => {}
        _ = timeout(DONE_WITHIN, are_in) => {}
    }
    phones.are_done().await;
    crowd.comes_through(DONE_WITHIN).await;
    tally()
}
