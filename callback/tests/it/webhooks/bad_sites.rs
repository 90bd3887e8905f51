//! Sites that hang, redirect, fail for long, or are slower than events happen.

use axum::response::{IntoResponse, Redirect};
use reqwest::StatusCode;
use scenecast_bus::Store;
use scenecast_callback::{config::WebhookTarget, stores::OutboxCapacity};
use scenecast_service::config::Seconds;
use scenecast_testing::RedisServer;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};

use super::fixture::{Backend, WebhookPod, dead_letters, event, sent, settings, stores};
use crate::{stores::store, world::name};

#[tokio::test]
async fn a_site_that_hangs_is_asked_again_and_keeps_no_other_site_waiting() {
    let store = Store::over(None);
    let mut hanging = Backend::answering(|before| async move {
        if before == 0 { std::future::pending().await } else { StatusCode::OK.into_response() }
    })
    .await;
    let mut good = Backend::good().await;
    let mut webhooks = hanging.json();
    webhooks.retry_after = Seconds::new(6);
    let (stuck, other) = (
        WebhookPod::start(&store, webhooks),
        WebhookPod::with(&store, "other", Some(good.json()), OutboxCapacity::default()),
    );
    stuck.followed(1).await;
    hanging.next().await;
    other.followed(2).await;
    good.next().await;
    assert_eq!(stuck.metric(&sent("too_slow")), 0, "the other did not wait for that");
    stuck.until_metric(&sent("too_slow"), 1).await;
    hanging.next().await;
    stuck.until_delivered().await;
}

#[tokio::test]
async fn a_site_that_hangs_holds_a_few_events_at_a_time() {
    for (store, _redis) in stores().await {
        let mut hanging = Backend::hanging().await;
        let mut webhooks = hanging.json();
        webhooks.retry_after = Seconds::new(60);
        let pod = WebhookPod::start(&store, webhooks);
        for n in 0..50 {
            pod.followed(n).await;
        }
        for _ in 0..6 {
            hanging.next().await;
        }
        assert_eq!(pod.outbox.waiting(&name("demo")).await, Ok(50));
        assert_eq!(hanging.more(), 0, "the others wait in the outbox");
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let mut elsewhere = Backend::good().await;
    let WebhookTarget::Json(there) = elsewhere.json().target else { unreachable!() };
    let address = format!("{there:?}").replace('…', "hook");
    let mut backend = Backend::failing(1, Redirect::temporary(&address)).await;
    let pod = WebhookPod::start(&Store::over(None), backend.json());
    pod.followed(1).await;
    let (first, second) = (backend.next().await, backend.next().await);
    assert_eq!(first.id(), second.id());
    pod.until_delivered().await;
    assert_eq!((pod.metric(&sent("redirected")), elsewhere.more()), (1, 0));
}

#[tokio::test]
async fn a_site_that_closes_or_is_not_there_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = WebhookTarget::Json(format!("http://{address}/hook").try_into().unwrap());
    let pod = WebhookPod::start(&Store::over(None), settings(target));
    pod.followed(1).await;
    drop(listener.accept().await.unwrap());
    pod.until_metric(&sent("unreachable"), 1).await;
    drop(listener);
    pod.until_metric(&sent("unreachable"), 2).await;
    assert_eq!(pod.outbox.waiting(&name("demo")).await, Ok(1));
}

#[tokio::test]
async fn an_endless_answer_counts_as_an_answer() {
    let endless = || {
        let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 4096]));
        axum::body::Body::from_stream(chunks).into_response()
    };
    let backend = Backend::answering(move |_| async move { endless() }).await;
    let pod = WebhookPod::start(&Store::over(None), backend.json());
    pod.followed(1).await;
    pod.until_delivered().await;
    assert_eq!(pod.metric(&sent("delivered")), 1);
}

#[tokio::test]
async fn an_event_that_the_site_never_takes_is_a_dead_letter_and_stops_no_other() {
    for (store, _redis) in stores().await {
        let mut backend = Backend::failing(1, StatusCode::BAD_REQUEST).await;
        let mut webhooks = backend.json();
        webhooks.retry_for = Seconds::new(0);
        let pod = WebhookPod::start(&store, webhooks);
        pod.followed(1).await;
        backend.next().await;
        pod.until_metric(&dead_letters("too_old"), 1).await;
        pod.followed(2).await;
        backend.next().await;
        pod.until_delivered().await;
        assert_eq!(pod.outbox.dead(&name("demo")).await, Ok(1));
        pod.until_metric("scenecast_outbox_dead{account=\"demo\"}", 1).await;
    }
}

#[tokio::test]
async fn a_slow_site_fills_the_outbox_and_not_redis() {
    let server = RedisServer::start().await;
    let (let_go, held) = watch::channel(false);
    let backend = Backend::answering(move |_| {
        let mut held = held.clone();
        async move {
            held.wait_for(|go| *go).await.unwrap();
            ().into_response()
        }
    })
    .await;
    let mut webhooks = backend.json();
    webhooks.retry_after = Seconds::new(60);
    let pod =
        WebhookPod::with(&store(&server.url()), "demo", Some(webhooks), OutboxCapacity { waiting: 20, dead: 1_000 });
    for n in 0..200 {
        pod.followed(n).await;
    }
    assert_eq!((pod.outbox.waiting(&name("demo")).await, pod.outbox.dead(&name("demo")).await), (Ok(20), Ok(180)));
    assert_eq!(pod.metric(&dead_letters("no_room")), 180);
    pod.until_metric("scenecast_outbox_backlog{account=\"demo\"}", 20).await;
    pod.until_metric("scenecast_outbox_dead{account=\"demo\"}", 180).await;
    let_go.send_replace(true);
    pod.until_delivered().await;
    pod.followed(200).await;
    pod.until_delivered().await;
    assert_eq!((pod.metric(&sent("delivered")), pod.metric(&dead_letters("no_room"))), (21, 180));
}

#[tokio::test]
async fn an_event_that_can_not_be_encoded_as_a_form_is_a_dead_letter() {
    let store = Store::over(None);
    let mut backend = Backend::good().await;
    let pod = WebhookPod::start(&store, backend.form());
    pod.outbox.put(&event(0, json!("of another version"))).await.unwrap();
    pod.until_metric(&dead_letters("unreadable"), 1).await;
    pod.followed(2).await;
    backend.next().await;
}
