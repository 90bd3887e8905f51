//! Access tokens, and the lease to refresh them.

use std::time::Duration;

use scenecast_callback::stores::{StoredToken, TokenStore};
use scenecast_testing::{Direction, ProxyMode, RecordingProxy, RedisServer, until};

use super::{Pods, at_once, over_every_backend, store};
use crate::world::LIFE;

const APP_ID: &str = "wxdemo";
const OTHER_APP_ID: &str = "wxother";

over_every_backend! {
    a_token_is_shared_until_its_life_ends
    one_of_many_gets_the_lease
    a_lease_that_ended_does_not_release_the_next_one
}

async fn a_token_is_shared_until_its_life_ends(pods: Pods) {
    let (here, there) = (TokenStore::new(pods.here), TokenStore::new(pods.there));
    assert!(there.get(APP_ID).await.unwrap().is_none());
    let token = |text: &str| StoredToken { token: text.to_owned(), expires_at: 1_800_000_000_000 };
    here.put(APP_ID, &token("first"), LIFE).await.unwrap();
    assert!(there.get(APP_ID).await.unwrap() == Some(token("first")));
    assert!(there.get(OTHER_APP_ID).await.unwrap().is_none());
    there.put(APP_ID, &token("second"), Duration::from_millis(30)).await.unwrap();
    assert!(here.get(APP_ID).await.unwrap() != Some(token("first")));
    until("its life ends", async || here.get(APP_ID).await.unwrap().is_none()).await;
}

async fn one_of_many_gets_the_lease(pods: Pods) {
    let (here, there) = (TokenStore::new(pods.here), TokenStore::new(pods.there));
    let leases = at_once(50, &here, &there, |store, _| async move { store.lease(APP_ID).await.unwrap() }).await;
    let mut won: Vec<_> = leases.into_iter().flatten().collect();
    let (lease, None) = (won.pop().expect("one gets it"), won.pop()) else { panic!("two got it") };
    assert!(there.lease(OTHER_APP_ID).await.unwrap().is_some(), "each app has its own");
    here.release(APP_ID, lease).await.unwrap();
    assert!(there.lease(APP_ID).await.unwrap().is_some());
}

async fn a_lease_that_ended_does_not_release_the_next_one(pods: Pods) {
    let (here, there) = (TokenStore::new(pods.here.clone()), TokenStore::new(pods.there.clone()));
    let late = here.lease(APP_ID).await.unwrap().expect("the right");
    // The refresh takes too long.
    pods.pass(Duration::from_secs(10), "token-lease:wxdemo").await;
    assert!(there.lease(APP_ID).await.unwrap().is_some());
    here.release(APP_ID, late).await.unwrap();
    assert!(here.lease(APP_ID).await.unwrap().is_none(), "the other pod still has it");
}

#[tokio::test]
async fn a_lease_is_granted_although_its_answer_was_lost() {
    let server = RedisServer::start().await;
    let wire = RecordingProxy::start(&server).await;
    let tokens = TokenStore::new(store(&wire.url()));
    assert!(tokens.get(APP_ID).await.unwrap().is_none());
    wire.clear_recording();
    wire.hold_responses_after("token-lease:wxdemo");
    let leasing = tokio::spawn(async move { tokens.lease(APP_ID).await });
    wire.until_seen(1, Direction::ToClient, "_\r\n").await;
    // The client asks again on its next connection, and finds its own lease.
    wire.refuse_connections();
    wire.set_mode(Direction::ToClient, ProxyMode::Pass);
    wire.accept_again();
    assert!(leasing.await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn without_redis_each_call_is_an_error() {
    let mut server = RedisServer::start().await;
    let tokens = TokenStore::new(store(&server.url()));
    server.stop().await;
    assert!(tokens.get(APP_ID).await.is_err());
    assert!(tokens.lease(APP_ID).await.is_err());
}
