//! The primary that Sentinels watch over dies, freezes, or is cut off.

use scenecast_bus::BusError;
use scenecast_testing::{RedisSentinels, until};

use super::{Logins, delivery, login};
use crate::fixtures::{callback, cause, name, scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_while_the_primary_dies() {
    let mut site = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&site, 400).await;
    logins.log_in(0..100).await;
    tokio::join!(logins.log_in(100..300), site.server_mut(0).stop());
    site.until_failed_over(0).await;
    site.server_mut(0).restart().await;
    logins.log_in(300..400).await;
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_wakes_up_after_its_failover_has_accepted_nothing_that_is_lost() {
    let site = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&site, 400).await;
    // What was opened before it is on the replicas, too.
    logins.log_in(0..1).await;
    site.server(0).pause();
    logins.log_in(1..200).await;
    site.until_failed_over(0).await;
    site.server(0).resume();
    logins.log_in(200..400).await;
    site.server(0).until_linked().await;
    logins.have_all_arrived().await;
}

#[tokio::test]
async fn what_a_replica_lacks_that_may_be_promoted_is_undecided_until_it_is_given_up() {
    let site = RedisSentinels::start().await;
    until("a Sentinel knows that both follow", async || {
        let said = site.sentinels()[0].cli(&["SENTINEL", "REPLICAS", "main"]).await.unwrap();
        let lines: Vec<_> = said.lines().collect();
        lines.windows(2).filter(|pair| pair[0] == "slave-repl-offset" && pair[1] != "0").count() == 2
    })
    .await;
    let mut logins = Logins::under_sentinels(&site, 2).await;
    logins.log_in(0..1).await;
    site.server(1).pause();
    let settled = logins.callback.settle(scene(1), &cause(&delivery(1)), &login(1)).await;
    assert!(
        matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)),
        "the other replica's word isn't enough: {settled:?}"
    );
    logins.log_in(1..2).await;
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_without_any_sentinel() {
    let mut site = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&site, 100).await;
    for sentinel in 0..3 {
        site.sentinel_mut(sentinel).stop().await;
    }
    logins.log_in(0..100).await;
    logins.have_all_arrived().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_on_the_wrong_side_of_a_partition_accepts_nothing() {
    let site = RedisSentinels::start().await;
    let mut logins = Logins::under_sentinels(&site, 20).await;
    // It knows one Sentinel, which sleeps through the failover; and nobody tells the old primary.
    let [one, two, last] = site.sentinels() else { panic!("there are three") };
    let alone = format!("redis-sentinel://127.0.0.1:{}?sentinelServiceName=main", last.port());
    let (cut_off, _) = callback(&alone);
    cut_off.snapshot(scene(0)).await.unwrap().expect("it sees the scene");
    last.pause();
    site.server(0).pause();
    let primary = site.until_failed_over(0).await;
    one.pause();
    two.pause();
    site.server(0).resume();
    for n in 0..20 {
        let settled = cut_off.settle(scene(n), &cause(&delivery(n)), &login(n)).await;
        assert!(matches!(settled, Err(BusError::Undecided(_) | BusError::TimedOut)), "{settled:?}");
        if n == 0 {
            let stored = site.server(0).cli(&["HGET", &name(scene(n)), "state"]).await;
            assert_eq!(stored.as_deref(), Ok("confirmed"), "it reached the old primary, which was worth nothing");
        }
    }
    for sentinel in [one, two, last] {
        sentinel.resume();
    }
    assert!(site.server(primary).is_up());
    logins.log_in(0..20).await;
    logins.have_all_arrived().await;
}
