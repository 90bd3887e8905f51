//! The replay guard.

use ReplayVerdict::{Forged, Forgotten, Genuine};
use scenecast_callback::stores::{ReplayGuard, ReplayVerdict, SignedContent};
use scenecast_testing::{CALLBACK_PASSWORD, RedisServer, until};

use super::{Pods, over_every_backend, store};
use crate::world::unix_now;

const BODY: SignedContent<'_> = SignedContent::Body(b"body");
const ANOTHER: SignedContent<'_> = SignedContent::Body(b"another");

over_every_backend! { a_signature_is_accepted_with_one_content }

async fn a_signature_is_accepted_with_one_content(pods: Pods) {
    let (here, there) = (ReplayGuard::new(pods.here), ReplayGuard::new(pods.there));
    let now = unix_now().as_secs();
    assert_eq!(here.claim("s", now, BODY).await, Ok(Genuine));
    assert_eq!(there.claim("s", now, BODY).await, Ok(Genuine), "a redelivery");
    for content in [ANOTHER, SignedContent::Echo("body"), SignedContent::TooLong, SignedContent::Body(b"")] {
        assert_eq!(there.claim("s", now, content).await, Ok(Forged), "{content:?}");
    }
    assert_eq!(there.claim("t", now, ANOTHER).await, Ok(Genuine), "another signature");
    for (signature, first) in [("u", SignedContent::Echo("echo")), ("v", SignedContent::TooLong)] {
        assert_eq!(here.claim(signature, now, first).await, Ok(Genuine));
        assert_eq!(there.claim(signature, now, SignedContent::Body(b"echo")).await, Ok(Forged));
    }
}

#[tokio::test]
async fn a_signature_that_was_used_before_redis_lost_it_is_good_for_no_other_content() {
    for loses_by_a_restart in [false, true] {
        let mut server = RedisServer::start().await;
        let guard = ReplayGuard::new(store(&server.url_for("callback", CALLBACK_PASSWORD)));
        let before = unix_now().as_secs();
        assert_eq!(guard.claim("s", before, BODY).await, Ok(Genuine));
        server.kill_clients("user callback").await;
        until("a lost connection alone says nothing", async || guard.claim("s", before, BODY).await == Ok(Genuine))
            .await;
        if loses_by_a_restart {
            server.restart_empty().await;
        } else {
            server.cli(&["FLUSHALL"]).await.unwrap();
        }
        until("Redis is back", async || guard.claim("s", before, ANOTHER).await.is_ok()).await;
        for _ in ["an attacker sends it again", "and again"] {
            assert_eq!(guard.claim("s", before, ANOTHER).await, Ok(Forgotten));
        }
        assert_eq!(guard.claim("s", before, BODY).await, Ok(Forged), "what came first since is known");
        let later = unix_now().as_secs() + 1;
        assert_eq!(guard.claim("t", later, BODY).await, Ok(Genuine), "it can't have been used before");
        assert_eq!(guard.claim("t", later, ANOTHER).await, Ok(Forged));
    }
}

/// Another pod had claimed it, and nobody was connected when that was lost.
#[tokio::test]
async fn a_signature_that_redis_lost_before_a_pod_first_saw_it_is_good_for_no_other_content() {
    let mut server = RedisServer::start().await;
    let url = server.url_for("callback", CALLBACK_PASSWORD);
    let used_at = unix_now().as_secs();
    assert_eq!(ReplayGuard::new(store(&url)).claim("s", used_at, BODY).await, Ok(Genuine));
    server.stop().await;
    let guard = ReplayGuard::new(store(&url));
    assert!(guard.claim("s", used_at, ANOTHER).await.is_err(), "there is no Redis");
    server.restart_empty().await;
    until("Redis is back", async || guard.claim("s", used_at, ANOTHER).await.is_ok()).await;
    assert_eq!(guard.claim("s", used_at, ANOTHER).await, Ok(Forgotten));
}

#[tokio::test]
async fn a_pod_believes_no_signature_that_is_older_than_the_pod() {
    let server = RedisServer::start().await;
    let guards = [store(&server.url()), scenecast_bus::Store::over(None)].map(ReplayGuard::new);
    for guard in guards {
        let long_before = unix_now().as_secs() - 60;
        assert_eq!(guard.claim("s", long_before, BODY).await, Ok(Forgotten));
        assert_eq!(
            guard.claim("t", unix_now().as_secs() - 5, BODY).await,
            Ok(Genuine),
            "perhaps another pod just died"
        );
    }
}
