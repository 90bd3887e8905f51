//! Makes one attempt to deliver a webhook, and holds what the webhooks of all accounts share: the outbox, the HTTP
//! client and the metrics.

use std::time::Duration;

use reqwest::{Client, Method, Response, header};
use scenecast_bus::Store;
use scenecast_metrics::Metrics;
use scenecast_scene::time::unix_now;
use scenecast_service::outbound::{NameResolver, OutboundClient, ProxyUrl, TransportError};
use strum::IntoStaticStr;

use super::{request::WebhookRequest, signature::WebhookSigner};
use crate::{
    metrics::WebhookMetrics,
    stores::{Outbox, OutboxCapacity},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For a whole attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read, so that its connection can be used again. Its content doesn't matter.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The outbox, and the way to the sites. Clones share both.
#[derive(Debug, Clone)]
pub struct WebhookSender {
    pub(super) outbox: Outbox,
    pub(super) metrics: WebhookMetrics,
    http: OutboundClient,
}

/// Why an attempt failed. The site may have the event all the same. Never shows the address, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum SendError {
    #[error("the site answered {0}")]
    Refused(u16),
    /// We don't follow a redirect: another server than the configured one would get the event.
    #[error("the site answered with a redirect")]
    Redirected,
    #[error("the site did not answer in time")]
    TooSlow,
    #[error("the site could not be reached: {0}")]
    Unreachable(#[source] TransportError),
}

impl SendError {
    /// Its value in metrics.
    pub(super) fn as_str(&self) -> &'static str {
        self.into()
    }
}

impl From<TransportError> for SendError {
    fn from(error: TransportError) -> Self {
        if error.is_timeout() {
            return Self::TooSlow;
        }
        Self::Unreachable(error)
    }
}

impl WebhookSender {
    /// A sender over this store. The capacity is for each account. Webhooks go through the proxy, if there is one.
    pub fn new(
        store: Store,
        capacity: OutboxCapacity,
        names: NameResolver,
        proxy: Option<ProxyUrl>,
        metrics: &Metrics,
    ) -> Self {
        let limits = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            .user_agent(concat!("scenecast/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &proxy {
            tracing::info!(%proxy, "webhooks go through a proxy, as outbound.webhook_proxy says");
        }
        let http = OutboundClient::new(names, proxy, limits);
        Self { outbox: Outbox::new(store, capacity), metrics: WebhookMetrics::new(metrics), http }
    }

    /// Makes one attempt. It succeeds when the site answers 2xx.
    pub(super) async fn send(
        &self,
        id: &str,
        webhook: WebhookRequest<'_>,
        signer: &WebhookSigner,
    ) -> Result<(), SendError> {
        let timestamp = unix_now().as_secs();
        let signature = signer.sign(id, timestamp, webhook.body.as_bytes());
        let request = self
            .http
            .request(Method::POST, webhook.to.url())
            .header(header::CONTENT_TYPE, webhook.content_type)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(webhook.body);
        let answer = self.http.send(request).await?;
        let status = answer.status();
        if status.is_success() {
            read_to_end(answer).await;
            Ok(())
        } else if status.is_redirection() {
            Err(SendError::Redirected)
        } else {
            Err(SendError::Refused(status.as_u16()))
        }
    }
}

/// Reads the body of an answer, up to a limit.
async fn read_to_end(mut answer: Response) {
    let mut length = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        length += chunk.len();
        if length > MAX_ANSWER_BYTES {
            return;
        }
    }
}
