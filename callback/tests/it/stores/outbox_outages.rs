//! The outbox while Redis is away, restarted, emptied, or holds values that aren't ours.

use std::time::Duration;

use scenecast_bus::StoreError;
use scenecast_callback::stores::{Outbox, OutboxCapacity, PutOutcome, ROLLOUT};
use scenecast_scene::time::unix_now;
use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisServer, until};
use tokio::time::timeout;

use super::{
    account,
    outbox::{AT_ONCE, due, event, events, new, put},
    store,
};

fn outbox(url: &str) -> Outbox {
    Outbox::new(store(url), OutboxCapacity::default())
}

#[tokio::test]
async fn events_and_claims_outlive_a_restart_of_redis() {
    let mut server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    put(&outbox, 0..2).await;
    let taken = new(&outbox, 1).await;
    server.stop().await;
    server.restart().await;
    until("Redis answers", async || outbox.waiting(&account()).await == Ok(2)).await;
    assert_eq!(events(&new(&outbox, 10).await), [event(1)]);
    assert_eq!(events(&due(&outbox, AT_ONCE).await), [event(0), event(1)]);
    outbox.remove(&taken[0]).await.unwrap();
    assert_eq!(events(&due(&outbox, AT_ONCE).await), [event(1)]);
}

#[tokio::test]
async fn a_redis_that_lost_its_data_takes_events_again() {
    let mut server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    put(&outbox, 0..1).await;
    let taken = new(&outbox, 1).await;
    server.restart_empty().await;
    until("Redis answers", async || outbox.waiting(&account()).await == Ok(0)).await;
    assert_eq!(due(&outbox, AT_ONCE).await, []);
    outbox.remove(&taken[0]).await.unwrap();
    put(&outbox, 1..2).await;
    assert_eq!(events(&new(&outbox, 10).await), [event(1)]);
}

#[tokio::test]
async fn an_event_that_redis_does_not_confirm_is_undecided_and_can_be_put_again() {
    let server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    server.pause();
    let unanswered = timeout(Duration::from_secs(5), outbox.put(&event(0))).await.expect("in time");
    assert!(matches!(unanswered, Err(StoreError::Undecided(_))), "{unanswered:?}");
    server.resume();
    until("Redis answers", async || outbox.put(&event(0)).await == Ok(PutOutcome::Waiting)).await;
    let given = events(&new(&outbox, 10).await);
    assert!(!given.is_empty() && given.iter().all(|given| *given == event(0)), "{given:?}");
}

#[tokio::test]
async fn events_whose_claim_was_not_answered_are_claimed_again() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::start(&server).await;
    let (here, there) = (outbox(&wire.url()), outbox(&server.url()));
    assert_eq!(new(&here, 1).await, []);
    put(&there, 0..2).await;
    wire.set_mode(Direction::ToClient, ProxyMode::Swallow);
    assert!(here.claim_new(&account(), 1).await.is_err());
    until("they are out", async || !due(&there, AT_ONCE).await.is_empty()).await;
    wire.refuse_connections();
    new(&there, 10).await;
    assert_eq!(events(&due(&there, AT_ONCE).await), [event(0), event(1)]);
}

#[tokio::test]
async fn an_entry_that_can_not_be_read_is_claimed_without_an_event_and_stops_no_other() {
    let server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    for fields in [&["letter", "{}"][..], &["letter", "nonsense"], &["another", "field"], &["a", "1", "b", "2"]] {
        server.cli(&[&["XADD", "outbox:demo", "*"], fields].concat()).await.unwrap();
    }
    let not_text = "return redis.call('XADD', KEYS[1], '*', 'letter', '\\255')";
    server.cli(&["EVAL", not_text, "1", "outbox:demo"]).await.unwrap();
    put(&outbox, 0..1).await;
    let claimed = new(&outbox, 10).await;
    assert_eq!((claimed.len(), events(&claimed)), (6, vec![event(0)]));
    for unreadable in &claimed[..5] {
        assert!(unreadable.may_be_newer(unix_now()), "{unreadable:?} was written just now");
        assert!(!unreadable.may_be_newer(unix_now() + ROLLOUT), "{unreadable:?} is too old after a rollout");
        outbox.bury(unreadable).await.unwrap();
    }
    assert_eq!((outbox.waiting(&account()).await, outbox.dead(&account()).await), (Ok(1), Ok(5)));
}

#[tokio::test]
async fn a_key_that_is_no_stream_is_malformed() {
    let server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    server.cli(&["SET", "outbox:demo", "a string"]).await.unwrap();
    assert!(matches!(outbox.put(&event(0)).await, Err(StoreError::Malformed { .. })));
    assert!(matches!(outbox.claim_new(&account(), 1).await, Err(StoreError::Malformed { .. })));
    assert!(matches!(outbox.waiting(&account()).await, Err(StoreError::Malformed { .. })));
}
