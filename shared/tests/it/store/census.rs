//! Which gateways there are, and how many pages each holds.

use std::time::Duration;

use scenecast_shared::{
    store::{Census, Report, StoreError},
    testing::RedisServer,
};

use super::{Pods, over_every_backend, store};
use crate::{backend::Backend, fixtures::until};

over_every_backend! { every_gateway_hears_what_all_say_last }

fn holding(held: usize) -> Report {
    Report { held, version: "1".to_owned(), leaving: false }
}

/// What each holds, the least first.
async fn told(census: &mut Census, report: &Report) -> Vec<usize> {
    let mut held: Vec<_> =
        census.tell(report).await.unwrap().into_values().map(|report| report.unwrap().held).collect();
    held.sort_unstable();
    held
}

async fn every_gateway_hears_what_all_say_last(pods: Pods) {
    let (mut here, mut there) = (Census::new(pods.here.clone()), Census::new(pods.there.clone()));
    assert_eq!(told(&mut here, &holding(7)).await, [7]);
    assert_eq!(told(&mut there, &holding(300)).await, [7, 300]);
    assert_eq!(told(&mut here, &holding(8)).await, [8, 300]);
    let leaving = Report { leaving: true, ..holding(2) };
    let said = there.tell(&leaving).await.unwrap();
    assert!(said.values().any(|report| *report == Some(leaving.clone())), "{said:?}");
}

#[tokio::test]
async fn whoever_falls_silent_is_not_counted_and_in_the_end_struck_off() {
    let pods = Pods::over(Backend::memory().await);
    let (mut here, mut there) = (Census::new(pods.here.clone()), Census::new(pods.there.clone()));
    tokio::time::pause();
    told(&mut there, &holding(300)).await;
    for seconds in 0..60 {
        let expected = if seconds < 15 { vec![7, 300] } else { vec![7] };
        assert_eq!(told(&mut here, &holding(7)).await, expected, "after {seconds} s");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let mut newcomer = Census::new(pods.here.clone());
    assert_eq!(told(&mut newcomer, &holding(0)).await, [0, 7], "who was silent is forgotten");
    assert_eq!(told(&mut there, &holding(300)).await, [0, 7, 300], "and counted again once it speaks");
}

#[tokio::test]
async fn what_another_version_says_is_counted_and_not_understood() {
    let server = RedisServer::start().await;
    let mut census = Census::new(store(&server.url()));
    for (pod, words) in [("future", "1 [7, 8]"), ("garbage", "\u{1}")] {
        server.cli(&["HSET", "census:gateways", pod, words]).await.unwrap();
    }
    let said = census.tell(&holding(7)).await.unwrap();
    assert_eq!((said.len(), &said["future"], &said["garbage"]), (3, &None, &None), "{said:?}");
}

#[tokio::test]
async fn while_redis_is_away_nothing_is_known() {
    let mut server = RedisServer::start().await;
    let mut census = Census::new(store(&server.url()));
    told(&mut census, &holding(7)).await;
    server.stop().await;
    assert!(matches!(census.tell(&holding(7)).await, Err(StoreError::Undecided(_))));
    server.restart_empty().await;
    server.cli(&["SET", "census:gateways", "not ours"]).await.unwrap();
    until("it is refused", async || census.tell(&holding(7)).await == Err(StoreError::Malformed("type"))).await;
}
