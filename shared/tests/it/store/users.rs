//! What is known of people, changed by many pods at a time.

use std::time::Duration;

use scenecast_shared::{
    scene::{DeliveryId, Profile},
    store::{StoreError, User, Users},
    testing::{Flow, RedisServer, Way},
};

use super::{Pods, ann, at_once, bo, other, over_every_backend, store};
use crate::{fixtures::account, wire::Wire};

const NOW: u64 = 1_800_000_000_000;
const YEAR: i64 = 365 * 24 * 60 * 60;

over_every_backend! {
    somebody_is_known_to_each_pod_of_one_account
    of_many_changes_at_once_none_is_lost
    one_delivery_at_once_on_many_pods_counts_once
    what_was_found_may_have_changed_since
    only_who_is_known_is_changed
    somebody_is_forgotten_a_year_after_the_last_change
    people_may_be_remembered_for_ever
}

fn delivery(n: usize) -> DeliveryId {
    DeliveryId::of(&[&n.to_string()])
}

fn of_a_year(pods: &Pods) -> (Users, Users) {
    let users = |store| Users::new(store, Some(Users::LIFE));
    (users(pods.here.clone()), users(pods.there.clone()))
}

async fn somebody_is_known_to_each_pod_of_one_account(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    assert_eq!(there.find(&account(), &ann()).await, Ok(None));
    let (user, logins) = here
        .meet(&account(), &ann(), NOW, |user| {
            user.followed(1_800_000_000);
            user.profile_told(Some("union".to_owned()), Profile::default(), NOW);
            user.logged_in(delivery(1), NOW)
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

async fn of_many_changes_at_once_none_is_lost(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    let mut counted = at_once(50, &here, &there, |users, n| async move {
        let change = |user: &mut User| user.logged_in(delivery(n), NOW);
        users.meet(&account(), &ann(), NOW, change).await.unwrap().1
    })
    .await;
    counted.sort_unstable();
    assert_eq!(counted, (1..=50).collect::<Vec<_>>());
    assert_eq!(there.find(&account(), &ann()).await.unwrap().unwrap().logins, 50);
}

async fn one_delivery_at_once_on_many_pods_counts_once(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    let counted = at_once(20, &here, &there, |users, _| async move {
        users.meet(&account(), &ann(), NOW, |user| user.logged_in(delivery(1), NOW)).await.unwrap().1
    })
    .await;
    assert_eq!(counted, [1; 20]);
}

async fn what_was_found_may_have_changed_since(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    let logs_in = async |users: &Users, found: Option<&User>, n| {
        let met = users.meet_again(&account(), &ann(), found, NOW, |user| user.logged_in(delivery(n), NOW)).await;
        met.unwrap().1
    };
    assert_eq!(logs_in(&here, None, 1).await, 1);
    let found = there.find(&account(), &ann()).await.unwrap();
    assert_eq!(logs_in(&there, found.as_ref(), 2).await, 2);
    assert_eq!(logs_in(&here, found.as_ref(), 3).await, 3, "it was found before the second");
    assert_eq!(logs_in(&here, None, 4).await, 4, "nobody was found before the first");
    assert_eq!(logs_in(&there, found.as_ref(), 4).await, 4);
}

async fn only_who_is_known_is_changed(pods: Pods) {
    let (here, there) = of_a_year(&pods);
    assert_eq!(here.change(&account(), &ann(), |user| user.registered(true)).await, Ok(None));
    assert_eq!(there.find(&account(), &ann()).await, Ok(None));
    here.meet(&account(), &ann(), NOW, |_| ()).await.unwrap();
    let changed = here.change(&account(), &ann(), |user| user.registered(true)).await.unwrap();
    assert!(changed.unwrap().registered);
    assert!(there.find(&account(), &ann()).await.unwrap().unwrap().registered);
}

async fn somebody_is_forgotten_a_year_after_the_last_change(pods: Pods) {
    let (here, _) = of_a_year(&pods);
    here.meet(&account(), &ann(), NOW, |_| ()).await.unwrap();
    if let Some(expires) = pods.cli(&["EXPIRE", "user:demo:oAnn", "1000"]).await {
        assert_eq!(expires, "1");
        here.meet(&account(), &ann(), NOW, |_| ()).await.unwrap();
        assert!(pods.life("user:demo:oAnn").await <= Some(1000), "nothing was changed");
        here.meet(&account(), &ann(), NOW, |user| user.registered(true)).await.unwrap();
        assert!((YEAR - 60..=YEAR).contains(&pods.life("user:demo:oAnn").await.unwrap()));
    }
    pods.pass(Users::LIFE, "user:demo:oAnn").await;
    assert_eq!(here.find(&account(), &ann()).await, Ok(None));
}

async fn people_may_be_remembered_for_ever(pods: Pods) {
    let users = Users::new(pods.here.clone(), None);
    users.meet(&account(), &ann(), NOW, |_| ()).await.unwrap();
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
async fn what_somebody_else_stored_is_neither_taken_for_nobody_nor_written_over() {
    let server = RedisServer::start().await;
    let users = Users::new(store(&server.url()), None);
    server.cli(&["SET", "user:demo:oAnn", "nonsense"]).await.unwrap();
    server.cli(&["HSET", "user:demo:oBo", "a", "b"]).await.unwrap();
    for (who, what) in [(ann(), "user"), (bo(), "type")] {
        assert_eq!(users.find(&account(), &who).await, Err(StoreError::Malformed(what)));
        let met = users.meet(&account(), &who, NOW, |_| ()).await;
        assert_eq!(met.map(|_| ()), Err(StoreError::Malformed(what)));
    }
    assert_eq!(server.cli(&["GET", "user:demo:oAnn"]).await.unwrap(), "nonsense");
}

#[tokio::test]
async fn a_login_whose_answer_was_lost_counts_once() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let users = Users::new(store(&wire.url()), Some(Users::LIFE));
    let log_in = async |users: &Users, n| {
        users.meet(&account(), &ann(), NOW, |user| user.logged_in(delivery(n), NOW)).await.map(|(_, logins)| logins)
    };
    assert_eq!(log_in(&users, 1).await, Ok(1));
    wire.forget();
    wire.hold_answers_to("EVALSHA");
    let again = users.clone();
    let logging_in = tokio::spawn(async move { log_in(&again, 2).await });
    // Redis has made the change, and says so.
    wire.until_seen(1, Way::Back, ":1\r\n").await;
    wire.close();
    wire.flow(Way::Back, Flow::Pass);
    wire.mend();
    assert_eq!(logging_in.await.unwrap(), Ok(2));
    assert_eq!(users.find(&account(), &ann()).await.unwrap().unwrap().logins, 2);
}

#[tokio::test]
async fn a_change_that_redis_does_not_answer_is_undecided_and_can_be_made_again() {
    let server = RedisServer::start().await;
    let users = Users::new(store(&server.url()), Some(Users::LIFE));
    let log_in = async || users.meet(&account(), &ann(), NOW, |user| user.logged_in(delivery(1), NOW)).await;
    server.pause();
    let unanswered = tokio::time::timeout(Duration::from_secs(5), log_in()).await.expect("in time");
    assert!(matches!(unanswered, Err(StoreError::Undecided(_))), "{unanswered:?}");
    server.resume();
    crate::fixtures::until("Redis answers", async || log_in().await.is_ok_and(|(_, logins)| logins == 1)).await;
}
