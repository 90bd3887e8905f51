//! The records of people, changed by many pods at a time.

use std::time::Duration;

use scenecast_bus::StoreError;
use scenecast_callback::stores::{User, Users};
use scenecast_scene::{DeliveryId, Profile};
use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisServer, until};

use super::{Pods, account, ann, at_once, bo, other, over_every_backend, store};

const NOW: u64 = 1_800_000_000_000;
const YEAR: i64 = 365 * 24 * 60 * 60;

over_every_backend! {
    a_record_is_read_by_each_pod_and_only_in_its_account
    no_change_of_many_at_once_is_lost
    one_delivery_at_once_on_many_pods_counts_once
    a_record_may_have_changed_since_it_was_read
    only_an_existing_record_is_changed
    a_record_expires_a_year_after_its_last_change
    records_may_be_kept_for_ever
}

fn delivery(n: usize) -> DeliveryId {
    DeliveryId::of(&[&n.to_string()])
}

fn of_a_year(pods: &Pods) -> (Users, Users) {
    let users = |store| Users::new(store, Some(Users::LIFE));
    (users(pods.here.clone()), users(pods.there.clone()))
}

async fn a_record_is_read_by_each_pod_and_only_in_its_account(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    assert_eq!(there.find(&account(), &ann()).await, Ok(None));
    let (user, logins) = here
        .upsert(&account(), &ann(), NOW, |user| {
            user.set_followed(1_800_000_000);
            user.set_profile(Some("union".to_owned()), Profile::default(), NOW);
            user.count_login(delivery(1), NOW)
        })
        .await
        .unwrap();
    assert_eq!((user.logins, logins), (1, 1));
    assert_eq!(there.find(&account(), &ann()).await, Ok(Some(user)));
    assert_eq!(there.find(&account(), &bo()).await, Ok(None));
    assert_eq!(there.find(&other(), &ann()).await, Ok(None));
    if let Some(stored) = pods.cli(&["GET", "user:demo:oAnn"]).await {
        assert!(stored.contains("union") && !stored.contains("oAnn"), "the openid is in the name only: {stored}");
    }
}

async fn no_change_of_many_at_once_is_lost(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    let mut counted = at_once(50, &here, &there, |users, n| async move {
        let change = |user: &mut User| user.count_login(delivery(n), NOW);
        users.upsert(&account(), &ann(), NOW, change).await.unwrap().1
    })
    .await;
    counted.sort_unstable();
    assert_eq!(counted, (1..=50).collect::<Vec<_>>());
    assert_eq!(there.find(&account(), &ann()).await.unwrap().unwrap().logins, 50);
}

async fn one_delivery_at_once_on_many_pods_counts_once(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    let counted = at_once(20, &here, &there, |users, _| async move {
        users.upsert(&account(), &ann(), NOW, |user| user.count_login(delivery(1), NOW)).await.unwrap().1
    })
    .await;
    assert_eq!(counted, [1; 20]);
}

async fn a_record_may_have_changed_since_it_was_read(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    let logs_in = async |users: &Users, found: Option<&User>, n| {
        let met = users.upsert_from(&account(), &ann(), found, NOW, |user| user.count_login(delivery(n), NOW)).await;
        met.unwrap().1
    };
    assert_eq!(logs_in(&here, None, 1).await, 1);
    let found = there.find(&account(), &ann()).await.unwrap();
    assert_eq!(logs_in(&there, found.as_ref(), 2).await, 2);
    assert_eq!(logs_in(&here, found.as_ref(), 3).await, 3, "it was found before the second");
    assert_eq!(logs_in(&here, None, 4).await, 4, "nobody was found before the first");
    assert_eq!(logs_in(&there, found.as_ref(), 4).await, 4);
}

async fn only_an_existing_record_is_changed(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    assert_eq!(here.change(&account(), &ann(), |user| user.set_registered(true)).await, Ok(None));
    assert_eq!(there.find(&account(), &ann()).await, Ok(None));
    here.upsert(&account(), &ann(), NOW, |_| ()).await.unwrap();
    let changed = here.change(&account(), &ann(), |user| user.set_registered(true)).await.unwrap();
    assert!(changed.unwrap().registered);
    assert!(there.find(&account(), &ann()).await.unwrap().unwrap().registered);
}

async fn a_record_expires_a_year_after_its_last_change(pods: Pods) {
    let (here, _) = of_a_year(&pods);
    here.upsert(&account(), &ann(), NOW, |_| ()).await.unwrap();
    if let Some(expires) = pods.cli(&["EXPIRE", "user:demo:oAnn", "1000"]).await {
        assert_eq!(expires, "1");
        here.upsert(&account(), &ann(), NOW, |_| ()).await.unwrap();
        assert!(pods.life("user:demo:oAnn").await <= Some(1000), "nothing was changed");
        here.upsert(&account(), &ann(), NOW, |user| user.set_registered(true)).await.unwrap();
        assert!((YEAR - 60..=YEAR).contains(&pods.life("user:demo:oAnn").await.unwrap()));
    }
    pods.pass(Users::LIFE, "user:demo:oAnn").await;
    assert_eq!(here.find(&account(), &ann()).await, Ok(None));
}

async fn records_may_be_kept_for_ever(pods: Pods) {
    let users = Users::new(pods.here.clone(), None);
    users.upsert(&account(), &ann(), NOW, |_| ()).await.unwrap();
    match pods.life("user:demo:oAnn").await {
        Some(life) => assert_eq!(life, -1),
        None => {
            tokio::time::pause();
            tokio::time::advance(100 * Users::LIFE).await;
            assert!(users.find(&account(), &ann()).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn a_value_of_other_software_is_malformed_and_not_overwritten() {
    let server = RedisServer::start().await;
    let users = Users::new(store(&server.url()), None);
    server.cli(&["SET", "user:demo:oAnn", "nonsense"]).await.unwrap();
    server.cli(&["HSET", "user:demo:oBo", "a", "b"]).await.unwrap();
    for (who, what) in [(ann(), "user"), (bo(), "type")] {
        let is_malformed =
            |error: &StoreError| matches!(error, StoreError::Malformed { what: found, .. } if *found == what);
        let found = users.find(&account(), &who).await;
        assert!(found.as_ref().is_err_and(is_malformed), "{found:?}");
        let stored = users.upsert(&account(), &who, NOW, |_| ()).await;
        assert!(stored.as_ref().is_err_and(is_malformed), "{stored:?}");
    }
    assert_eq!(server.cli(&["GET", "user:demo:oAnn"]).await.unwrap(), "nonsense");
}

#[tokio::test]
async fn a_login_whose_answer_was_lost_counts_once() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::start(&server).await;
    let users = Users::new(store(&wire.url()), Some(Users::LIFE));
    let log_in = async |users: &Users, n| {
        users.upsert(&account(), &ann(), NOW, |user| user.count_login(delivery(n), NOW)).await.map(|(_, logins)| logins)
    };
    assert_eq!(log_in(&users, 1).await, Ok(1));
    wire.clear_recording();
    wire.hold_responses_after("EVALSHA");
    let again = users.clone();
    let logging_in = tokio::spawn(async move { log_in(&again, 2).await });
    // Redis has made the change, and says so.
    wire.until_seen(1, Direction::ToClient, ":1\r\n").await;
    wire.refuse_connections();
    wire.set_mode(Direction::ToClient, ProxyMode::Pass);
    wire.accept_again();
    assert_eq!(logging_in.await.unwrap(), Ok(2));
    assert_eq!(users.find(&account(), &ann()).await.unwrap().unwrap().logins, 2);
}

#[tokio::test]
async fn a_change_that_redis_does_not_answer_is_undecided_and_can_be_made_again() {
    let server = RedisServer::start().await;
    let users = Users::new(store(&server.url()), Some(Users::LIFE));
    let log_in = async || users.upsert(&account(), &ann(), NOW, |user| user.count_login(delivery(1), NOW)).await;
    server.pause();
    let unanswered = tokio::time::timeout(Duration::from_secs(5), log_in()).await.expect("in time");
    assert!(matches!(unanswered, Err(StoreError::Undecided(_))), "{unanswered:?}");
    server.resume();
    until("Redis answers", async || log_in().await.is_ok_and(|(_, logins)| logins == 1)).await;
}
