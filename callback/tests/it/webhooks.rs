//! The site is told what happens: signed, in its form, at least once, whichever pod dies.

use axum::response::IntoResponse;
use reqwest::StatusCode;
use scenecast_callback::site::News;
use scenecast_shared::{
    config::Seconds,
    store::{LetterKind, Room, Store, User},
    testing::RedisServer,
    time::{unix_now, unix_now_ms},
};
use serde_json::json;
use tokio::{runtime::Runtime, sync::watch, time::timeout};

use crate::{
    logs,
    site::{Backend, OLD_SECRET, PATIENCE, Pod, SECRET, delivery, letter, openid, over, stores},
    world::name,
};

const DELIVERED: &str = "scenecast_webhooks_sent_total{account=\"demo\",result=\"delivered\"}";

#[tokio::test]
async fn a_site_is_told_what_happened_and_can_tell_that_it_was_us() {
    for (store, _redis) in stores().await {
        let mut backend = Backend::good().await;
        let pod = Pod::start(&store, backend.json());
        for kind in [LetterKind::Followed, LetterKind::LoggedIn, LetterKind::Unfollowed] {
            pod.tell(kind, 1).await;
            let told = backend.next().await;
            assert_eq!((told.path.as_str(), told.header("content-type")), ("/hook", "application/json"));
            assert_eq!(told.id(), format!("{}-{}", kind.word(), delivery(1)));
            assert!(told.header("webhook-timestamp").parse::<u64>().unwrap().abs_diff(unix_now().as_secs()) <= 5);
            assert!(told.verifies(SECRET) && told.verifies(OLD_SECRET), "while it is changed, both sign");
            assert!(!told.verifies("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
            let json = told.json();
            assert_eq!(json["type"], format!("user.{}", kind.word()));
            let data = &json["data"];
            assert_eq!((&data["account"], &data["openid"]), (&"demo".into(), &openid(1).as_str().into()));
            assert_eq!((&data["scene"], &data["registered"]), (&"1489132234".into(), &false.into()));
            assert_eq!(data["profile"].is_null(), kind == LetterKind::Unfollowed);
        }
        pod.until_delivered().await;
        assert_eq!((pod.metric(DELIVERED), backend.more()), (3, 0));
    }
}

#[tokio::test]
async fn a_hand_made_backend_gets_its_forms_of_follow_and_unfollow_and_no_logins() {
    for (store, _redis) in stores().await {
        let mut backend = Backend::good().await;
        let pod = Pod::start(&store, backend.form());
        pod.tell(LetterKind::LoggedIn, 1).await;
        pod.tell(LetterKind::Followed, 1).await;
        let followed = backend.next().await;
        assert_eq!(followed.path, "/update");
        assert_eq!(followed.header("content-type"), "application/x-www-form-urlencoded");
        let begins = format!("phoneIme={}&state=1&location=--&realName=WeChat+user+", openid(1));
        assert!(followed.text().starts_with(&begins), "{}", followed.text());
        assert!(followed.text().ends_with("&equipmentType=1489132234"), "{}", followed.text());
        assert!(followed.verifies(SECRET));
        pod.tell(LetterKind::Unfollowed, 1).await;
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
async fn an_account_without_webhooks_keeps_no_letters() {
    let server = RedisServer::start().await;
    let pod = Pod::with(&over(&server.url()), "demo", None, Room::default());
    pod.followed(1).await;
    assert_eq!(server.cli(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test]
async fn what_is_tried_again_is_the_same_with_a_signature_of_its_own() {
    for (store, _redis) in stores().await {
        let mut backend = Backend::failing(2, StatusCode::INTERNAL_SERVER_ERROR).await;
        let pod = Pod::start(&store, backend.json());
        pod.followed(1).await;
        let (first, second, third) = (backend.next().await, backend.next().await, backend.next().await);
        assert!(first.id() == second.id() && second.id() == third.id());
        assert!(first.body == second.body && second.body == third.body);
        assert!(first.header("webhook-timestamp") < third.header("webhook-timestamp"));
        assert!(third.verifies(SECRET));
        pod.until_delivered().await;
        assert_eq!(pod.metric("scenecast_webhooks_sent_total{account=\"demo\",result=\"refused\"}"), 2);
        assert_eq!((pod.metric(DELIVERED), backend.more()), (1, 0));
    }
}

#[tokio::test]
async fn what_a_pod_had_in_hand_when_it_died_is_delivered_by_another() {
    for (store, redis) in stores().await {
        let mut backend = Backend::answering(|before| async move {
            if before == 0 { std::future::pending().await } else { ().into_response() }
        })
        .await;
        // With its connections and all its tasks.
        let first = Runtime::new().unwrap();
        let (webhooks, of_first) = (backend.json(), redis.as_ref().map(RedisServer::url));
        let memory = store.clone();
        first.spawn(async move {
            let store = of_first.map_or(memory, |url| over(&url));
            let pod = Pod::start(&store, webhooks);
            pod.followed(1).await;
            // It lives until its runtime dies.
            std::mem::forget(pod);
        });
        let lost = backend.next().await;
        first.shutdown_background();
        let second = Pod::start(&store, backend.json());
        let again = backend.next().await;
        assert_eq!((lost.id(), &lost.body), (again.id(), &again.body));
        second.until_delivered().await;
    }
}

#[tokio::test]
async fn what_another_pod_put_and_never_took_is_delivered() {
    for (store, _redis) in stores().await {
        let mut backend = Backend::good().await;
        let died = Pod::with(&store, "demo", Some(backend.json()), Room::default());
        died.shutdown.leave().await;
        died.followed(1).await;
        let pod = Pod::start(&store, backend.json());
        backend.next().await;
        pod.until_delivered().await;
    }
}

#[tokio::test]
async fn a_pod_that_leaves_waits_for_what_is_on_its_way_and_takes_no_more() {
    for (store, _redis) in stores().await {
        let (let_go, held) = watch::channel(());
        let mut backend = Backend::answering(move |_| {
            let mut held = held.clone();
            async move {
                held.changed().await.unwrap();
                ().into_response()
            }
        })
        .await;
        let pod = Pod::start(&store, backend.json());
        pod.followed(1).await;
        backend.next().await;
        let leaving = tokio::spawn({
            let shutdown = pod.shutdown.clone();
            async move { shutdown.leave().await }
        });
        pod.shutdown.closing().await;
        pod.followed(2).await;
        let_go.send_replace(());
        timeout(PATIENCE, leaving).await.expect("it leaves").unwrap();
        assert_eq!(pod.outbox.waiting(&name("demo")).await, Ok(1), "the first is done, the second is for others");
        assert_eq!(backend.more(), 0);
    }
}

#[tokio::test]
async fn letters_outlive_a_restart_of_redis() {
    let mut server = RedisServer::start().await;
    let mut backend = Backend::failing(1, StatusCode::SERVICE_UNAVAILABLE).await;
    let pod = Pod::start(&over(&server.url()), backend.json());
    pod.followed(1).await;
    backend.next().await;
    server.stop().await;
    server.restart().await;
    backend.next().await;
    pod.until_delivered().await;
}

#[tokio::test]
async fn what_can_not_be_stored_is_not_said_to_be() {
    let mut server = RedisServer::start().await;
    let backend = Backend::good().await;
    let pod = Pod::start(&over(&server.url()), backend.json());
    server.stop().await;
    let (kind, user, openid) = (LetterKind::Followed, User::seen(0), openid(1));
    let news = News { kind, delivery: delivery(1), openid: &openid, user: &user, scene: None };
    assert!(pod.site.tell(news).await.is_err());
}

#[tokio::test]
async fn nothing_of_a_person_or_a_secret_is_logged() {
    let store = Store::over(None);
    let mut backend = Backend::failing(1, StatusCode::INTERNAL_SERVER_ERROR).await;
    let mut webhooks = backend.json();
    webhooks.retry_for = Seconds::new(0);
    let pod = Pod::start(&store, webhooks);
    pod.followed(77).await;
    backend.next().await;
    pod.until_delivered().await;
    let log = logs::text();
    let line = log.lines().find(|line| line.contains("a letter is given up account=demo")).unwrap();
    assert!(line.contains("letter=\"followed-") && line.contains("cause=\"too_old\""), "{line}");
    for unspeakable in [openid(77).as_str(), SECRET, OLD_SECRET, "/hook"] {
        assert!(!log.contains(unspeakable), "{unspeakable}");
    }
}

#[tokio::test]
async fn however_old_a_letter_is_it_is_tried_once() {
    let mut backend = Backend::good().await;
    let pod = Pod::start(&Store::over(None), backend.json());
    pod.outbox.put(&letter(unix_now_ms() - 2 * 86_400_000, json!({ "openid": openid(1) }))).await.unwrap();
    backend.next().await;
    pod.until_delivered().await;
    assert_eq!(pod.outbox.dead(&name("demo")).await, Ok(0));
}
