//! What the accounts' webhooks have in common: the outbox, the way out, and the counts.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGaugeVec};
use reqwest::{Client, Response, header, redirect};
use scenecast_shared::{
    store::{Outbox, Room, Store},
    telemetry::Metrics,
    time::unix_now,
};

use super::{Signer, post::Post};
use crate::request::why_unsent;

/// How long a site may take to be reached.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long one attempt may take in all.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// What is read of an answer, so that its connection can be used again. Nothing in it matters.
const LONGEST_ANSWER: usize = 16 * 1024;

/// The outbox, and the way to the sites. Clones are the same.
#[derive(Debug, Clone)]
pub struct Mail {
    pub(super) outbox: Outbox,
    pub(super) counts: Counts,
    http: Client,
}

/// What is counted, by `account`.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// Attempts, by their `result`.
    pub(super) sent: IntCounterVec,
    /// Letters that died here, by `cause`.
    pub(super) died: IntCounterVec,
    pub(super) waiting: IntGaugeVec,
    pub(super) dead: IntGaugeVec,
}

/// Why a site doesn't have a letter, or may not have it. Never shows the address, which may hold a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undelivered {
    #[error("it answered {0}")]
    Refused(u16),
    /// Not followed: whoever answers there is not who was configured.
    #[error("it answered with a redirect")]
    Redirected,
    #[error("it did not answer in time")]
    TooSlow,
    #[error("it could not be reached: {0}")]
    Unreachable(String),
}

impl Undelivered {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Redirected => "redirected",
            Self::TooSlow => "too_slow",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

impl From<reqwest::Error> for Undelivered {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TooSlow;
        }
        Self::Unreachable(why_unsent(error))
    }
}

impl Mail {
    /// In this store, with so much room for each account.
    pub fn new(store: Store, room: Room, metrics: &Metrics) -> Self {
        let http = Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(ATTEMPT_LIMIT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("scenecast/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the TLS library starts");
        let counts = Counts {
            sent: metrics.counters("webhooks_sent_total", "Attempts at webhooks to sites.", &["account", "result"]),
            died: metrics.counters("dead_letters_total", "Webhooks that were given up.", &["account", "cause"]),
            waiting: metrics.gauges("outbox_backlog", "Webhooks that wait, all pods' together.", &["account"]),
            dead: metrics.gauges("outbox_dead", "Dead letters that are kept, all pods' together.", &["account"]),
        };
        Self { outbox: Outbox::new(store, room), counts, http }
    }

    /// Makes one attempt; done when the site has answered 2xx.
    pub(super) async fn send(&self, id: &str, post: Post<'_>, signer: &Signer) -> Result<(), Undelivered> {
        let timestamp = unix_now().as_secs();
        let signature = signer.sign(id, timestamp, post.body.as_bytes());
        let request = self
            .http
            .post(post.to.url())
            .header(header::CONTENT_TYPE, post.content_type)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(post.body);
        let answer = request.send().await?;
        let status = answer.status();
        if status.is_success() {
            pass_over(answer).await;
            Ok(())
        } else if status.is_redirection() {
            Err(Undelivered::Redirected)
        } else {
            Err(Undelivered::Refused(status.as_u16()))
        }
    }
}

/// Reads what follows the status, up to a limit.
async fn pass_over(mut answer: Response) {
    let mut length = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        length += chunk.len();
        if length > LONGEST_ANSWER {
            return;
        }
    }
}
