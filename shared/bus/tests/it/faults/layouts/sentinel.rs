//! A primary under Sentinel dies, freezes, or is cut off.

use scenecast_bus::BusError;
use scenecast_testing::{RedisSentinels, RedisServer, until};

use crate::{
    faults::{Logins, delivery, login},
    fixtures::{cause, redis_name, scene},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_the_primary_dies() {
    let mut sentinels = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&sentinels, 400).await;
    logins.log_in(0..100).await;
    tokio::join!(logins.log_in(100..300), sentinels.server_mut(0).stop());
    sentinels.until_failed_over(0).await;
    sentinels.server_mut(0).restart().await;
    logins.log_in(300..400).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_accepted_login_is_lost_when_a_frozen_primary_wakes_up_after_its_failover() {
    let sentinels = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&sentinels, 400).await;
    // A login is accepted only once the replicas have everything before it, so they have all scenes now.
    logins.log_in(0..1).await;
    sentinels.server(0).pause();
    logins.log_in(1..200).await;
    sentinels.until_failed_over(0).await;
    sentinels.server(0).resume();
    logins.log_in(200..400).await;
    sentinels.server(0).until_in_sync().await;
    logins.assert_all_logged_in().await;
}

#[tokio::test]
async fn a_settle_is_undecided_while_a_replica_that_may_be_promoted_lacks_it() {
    let sentinels = RedisSentinels::start().await;
    until("a Sentinel knows that both replicas replicate", async || {
        let replicas = sentinels.sentinels()[0].cli(&["SENTINEL", "REPLICAS", "main"]).await.unwrap();
        let lines: Vec<_> = replicas.lines().collect();
        lines.windows(2).filter(|pair| pair[0] == "slave-repl-offset" && pair[1] != "0").count() == 2
    })
    .await;
    let mut logins = Logins::under_sentinels(&sentinels, 2).await;
    logins.log_in(0..1).await;
    sentinels.server(1).pause();
    let settled = logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
    assert!(
        matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)),
        "the acknowledgement of the other replica isn't enough: {settled:?}"
    );
    logins.log_in(1..2).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_fewer_than_half_of_the_sentinels_answer_no_login_is_accepted() {
    let mut sentinels = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&sentinels, 100).await;
    sentinels.sentinel_mut(0).stop().await;
    logins.log_in(0..20).await;
    sentinels.sentinel_mut(1).stop().await;
    let mut accepted = 20;
    until("no login is accepted", async || {
        let settled = logins.callback.settle(scene(accepted), &cause(&delivery(accepted)), &login(accepted)).await;
        accepted += u128::from(settled.is_ok());
        settled.is_err()
    })
    .await;
    sentinels.sentinel_mut(1).restart().await;
    logins.log_in(0..100).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_are_not_configured_are_found_and_asked() {
    let mut sentinels = RedisSentinels::start().await;
    let [first, ..] = sentinels.sentinels() else { panic!("there are three Sentinels") };
    let one = format!("{}?sentinelServiceName=main", first.url().replace("redis://", "redis-sentinel://"));
    // The second name leads to the same Sentinel.
    let twice = format!("{one}&node=localhost:{}", first.port());
    for (pages, url) in [(0..10, one), (10..20, twice)] {
        let mut logins = Logins::start(&url, pages.end).await;
        logins.log_in(0..pages.end).await;
        logins.assert_all_logged_in().await;
    }
    sentinels.sentinel_mut(2).stop().await;
    let logins = Logins::start(&sentinels.url(), 30).await;
    logins.log_in(20..30).await;
}

#[tokio::test]
async fn a_replica_that_is_never_promoted_does_not_stand_in_for_one_that_may_be() {
    let sentinels = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&sentinels, 2).await;
    logins.log_in(0..1).await;
    // Sentinels don't learn of this replica. WAIT counts it all the same.
    let unannounced = RedisServer::start_unannounced_replica_of(sentinels.server(0)).await;
    sentinels.server(1).pause();
    let settled = logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
    assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
    let stored = unannounced.cli(&["HGET", &redis_name(scene(1)), "state"]).await;
    assert_eq!(stored.as_deref(), Ok("confirmed"), "this replica has it");
    sentinels.server(1).resume();
    logins.log_in(1..2).await;
    logins.assert_all_logged_in().await;
}
