//! Webhooks: one delivery in up to three attempts, signed; and the verification of their address.
//!
//! | module | what it is for |
//! |---|---|
//! | `message` | what WeChat writes |
//! | `judge` | what it makes of the answer |

mod judge;
pub(crate) mod message;

use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use reqwest::header::CONTENT_TYPE;
use scenecast_shared::{
    scene::{AccountName, OpenId, Secret},
    time::unix_now,
    wechat::sign,
};
use tokio::time::{Instant, timeout};
use url::Url;

pub use judge::{BadAnswer, Screen};

use super::{CannotDo, Person, Simulator, account::Hosted, lock};
use judge::judge;
use message::{Deed, document};

/// "Three times in total."
const ATTEMPTS: u32 = 3;

/// What came of something that somebody did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the phone shows.
    pub shown: Screen,
    /// How it was delivered.
    pub attempts: Vec<Attempt>,
}

/// One request to a callback.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Whose webhook.
    pub account: AccountName,
    /// From whom.
    pub openid: OpenId,
    /// Where to, with the signature.
    pub url: Url,
    /// What was sent.
    pub body: Bytes,
    /// Which of the delivery's three attempts it was, from 1; both of a duplicate are the same one.
    pub nth: u32,
    /// What came back.
    pub answer: Answer,
    /// How long it took, to the last byte.
    pub took: Duration,
}

/// What a callback did with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It answered.
    Got {
        /// The status.
        status: u16,
        /// The body.
        body: Bytes,
    },
    /// It didn't in time.
    Late,
    /// The connection failed, or ended too early.
    Broken(String),
}

/// Why WeChat doesn't accept an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// There is no such account.
    #[error(transparent)]
    Account(#[from] CannotDo),
    /// It has to be 200 and the `echostr`, to the byte.
    #[error("{0} did not answer with status 200 and the echostr: {1:?}")]
    Answer(Url, Answer),
}

/// What makes two attempts to deliver one message differ.
#[derive(Debug, Clone)]
struct Stamp {
    timestamp: String,
    nonce: String,
}

impl Stamp {
    fn new() -> Self {
        Self { timestamp: unix_now().as_secs().to_string(), nonce: rand::random::<u32>().to_string() }
    }

    fn sign(&self, mut url: Url, token: &Secret) -> Url {
        let signature = sign(&[token.text(), &self.timestamp, &self.nonce]);
        url.query_pairs_mut().extend_pairs([
            ("signature", signature.as_str()),
            ("timestamp", &self.timestamp),
            ("nonce", &self.nonce),
        ]);
        url
    }
}

impl Simulator {
    /// Delivers, whether or not the caller waits for it: WeChat doesn't stop because a test did.
    pub(crate) async fn deliver(&self, account: &Arc<Hosted>, person: &Person, deed: Deed) -> Outcome {
        let openid = person.openid(&account.settings.app_id);
        let (simulator, account) = (self.clone(), account.clone());
        let delivered = tokio::spawn(async move { simulator.deliver_now(&account, &openid, &deed).await });
        delivered.await.expect("a delivery doesn't panic, and nobody aborts it")
    }

    async fn deliver_now(&self, account: &Hosted, openid: &OpenId, deed: &Deed) -> Outcome {
        let original_id = &account.settings.original_id;
        let body = Bytes::from(document(original_id, openid.as_str(), unix_now().as_secs(), deed));
        let first = Stamp::new();
        let (mut attempts, mut nth) = (Vec::new(), 1);
        let shown = loop {
            let faults = self.faults();
            let stamp = if nth == 1 || faults.retry_reuses_nonce { first.clone() } else { Stamp::new() };
            let attempt = || self.attempt(account, openid, nth, &stamp, &body);
            if faults.duplicate_deliveries {
                let (one, two) = tokio::join!(attempt(), attempt());
                attempts.extend(one.into_iter().chain(two));
            } else {
                attempts.extend(attempt().await);
            }
            match attempts.last().map(|last| &last.answer) {
                Some(Answer::Got { status, body }) => break judge(*status, body, openid.as_str(), original_id),
                Some(_) if nth == ATTEMPTS => break Screen::Notice(BadAnswer::NoAnswer),
                // At once: WeChat documents no pause.
                Some(_) => nth += 1,
                None => break Screen::Nothing,
            }
        };
        // Who has left sees nothing any more.
        let shown = if matches!(deed, Deed::Unsubscribe) { Screen::Nothing } else { shown };
        Outcome { shown, attempts }
    }

    /// One request, to whichever callback's turn it is; `None` without any.
    async fn attempt(
        &self,
        account: &Hosted,
        openid: &OpenId,
        nth: u32,
        stamp: &Stamp,
        body: &Bytes,
    ) -> Option<Attempt> {
        let callback = account.state().next_callback()?;
        let mut url = stamp.sign(callback, &account.settings.token);
        url.query_pairs_mut().append_pair("openid", openid.as_str());
        let (cut, limit) = {
            let mut faults = lock(&self.0.faults);
            (faults.take_cut(), faults.answer_within())
        };
        let body = if cut { body.slice(..body.len() / 2) } else { body.clone() };
        let request = self.0.client.post(url.clone()).header(CONTENT_TYPE, "text/xml").body(body.clone());

        let started = Instant::now();
        let answer = answer_within(limit, request).await;
        let took = started.elapsed();
        let account = account.name.clone();
        tracing::debug!(%account, nth, ?answer, ?took, "attempted to deliver");
        let attempt = Attempt { account, openid: openid.clone(), url, body, nth, answer, took };
        // Nobody has to be listening.
        let _ = self.0.attempts.send(attempt.clone());
        Some(attempt)
    }

    /// What WeChat does when an address is entered in its console, for each of the account's.
    pub async fn verify_url(&self, account: &AccountName) -> Result<(), NotVerified> {
        let hosted = self.account(account)?;
        let callbacks = hosted.state().callbacks().to_vec();
        for callback in callbacks {
            let echostr = rand::random::<u64>().to_string();
            let mut url = Stamp::new().sign(callback.clone(), &hosted.settings.token);
            url.query_pairs_mut().append_pair("echostr", &echostr);
            let limit = self.faults().answer_within();
            let answer = answer_within(limit, self.0.client.get(url)).await;
            if answer != (Answer::Got { status: 200, body: echostr.into() }) {
                return Err(NotVerified::Answer(callback, answer));
            }
        }
        Ok(())
    }
}

/// The limit is on connecting and the whole answer.
async fn answer_within(limit: Duration, request: reqwest::RequestBuilder) -> Answer {
    let answer = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok::<_, reqwest::Error>(Answer::Got { status, body: response.bytes().await? })
    };
    match timeout(limit, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::Broken(error.without_url().to_string()),
        Err(_) => Answer::Late,
    }
}
