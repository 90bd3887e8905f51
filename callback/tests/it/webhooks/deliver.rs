//! Webhooks arrive at the site: signed, in the configured form, at least once, whichever pod dies.

use axum::response::IntoResponse;
use reqwest::StatusCode;
use scenecast_bus::Store;
use scenecast_callback::{
    stores::{OutboxCapacity, User, WebhookEventKind},
    webhooks::UserEvent,
};
use scenecast_scene::time::{unix_now, unix_now_ms};
use scenecast_service::config::Seconds;
use scenecast_testing::RedisServer;
use serde_json::json;
use tokio::{runtime::Runtime, sync::watch, time::timeout};

use super::fixture::{
    Backend, OLD_SECRET, PATIENCE, SECRET, WebhookPod, delivery, event, openid, sent, stores as each_store,
};
use crate::{
    stores,
    world::{logs, name},
};

#[tokio::test]
async fn a_site_gets_what_happened_and_can_verify_the_signature() {
    for (store, _redis) in each_store().await {
        let mut backend = Backend::good().await;
        let pod = WebhookPod::start(&store, backend.json());
        for kind in [WebhookEventKind::Followed, WebhookEventKind::LoggedIn, WebhookEventKind::Unfollowed] {
            pod.publish(kind, 1).await;
            let told = backend.next().await;
            assert_eq!((told.path.as_str(), told.header("content-type")), ("/hook", "application/json"));
            assert_eq!(told.id(), format!("{}-{}", kind.as_str(), delivery(1)));
            assert!(told.header("webhook-timestamp").parse::<u64>().unwrap().abs_diff(unix_now().as_secs()) <= 5);
            assert!(told.verifies(SECRET) && told.verifies(OLD_SECRET), "during a change both secrets sign");
            assert!(!told.verifies("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
            let json = told.json();
            assert_eq!(json["type"], format!("user.{}", kind.as_str()));
            let data = &json["data"];
            assert_eq!((&data["account"], &data["openid"]), (&"demo".into(), &openid(1).as_str().into()));
            assert_eq!((&data["scene"], &data["registered"]), (&"1489132234".into(), &false.into()));
            assert_eq!(data["profile"].is_null(), kind == WebhookEventKind::Unfollowed);
        }
        pod.until_delivered().await;
        assert_eq!((pod.metric(&sent("delivered")), backend.more()), (3, 0));
    }
}

#[tokio::test]
async fn a_hand_made_backend_gets_forms_for_follow_and_unfollow_and_nothing_for_logins() {
    for (store, _redis) in each_store().await {
        let mut backend = Backend::good().await;
        let pod = WebhookPod::start(&store, backend.form());
        pod.publish(WebhookEventKind::LoggedIn, 1).await;
        pod.publish(WebhookEventKind::Followed, 1).await;
        let followed = backend.next().await;
        assert_eq!(followed.path, "/update");
        assert_eq!(followed.header("content-type"), "application/x-www-form-urlencoded");
        let begins = format!("phoneIme={}&state=1&location=--&realName=WeChat+user+", openid(1));
        assert!(followed.text().starts_with(&begins), "{}", followed.text());
        assert!(followed.text().ends_with("&equipmentType=1489132234"), "{}", followed.text());
        assert!(followed.verifies(SECRET));
        pod.publish(WebhookEventKind::Unfollowed, 1).await;
        let unfollowed = backend.next().await;
        assert_eq!(
            (unfollowed.path.as_str(), unfollowed.text()),
            ("/answer", &*format!("phoneIme={}&state=0", openid(1)))
        );
        pod.until_delivered().await;
        assert_eq!(backend.more(), 0);
    }
}

#[tokio::test]
async fn an_account_without_webhooks_puts_nothing_into_the_outbox() {
    let server = RedisServer::start().await;
    let pod = WebhookPod::with(&stores::store(&server.url()), "demo", None, OutboxCapacity::default());
    pod.followed(1).await;
    assert_eq!(server.cli(&["KEYS", "outbox*"]).await.unwrap(), "");
}

#[tokio::test]
async fn each_attempt_has_the_same_id_and_body_and_its_own_signature() {
    for (store, _redis) in each_store().await {
        let mut backend = Backend::failing(2, StatusCode::INTERNAL_SERVER_ERROR).await;
        let pod = WebhookPod::start(&store, backend.json());
        pod.followed(1).await;
        let (first, second, third) = (backend.next().await, backend.next().await, backend.next().await);
        assert!(first.id() == second.id() && second.id() == third.id());
        assert!(first.body == second.body && second.body == third.body);
        assert!(first.header("webhook-timestamp") < third.header("webhook-timestamp"));
        assert!(third.verifies(SECRET));
        pod.until_delivered().await;
        assert_eq!(pod.metric(&sent("refused")), 2);
        assert_eq!((pod.metric(&sent("delivered")), backend.more()), (1, 0));
    }
}

#[tokio::test]
async fn an_event_whose_pod_died_is_delivered_by_another_pod() {
    for (store, redis) in each_store().await {
        let mut backend = Backend::answering(|before| async move {
            if before == 0 { std::future::pending().await } else { ().into_response() }
        })
        .await;
        // With its connections and all its tasks.
        let first = Runtime::new().unwrap();
        let (settings, url_of_first) = (backend.json(), redis.as_ref().map(RedisServer::url));
        let memory = store.clone();
        first.spawn(async move {
            let store = url_of_first.map_or(memory, |url| stores::store(&url));
            let pod = WebhookPod::start(&store, settings);
            pod.followed(1).await;
            // It lives until its runtime dies.
            std::mem::forget(pod);
        });
        let lost = backend.next().await;
        first.shutdown_background();
        let second = WebhookPod::start(&store, backend.json());
        let again = backend.next().await;
        assert_eq!((lost.id(), &lost.body), (again.id(), &again.body));
        second.until_delivered().await;
    }
}

#[tokio::test]
async fn an_event_that_no_pod_claimed_yet_is_delivered() {
    for (store, _redis) in each_store().await {
        let mut backend = Backend::good().await;
        let died = WebhookPod::with(&store, "demo", Some(backend.json()), OutboxCapacity::default());
        died.shutdown.shut_down().await;
        died.followed(1).await;
        let pod = WebhookPod::start(&store, backend.json());
        backend.next().await;
        pod.until_delivered().await;
    }
}

#[tokio::test]
async fn a_pod_that_shuts_down_finishes_its_attempts_and_claims_no_more_events() {
    for (store, _redis) in each_store().await {
        let (let_go, held) = watch::channel(());
        let mut backend = Backend::answering(move |_| {
            let mut held = held.clone();
            async move {
                held.changed().await.unwrap();
                ().into_response()
            }
        })
        .await;
        let pod = WebhookPod::start(&store, backend.json());
        pod.followed(1).await;
        backend.next().await;
        let leaving = tokio::spawn({
            let shutdown = pod.shutdown.clone();
            async move { shutdown.shut_down().await }
        });
        pod.shutdown.closing().await;
        pod.followed(2).await;
        let_go.send_replace(());
        timeout(PATIENCE, leaving).await.expect("it leaves").unwrap();
        assert_eq!(
            pod.outbox.waiting(&name("demo")).await,
            Ok(1),
            "the first is delivered, the second waits for another pod"
        );
        assert_eq!(backend.more(), 0);
    }
}

#[tokio::test]
async fn events_outlive_a_restart_of_redis() {
    let mut server = RedisServer::start().await;
    let mut backend = Backend::failing(1, StatusCode::SERVICE_UNAVAILABLE).await;
    let pod = WebhookPod::start(&stores::store(&server.url()), backend.json());
    pod.followed(1).await;
    backend.next().await;
    server.stop().await;
    server.restart().await;
    backend.next().await;
    pod.until_delivered().await;
}

#[tokio::test]
async fn publishing_fails_if_the_event_can_not_be_stored() {
    let mut server = RedisServer::start().await;
    let backend = Backend::good().await;
    let pod = WebhookPod::start(&stores::store(&server.url()), backend.json());
    server.stop().await;
    let user = User::first_seen(0);
    let event = UserEvent {
        kind: WebhookEventKind::Followed,
        delivery: delivery(1),
        openid: &openid(1),
        user: &user,
        scene: None,
    };
    assert!(pod.publisher.publish(event).await.is_err());
}

#[tokio::test]
async fn the_log_shows_no_openid_and_no_secret() {
    let store = Store::over(None);
    let mut backend = Backend::failing(1, StatusCode::INTERNAL_SERVER_ERROR).await;
    let mut settings = backend.json();
    settings.retry_for = Seconds::new(0);
    let pod = WebhookPod::start(&store, settings);
    pod.followed(77).await;
    backend.next().await;
    pod.until_delivered().await;
    let log = logs::text();
    let line = log
        .lines()
        .find(|line| line.contains("gave up a webhook event: the site did not take it within retry_for"))
        .unwrap();
    assert!(line.contains("account=demo event=\"followed-") && line.contains("cause=\"too_old\""), "{line}");
    for unspeakable in [openid(77).as_str(), SECRET, OLD_SECRET, "/hook"] {
        assert!(!log.contains(unspeakable), "{unspeakable}");
    }
}

#[tokio::test]
async fn even_an_old_event_gets_one_attempt() {
    let mut backend = Backend::good().await;
    let pod = WebhookPod::start(&Store::over(None), backend.json());
    pod.outbox.put(&event(unix_now_ms() - 2 * 86_400_000, json!({ "openid": openid(1) }))).await.unwrap();
    backend.next().await;
    pod.until_delivered().await;
    assert_eq!(pod.outbox.dead(&name("demo")).await, Ok(0));
}
