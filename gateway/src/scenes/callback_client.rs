//! The gateway's calls to a callback, which writes scenes to the bus.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use backon::{ExponentialBuilder, Retryable};
use reqwest::Method;
use scenecast_scene::{
    Rotating, SceneId, internal,
    time::{millis, unix_now},
};
use scenecast_service::{
    admission::{RejectReason, Rejections},
    config::HttpUrl,
    outbound::{NameResolver, OutboundClient, TransportError},
};
use scenecast_traces::LoginSpan;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    call_turns::{CallTurn, CallTurns, NoTurnError},
    reopen_queue::{MissingScene, ReopenQueue, ReopenReceiver, reopen_queue},
};
use crate::{config::GatewayLimits, refusal::PageRefusal};

/// The longest time of a call. WeChat's part of it takes a few tenths of a second.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept: less than the callback keeps it, and so that what a burst needed is soon given
/// back. Until then none is closed: in a burst, the next call would have to connect anew.
const POOL_IDLE: Duration = Duration::from_secs(3);
/// How many scenes of pages that are gone are cancelled at a time.
const CANCELS_AT_A_TIME: usize = 32;
/// The header with a W3C trace context.
const TRACEPARENT: &str = "traceparent";
/// The longest answer that the gateway reads, in bytes.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// The delay after the first failed attempt to cancel the scene of a page that is gone, doubled after each further one, …
const FIRST_CANCEL_DELAY: Duration = Duration::from_millis(250);
/// … and how often the call is repeated.
const CANCEL_RETRIES: usize = 4;
/// The delay after the first failed attempt to reopen scenes, doubled after each further one, …
const FIRST_REOPEN_DELAY: Duration = Duration::from_millis(100);
/// … and the longest.
const LONGEST_REOPEN_DELAY: Duration = Duration::from_secs(2);

/// Calls any callback pod. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct CallbackClient {
    http: SignedHttp,
    /// Taken by pages that open a scene, and only by them: what else there is to do mustn't wait behind a burst.
    turns: CallTurns,
    cancels: Arc<Semaphore>,
    reopening: ReopenQueue,
    rejections: Rejections,
}

impl CallbackClient {
    /// A client for the callbacks' internal listener at `base`, within these limits.
    /// Has to be called within a runtime.
    pub(crate) fn new(base: HttpUrl, secrets: Rotating, limits: GatewayLimits, rejections: Rejections) -> Self {
        let timeouts = reqwest::Client::builder()
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE);
        let client = OutboundClient::new(NameResolver::system(), None, timeouts);
        let http = SignedHttp { client, base, secrets };
        let (reopening, receiver) = reopen_queue(limits.most_reopening());
        tokio::spawn(http.clone().reopen_scenes(receiver));
        let turns = CallTurns::new(limits.calls_at_a_time());
        Self { http, turns, cancels: Arc::new(Semaphore::new(CANCELS_AT_A_TIME)), reopening, rejections }
    }

    /// Opens a scene, and returns the code by which the phone finds it. Who keeps the turn until the page waits for its
    /// login keeps a burst of pages from waiting for Redis all at once.
    pub(crate) async fn open(
        &self,
        call: &internal::OpenCall,
    ) -> Result<(internal::OpenedHandle, CallTurn), PageRefusal> {
        let turn = self.turns.next().await.map_err(|NoTurnError| {
            self.rejections.count(RejectReason::Calls);
            PageRefusal::Crowded
        })?;
        // In a box of its own: while thousands of pages wait for their turn, they need no room for it.
        let answer = Box::pin(self.http.post_open(call)).await?;
        let handle = serde_json::from_slice(&answer).map_err(|_| PageRefusal::for_unreadable_answer(&answer))?;
        Ok((handle, turn))
    }

    pub(crate) async fn cancel(&self, scene: SceneId) -> Result<(), PageRefusal> {
        let _permit = self.cancels.acquire().await.expect("it is never closed");
        self.http.post(internal::CANCEL_PATH, &internal::CancelCall { scene }).await.map(drop)
    }

    /// The same. Repeats the call a few times while no callback can do it.
    pub(crate) async fn cancel_with_retries(&self, scene: SceneId) -> Result<(), PageRefusal> {
        let backoff = ExponentialBuilder::default().with_min_delay(FIRST_CANCEL_DELAY).with_max_times(CANCEL_RETRIES);
        let cancel = || self.cancel(scene);
        cancel.retry(backoff).when(|refusal: &PageRefusal| refusal.retry_after().is_some()).await
    }

    /// The scenes that are opened again, together with others, as soon as a callback can.
    pub(super) fn reopening(&self) -> &ReopenQueue {
        &self.reopening
    }
}

/// Posts signed calls to the callback.
#[derive(Debug, Clone)]
struct SignedHttp {
    client: OutboundClient,
    base: HttpUrl,
    secrets: Rotating,
}

impl SignedHttp {
    /// Posts a call that opens a scene, with its span.
    async fn post_open(&self, call: &internal::OpenCall) -> Result<Vec<u8>, PageRefusal> {
        let span = LoginSpan::of_call(call.scene, internal::OPEN_PATH);
        let answer = self.post_within(&span, internal::OPEN_PATH, call).await;
        span.end(answer.as_ref().err().map(PageRefusal::code));
        answer
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<Vec<u8>, PageRefusal> {
        self.post_within(&LoginSpan::none(), path, body).await
    }

    /// Posts a call that has this span.
    async fn post_within(&self, span: &LoginSpan, path: &str, body: &impl Serialize) -> Result<Vec<u8>, PageRefusal> {
        let body = serde_json::to_vec(body).expect("internal calls have string keys only");
        let signature = internal::sign(&self.secrets, unix_now(), path, &body);
        let url = self.base.with_path(path);
        span.set_server((url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default()));
        let request = self.client.request(Method::POST, url);
        let mut request = request.header(internal::HEADER, signature).body(body);
        if let Some(traceparent) = span.traceparent() {
            request = request.header(TRACEPARENT, traceparent);
        }
        let response = self.client.send(request).await.map_err(|error| no_answer(path, &error))?;
        let status = response.status();
        span.set("http.response.status_code", i64::from(status.as_u16()));
        let may_be_ours = may_be_json(response.headers());
        let answer = read_body(path, response).await?;
        if status.is_success() && (may_be_ours || answer.is_empty()) {
            return Ok(answer);
        }
        Err(PageRefusal::for_callback_answer(status.as_u16(), &problem_code(&answer)))
    }

    /// Reopens the scenes in the queue, many with each call. A call is repeated until it works, or until a
    /// callback refuses it for good.
    async fn reopen_scenes(self, mut queue: ReopenReceiver) {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(FIRST_REOPEN_DELAY)
            .with_max_delay(LONGEST_REOPEN_DELAY)
            .without_max_times();
        loop {
            let missing = queue.next_batch().await;
            if missing.is_empty() {
                return;
            }
            let attempt = || {
                let calls = unexpired(&missing, Instant::now());
                let http = &self;
                async move { http.post(internal::REOPEN_PATH, &calls).await.map(|_| calls.len()) }
            };
            match attempt.retry(backoff).when(|refusal: &PageRefusal| refusal.retry_after().is_some()).await {
                Ok(0) => {}
                Ok(scenes) => {
                    tracing::info!(scenes, "opened scenes again that Redis had lost while their pages waited");
                }
                Err(refusal) => tracing::error!(
                    code = refusal.code(),
                    scenes = missing.len(),
                    "the callback refuses to open scenes again that Redis had lost; their pages get no login; the callbacks' logs \
                     say why"
                ),
            }
            queue.finish(&missing);
        }
    }
}

/// The body of an answer, whole.
async fn read_body(path: &str, mut response: reqwest::Response) -> Result<Vec<u8>, PageRefusal> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(path, &error.into()))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            tracing::error!(
                path,
                limit = MAX_ANSWER_BYTES,
                "what answers at callback.url sends more bytes than a callback does; callback.url has to be listen.internal \
                 of the callbacks"
            );
            return Err(PageRefusal::CallbackUnavailable("the callback's answer is too long"));
        }
    }
    Ok(body)
}

/// The refusal where a call got no answer, or a part of one.
fn no_answer(path: &str, error: &TransportError) -> PageRefusal {
    tracing::warn!(
        %error,
        path,
        "no callback answered a call; if this goes on, check callback.url and the callbacks' internal listener"
    );
    PageRefusal::CallbackUnavailable("the callback gives no answer")
}

/// The calls for those of the scenes that haven't ended by now.
fn unexpired(missing: &[MissingScene], now: Instant) -> Vec<internal::ReopenCall> {
    missing
        .iter()
        .filter(|scene| scene.ends > now)
        .map(|MissingScene { claims, page, typed_code, ends }| internal::ReopenCall {
            scene: claims.scene,
            account: claims.account.clone(),
            binding: claims.binding,
            page: page.clone(),
            life_ms: millis(*ends - now),
            typed_code: typed_code.clone(),
        })
        .collect()
}

/// Whether an answer may be a callback's, by its headers: not that of a web server or a login page in its place.
fn may_be_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// The `code` in a callback's problem; empty if there is none.
fn problem_code(answer: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ProblemCode {
        code: String,
    }
    serde_json::from_slice::<ProblemCode>(answer).map(|problem| problem.code).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::call_turns::PATIENCE;

    #[test]
    fn a_page_is_answered_before_our_own_module_gives_up() {
        let module = include_str!("../../web/patience.js");
        let (_, rest) = module.split_once("TIMEOUT = { open: ").unwrap();
        let open = rest.split(',').next().unwrap().replace('_', "").parse().unwrap();
        assert!(PATIENCE + CALL_TIMEOUT < Duration::from_millis(open));
    }
}
