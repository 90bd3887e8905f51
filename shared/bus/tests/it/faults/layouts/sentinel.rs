//! A primary under Sentinel dies, freezes, or is cut off.

use scenecast_bus::BusError;
use scenecast_testing::{CALLBACK_PASSWORD, RedisSentinels, until};

use crate::{
    faults::{Logins, delivery, login},
    fixtures::{callback, cause, redis_name, scene},
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
async fn logins_go_on_while_all_sentinels_are_away() {
    let mut sentinels = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&sentinels, 100).await;
    for sentinel in 0..3 {
        sentinels.sentinel_mut(sentinel).stop().await;
    }
    logins.log_in(0..100).await;
    logins.assert_all_logged_in().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_sees_only_the_old_primary_accepts_nothing() {
    let sentinels = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&sentinels, 20).await;
    // This callback knows only one Sentinel, which is frozen during the failover. Nothing tells the old primary about
    // the failover.
    let [one, two, last] = sentinels.sentinels() else { panic!("there are three Sentinels") };
    let only_last = last.url_for("callback", CALLBACK_PASSWORD).replace("redis://", "redis-sentinel://");
    let url = format!("{only_last}?sentinelServiceName=main");
    let (cut_off, _) = callback(&url);
    cut_off.snapshot(scene(0)).await.unwrap().expect("the callback finds the primary, which has the scene");
    last.pause();
    sentinels.server(0).pause();
    let primary = sentinels.until_failed_over(0).await;
    one.pause();
    two.pause();
    sentinels.server(0).resume();
    for n in 0..20 {
        let settled = cut_off.settle(scene(n), &cause(&delivery(n)), &login(n)).await;
        assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
        if n == 0 {
            let stored = sentinels.server(0).cli(&["HGET", &redis_name(scene(n)), "state"]).await;
            assert_eq!(stored.as_deref(), Ok("confirmed"), "the old primary stored it, but that must not count");
        }
    }
    for sentinel in [one, two, last] {
        sentinel.resume();
    }
    assert!(sentinels.server(primary).is_up());
    logins.log_in(0..20).await;
    logins.assert_all_logged_in().await;
}
