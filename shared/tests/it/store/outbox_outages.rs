//! The outbox while Redis is away, restarted, emptied, or holds what isn't ours.

use std::time::Duration;

use scenecast_shared::{
    store::{Outbox, Posted, Room, StoreError},
    testing::{Flow, RedisServer, Way},
};
use tokio::time::timeout;

use super::{
    outbox::{AT_ONCE, due, letter, letters, new, put},
    store,
};
use crate::{
    fixtures::{account, until},
    wire::Wire,
};

fn outbox(url: &str) -> Outbox {
    Outbox::new(store(url), Room::default())
}

#[tokio::test]
async fn letters_and_who_has_them_are_still_known_after_a_restart() {
    let mut server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    put(&outbox, 0..2).await;
    let taken = new(&outbox, 1).await;
    server.stop().await;
    server.restart().await;
    until("Redis answers", async || outbox.waiting(&account()).await == Ok(2)).await;
    assert_eq!(letters(&new(&outbox, 10).await), [letter(1)]);
    assert_eq!(letters(&due(&outbox, AT_ONCE).await), [letter(0), letter(1)]);
    outbox.done(&taken[0]).await.unwrap();
    assert_eq!(letters(&due(&outbox, AT_ONCE).await), [letter(1)]);
}

#[tokio::test]
async fn a_redis_that_lost_its_data_takes_letters_again() {
    let mut server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    put(&outbox, 0..1).await;
    let taken = new(&outbox, 1).await;
    server.restart_empty().await;
    until("Redis answers", async || outbox.waiting(&account()).await == Ok(0)).await;
    assert_eq!(due(&outbox, AT_ONCE).await, []);
    outbox.done(&taken[0]).await.unwrap();
    put(&outbox, 1..2).await;
    assert_eq!(letters(&new(&outbox, 10).await), [letter(1)]);
}

#[tokio::test]
async fn a_letter_that_redis_does_not_take_is_undecided_and_can_be_put_again() {
    let server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    server.pause();
    let unanswered = timeout(Duration::from_secs(5), outbox.put(&letter(0))).await.expect("in time");
    assert!(matches!(unanswered, Err(StoreError::Undecided(_))), "{unanswered:?}");
    server.resume();
    until("Redis answers", async || outbox.put(&letter(0)).await == Ok(Posted::Waits)).await;
    let given = letters(&new(&outbox, 10).await);
    assert!(!given.is_empty() && given.iter().all(|given| *given == letter(0)), "{given:?}");
}

#[tokio::test]
async fn letters_whose_giving_out_was_not_heard_are_given_again() {
    let server = RedisServer::start().await;
    let wire = Wire::to(&server).await;
    let (here, there) = (outbox(&wire.url()), outbox(&server.url()));
    assert_eq!(new(&here, 1).await, []);
    put(&there, 0..2).await;
    wire.flow(Way::Back, Flow::Swallow);
    assert!(here.take_new(&account(), 1).await.is_err());
    until("they are out", async || !due(&there, AT_ONCE).await.is_empty()).await;
    wire.close();
    new(&there, 10).await;
    assert_eq!(letters(&due(&there, AT_ONCE).await), [letter(0), letter(1)]);
}

#[tokio::test]
async fn what_is_no_letter_is_dead_and_stops_no_other() {
    let server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    for fields in [&["letter", "{}"][..], &["letter", "nonsense"], &["another", "field"], &["a", "1", "b", "2"]] {
        server.cli(&[&["XADD", "outbox:demo", "*"], fields].concat()).await.unwrap();
    }
    let not_text = "return redis.call('XADD', KEYS[1], '*', 'letter', '\\255')";
    server.cli(&["EVAL", not_text, "1", "outbox:demo"]).await.unwrap();
    put(&outbox, 0..1).await;
    assert_eq!(letters(&new(&outbox, 10).await), [letter(0)]);
    assert_eq!((outbox.waiting(&account()).await, outbox.dead(&account()).await), (Ok(1), Ok(5)));
}

#[tokio::test]
async fn a_key_that_is_no_stream_is_said_to_be_none() {
    let server = RedisServer::start().await;
    let outbox = outbox(&server.url());
    server.cli(&["SET", "outbox:demo", "a string"]).await.unwrap();
    assert_eq!(outbox.put(&letter(0)).await, Err(StoreError::Malformed("type")));
    assert_eq!(outbox.take_new(&account(), 1).await, Err(StoreError::Malformed("type")));
    assert_eq!(outbox.waiting(&account()).await, Err(StoreError::Malformed("type")));
}
