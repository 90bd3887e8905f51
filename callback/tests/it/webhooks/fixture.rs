//! A site's backend that keeps the webhooks it gets and answers as a test needs it; and a pod that delivers webhooks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use scenecast_bus::Store;
use scenecast_callback::{
    config::{WebhookSettings, WebhookTarget},
    stores::{Outbox, OutboxCapacity, User, WebhookEvent, WebhookEventKind},
    webhooks::{UserEvent, WebhookPublisher, WebhookSender, WebhookSigner},
};
use scenecast_metrics::Metrics;
use scenecast_scene::{DeliveryId, Language, OpenId, Rotating};
use scenecast_service::{
    config::{DrainConfig, Seconds},
    listener::{Listener, ListenerLimits},
    outbound::NameResolver,
    shutdown::Shutdown,
};
use scenecast_simulator::http;
use scenecast_testing::{RedisServer, series_value, until};
use standardwebhooks::Webhook;
use tokio::{sync::mpsc, time::timeout};
use url::Url;

use crate::{
    stores::store,
    world::{logs, name},
};

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One request to the site.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// Whether another implementation of Standard Webhooks accepts the signature, with this secret.
    pub(crate) fn verifies(&self, secret: &str) -> bool {
        Webhook::new(secret).unwrap().verify(&self.body, &self.headers).is_ok()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A site's backend that listens.
pub(crate) struct Backend {
    url: Url,
    received: mpsc::UnboundedReceiver<Received>,
}

impl Backend {
    /// Answers each request with the result of this function of the number of requests before it.
    pub(crate) async fn answering<F>(answer: impl Fn(usize) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send,
    {
        let (keep, received) = mpsc::unbounded_channel();
        let handler = move |State(before): State<Arc<AtomicUsize>>, uri: Uri, headers: HeaderMap, body: Bytes| {
            let received = Received { path: uri.path().to_owned(), headers, body };
            // An error means that the test is over.
            let _ = keep.send(received);
            let answer = answer.clone();
            async move { answer(before.fetch_add(1, Ordering::Relaxed)).await }
        };
        let limits = ListenerLimits { connections: 1000, idle: PATIENCE };
        let listener = Listener::bind("a site", "127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
        let url = http(listener.address());
        tokio::spawn(listener.serve(Router::new().fallback(handler).with_state(Arc::default()), Shutdown::never()));
        Self { url, received }
    }

    /// Answers the first so many requests with this, and the others with 200.
    pub(crate) async fn failing(times: usize, answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Self {
        Self::answering(move |before| {
            let answer = if before < times { answer.clone().into_response() } else { StatusCode::OK.into_response() };
            async { answer }
        })
        .await
    }

    /// Answers 200 to everything.
    pub(crate) async fn good() -> Self {
        Self::failing(0, ()).await
    }

    pub(crate) async fn hanging() -> Self {
        Self::answering(|_| std::future::pending()).await
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// JSON to this backend, tried again after a second.
    pub(crate) fn json(&self) -> WebhookSettings {
        settings(WebhookTarget::Json(self.url.join("hook").unwrap().to_string().try_into().unwrap()))
    }

    /// Forms to this backend.
    pub(crate) fn form(&self) -> WebhookSettings {
        let endpoint = |path| self.url.join(path).unwrap().to_string().try_into().unwrap();
        settings(WebhookTarget::Form { followed: endpoint("update"), unfollowed: endpoint("answer") })
    }

    pub(crate) async fn next(&mut self) -> Received {
        timeout(PATIENCE, self.received.recv()).await.expect("a webhook").unwrap()
    }

    /// How many more have come.
    pub(crate) fn more(&mut self) -> usize {
        std::iter::from_fn(|| self.received.try_recv().ok()).count()
    }
}

pub(crate) fn settings(target: WebhookTarget) -> WebhookSettings {
    WebhookSettings { target, signer: signer(), retry_after: Seconds::new(1), retry_for: Seconds::new(86_400) }
}

fn signer() -> WebhookSigner {
    WebhookSigner::new(&Rotating { current: SECRET.into(), previous: Some(OLD_SECRET.into()) }).unwrap()
}

/// A pod that delivers one account's webhooks.
pub(crate) struct WebhookPod {
    pub(crate) publisher: WebhookPublisher,
    pub(crate) outbox: Outbox,
    pub(crate) shutdown: Shutdown,
    metrics: Metrics,
}

impl WebhookPod {
    /// A pod of `demo` that has started.
    pub(crate) fn start(store: &Store, settings: WebhookSettings) -> Self {
        Self::with(store, "demo", Some(settings), OutboxCapacity::default())
    }

    pub(crate) fn with(
        store: &Store,
        account: &str,
        settings: Option<WebhookSettings>,
        capacity: OutboxCapacity,
    ) -> Self {
        logs::keep();
        let metrics = Metrics::new();
        let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(0), ..DrainConfig::default() });
        let sender = WebhookSender::new(store.clone(), capacity, NameResolver::system(), None, &metrics);
        let publisher = WebhookPublisher::new(name(account), Language::En, settings, &sender);
        publisher.start(&shutdown);
        Self { publisher, outbox: Outbox::new(store.clone(), capacity), shutdown, metrics }
    }

    /// Publishes that this person followed.
    pub(crate) async fn followed(&self, n: u64) {
        self.publish(WebhookEventKind::Followed, n).await;
    }

    pub(crate) async fn publish(&self, kind: WebhookEventKind, n: u64) {
        let mut user = User::first_seen(1_800_000_000_000);
        if kind == WebhookEventKind::Unfollowed {
            user.set_unfollowed(1_800_000_000);
        }
        let event =
            UserEvent { kind, delivery: delivery(n), openid: &openid(n), user: &user, scene: Some("1489132234") };
        self.publisher.publish(event).await.unwrap();
    }

    /// Waits until the outbox is empty.
    pub(crate) async fn until_delivered(&self) {
        until("all is delivered", async || self.outbox.waiting(&name("demo")).await == Ok(0)).await;
    }

    /// Waits until this line of `/metrics` is at least so much.
    pub(crate) async fn until_metric(&self, line: &str, at_least: u64) {
        until(line, async || self.metric(line) >= at_least).await;
    }

    pub(crate) fn metric(&self, line: &str) -> u64 {
        series_value(&self.metrics.text(), line).unwrap_or(0)
    }
}

/// A follow of a person, written at this time, with this data.
pub(crate) fn event(created: u64, body: serde_json::Value) -> WebhookEvent {
    WebhookEvent { account: name("demo"), kind: WebhookEventKind::Followed, delivery: delivery(0), created, body }
}

pub(crate) fn sent(result: &str) -> String {
    format!("scenecast_webhooks_sent_total{{account=\"demo\",result=\"{result}\"}}")
}

pub(crate) fn dead_letters(cause: &str) -> String {
    format!("scenecast_dead_letters_total{{account=\"demo\",cause=\"{cause}\"}}")
}

pub(crate) fn delivery(n: u64) -> DeliveryId {
    DeliveryId::of(&[&n.to_string()])
}

pub(crate) fn openid(n: u64) -> OpenId {
    format!("oSomebodyWhoIsNumber{n:08}").parse().unwrap()
}

/// A store in memory, and a store over Redis.
pub(crate) async fn stores() -> [(Store, Option<RedisServer>); 2] {
    let server = RedisServer::start().await;
    [(Store::over(None), None), (store(&server.url()), Some(server))]
}
