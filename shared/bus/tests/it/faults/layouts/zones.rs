//! A zone is cut off, with the pods in it or outside of it.

use std::time::Duration;

use scenecast_bus::{BusError, Store, StoreError};
use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_testing::{CALLBACK_PASSWORD, ClientSide, CutOffZone, RedisSentinels};

use crate::{
    faults::{Logins, delivery, login},
    fixtures::{callback, cause, opening, redis_name, scene},
};

/// Some seconds longer than a replica that is down still has to acknowledge, so that logins have time to be accepted.
const GIVEN_UP: Duration = Duration::from_secs(8);
const PAGES: u128 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_are_cut_off_with_the_primary_accept_nothing() {
    cut_off_with_pods(&[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_are_cut_off_with_the_primary_and_one_replica_accept_nothing() {
    cut_off_with_pods(&[0, 1]).await;
}

/// Cuts these servers off, with a Sentinel and the pods, until the others have failed over and the Sentinel has given
/// the replicas up that it doesn't reach.
async fn cut_off_with_pods(servers: &[usize]) {
    let sentinels = RedisSentinels::start_partitionable().await;
    let mut logins = Logins::under_sentinels(&sentinels, PAGES).await;
    logins.log_in(0..1).await;
    sentinels.cut_off(CutOffZone { servers, sentinels: &[2], clients: ClientSide::CutOff });
    let over = async {
        sentinels.until_failed_over_at(&[0, 1], 0).await;
        sentinels.until_replica_is_down_at(2, 2, GIVEN_UP).await;
    };
    let accepted = logins.try_to_log_in(1..PAGES, over).await;
    sentinels.heal();
    assert_eq!(accepted, [0_u128; 0]);
    sentinels.server(0).until_in_sync().await;
    logins.log_in(1..PAGES).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_on_the_other_side_lose_nothing_when_the_primary_is_cut_off() {
    let sentinels = RedisSentinels::start_partitionable().await;
    let mut logins = Logins::under_sentinels(&sentinels, PAGES).await;
    logins.log_in(0..1).await;
    sentinels.cut_off(CutOffZone { servers: &[0], sentinels: &[2], clients: ClientSide::Rest });
    logins.log_in(1..PAGES / 2).await;
    sentinels.heal();
    logins.log_in(PAGES / 2..PAGES).await;
    sentinels.server(0).until_in_sync().await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_replaced_gives_no_final_answer() {
    const LATER: u128 = 7_000;
    const LIFE: Duration = Duration::from_secs(60);
    let sentinels = RedisSentinels::start_partitionable().await;
    let logins = Logins::under_sentinels(&sentinels, 2).await;
    logins.log_in(0..1).await;
    let url = sentinels.url_for("callback", CALLBACK_PASSWORD);
    let connect = || Store::over(Some(Redis::connect(&url.parse().unwrap(), &Metrics::new())));
    let site = connect();
    site.put("user:demo:ann", "not registered".to_owned(), LIFE).await.unwrap();
    assert_eq!(site.find_current("user:demo:ann").await, Ok(Some("not registered".to_owned())));
    // The primary and a Sentinel know nothing of the failover, nor does a callback that is started among them later.
    let zone = CutOffZone { servers: &[0], sentinels: &[2], clients: ClientSide::Rest };
    sentinels.cut_off(zone);
    sentinels.until_failed_over_at(&[0, 1], 0).await;
    logins.log_in(1..2).await;
    logins.callback.open(scene(LATER), &opening()).await.unwrap();
    site.put("user:demo:ann", "registered".to_owned(), LIFE).await.unwrap();
    sentinels.cut_off(CutOffZone { clients: ClientSide::CutOff, ..zone });

    let (restarted, _) = callback(&url);
    let known = restarted.snapshot(scene(0)).await.unwrap();
    known.expect("the callback reads at the old primary, which has this scene");
    let unknown = restarted.settle(scene(LATER), &cause(&delivery(LATER)), &login(LATER)).await;
    assert!(matches!(unknown, Err(BusError::Undecided(_) | BusError::TimedOut)), "{unknown:?}");
    let applied = restarted.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
    assert!(matches!(applied, Err(BusError::Undecided(_) | BusError::TimedOut)), "{applied:?}");
    let stored = sentinels.server(0).cli(&["HGET", &redis_name(scene(1)), "state"]).await;
    assert_eq!(stored.as_deref(), Ok("open"), "nothing is written where it can't count, so no page hears of it");
    let refused = restarted.settle(scene(0), &cause("another"), &login(1)).await;
    assert!(matches!(refused, Err(BusError::Undecided(_) | BusError::TimedOut)), "{refused:?}");
    let absent = restarted.snapshot(scene(LATER)).await;
    assert!(matches!(absent, Err(BusError::Undecided(_) | BusError::TimedOut)), "{absent:?}");
    let store = connect();
    assert_eq!(store.get("user:demo:ann").await, Ok(Some("not registered".to_owned())), "what was true before");
    let outdated = store.find_current("user:demo:ann").await;
    assert!(matches!(outdated, Err(StoreError::Undecided(_))), "{outdated:?}");
    let absent = store.find("code:demo:12345678").await;
    assert!(matches!(absent, Err(StoreError::Undecided(_))), "{absent:?}");
    let absent = store.get_once("pending:demo:ann", "answer", LIFE).await;
    assert!(matches!(absent, Err(StoreError::Undecided(_))), "{absent:?}");
    assert_eq!(store.get("code:demo:12345678").await, Ok(None), "what isn't final may be read");

    sentinels.heal();
    sentinels.server(0).until_in_sync().await;
    let stored = sentinels.server(0).cli(&["HGET", &redis_name(scene(LATER)), "state"]).await;
    assert_eq!(stored.as_deref(), Ok("open"), "the scene was there all the time");
}
