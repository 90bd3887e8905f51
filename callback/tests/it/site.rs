//! A site's backend as webhooks meet it: it keeps what it is told, and answers as a test needs it.

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
use scenecast_callback::{
    config::{Target, Webhooks},
    site::{Mail, News, Signer, Site},
};
use scenecast_loadtest::http;
use scenecast_shared::{
    config::{Drain, Seconds},
    redis::Redis,
    scene::{DeliveryId, Language, OpenId, Rotating},
    serve::{Limits, Listener, Shutdown},
    store::{Letter, LetterKind, Outbox, Room, Store, User},
    telemetry::Metrics,
    testing::{RedisServer, until},
};
use standardwebhooks::Webhook;
use tokio::{sync::mpsc, time::timeout};
use url::Url;

use crate::{logs, world::name};

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub(crate) const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One request.
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

    /// Whether a site with this secret takes it for ours, says a library that isn't ours.
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

/// A backend that listens.
pub(crate) struct Backend {
    url: Url,
    received: mpsc::UnboundedReceiver<Received>,
}

impl Backend {
    /// Answers each request by this function of how many came before.
    pub(crate) async fn answering<F>(answer: impl Fn(usize) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send,
    {
        let (keep, received) = mpsc::unbounded_channel();
        let handler = move |State(before): State<Arc<AtomicUsize>>, uri: Uri, headers: HeaderMap, body: Bytes| {
            let received = Received { path: uri.path().to_owned(), headers, body };
            // It fails only after the test.
            let _ = keep.send(received);
            let answer = answer.clone();
            async move { answer(before.fetch_add(1, Ordering::Relaxed)).await }
        };
        let limits = Limits { connections: 1000, idle: PATIENCE };
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

    /// Takes everything.
    pub(crate) async fn good() -> Self {
        Self::failing(0, ()).await
    }

    /// Never answers.
    pub(crate) async fn hanging() -> Self {
        Self::answering(|_| std::future::pending()).await
    }

    /// JSON to this backend, tried again after a second.
    pub(crate) fn json(&self) -> Webhooks {
        webhooks(Target::Json(self.url.join("hook").unwrap().to_string().try_into().unwrap()))
    }

    /// Forms to this backend.
    pub(crate) fn form(&self) -> Webhooks {
        let endpoint = |path| self.url.join(path).unwrap().to_string().try_into().unwrap();
        webhooks(Target::Form { followed: endpoint("update"), unfollowed: endpoint("answer") })
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Received {
        timeout(PATIENCE, self.received.recv()).await.expect("a webhook").unwrap()
    }

    /// How many more have come.
    pub(crate) fn more(&mut self) -> usize {
        std::iter::from_fn(|| self.received.try_recv().ok()).count()
    }
}

pub(crate) fn webhooks(target: Target) -> Webhooks {
    Webhooks { target, signer: signer(), retry_after: Seconds::new(1), retry_for: Seconds::new(86_400) }
}

fn signer() -> Signer {
    Signer::new(&Rotating { current: SECRET.into(), previous: Some(OLD_SECRET.into()) }).unwrap()
}

/// A pod that delivers one account's webhooks.
pub(crate) struct Pod {
    pub(crate) site: Site,
    pub(crate) outbox: Outbox,
    pub(crate) shutdown: Shutdown,
    metrics: Metrics,
}

impl Pod {
    /// One that has begun.
    pub(crate) fn start(store: &Store, webhooks: Webhooks) -> Self {
        Self::with(store, "demo", Some(webhooks), Room::default())
    }

    pub(crate) fn with(store: &Store, account: &str, webhooks: Option<Webhooks>, room: Room) -> Self {
        logs::keep();
        let (metrics, shutdown) =
            (Metrics::new(), Shutdown::new(Drain { notice: Seconds::new(0), ..Drain::default() }));
        let mail = Mail::new(store.clone(), room, &metrics);
        let site = Site::new(name(account), Language::En, webhooks, &mail);
        site.start(&shutdown);
        Self { site, outbox: Outbox::new(store.clone(), room), shutdown, metrics }
    }

    /// Tells the site that this person followed.
    pub(crate) async fn followed(&self, n: u64) {
        self.tell(LetterKind::Followed, n).await;
    }

    pub(crate) async fn tell(&self, kind: LetterKind, n: u64) {
        let mut user = User::seen(1_800_000_000_000);
        if kind == LetterKind::Unfollowed {
            user.unfollowed(1_800_000_000);
        }
        let news = News { kind, delivery: delivery(n), openid: &openid(n), user: &user, scene: Some("1489132234") };
        self.site.tell(news).await.unwrap();
    }

    /// Waits until nothing waits any more.
    pub(crate) async fn until_delivered(&self) {
        until("all is delivered", async || self.outbox.waiting(&name("demo")).await == Ok(0)).await;
    }

    /// Waits until this line of `/metrics` is at least so much.
    pub(crate) async fn until_metric(&self, line: &str, at_least: u64) {
        until(line, async || self.metric(line) >= at_least).await;
    }

    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = self.metrics.text();
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

/// Somebody's follow, written at this time.
pub(crate) fn letter(created: u64, body: serde_json::Value) -> Letter {
    Letter { account: name("demo"), kind: LetterKind::Followed, delivery: delivery(0), created, body }
}

pub(crate) fn delivery(n: u64) -> DeliveryId {
    DeliveryId::of(&[&n.to_string()])
}

pub(crate) fn openid(n: u64) -> OpenId {
    format!("oSomebodyWhoIsNumber{n:08}").parse().unwrap()
}

/// A store in memory, and one over Redis.
pub(crate) async fn stores() -> [(Store, Option<RedisServer>); 2] {
    let server = RedisServer::start().await;
    [(Store::over(None), None), (over(&server.url()), Some(server))]
}

/// The store of a pod of this Redis.
pub(crate) fn over(redis_url: &str) -> Store {
    Store::over(Some(Redis::connect(&redis_url.parse().unwrap(), &Metrics::new())))
}
