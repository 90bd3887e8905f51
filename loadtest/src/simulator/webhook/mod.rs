//! Webhooks: one delivery in up to three attempts, signed; and the verification of their address.
//!
//! | module | what it is for |
//! |---|---|
//! | `message` | what WeChat writes |
//! | `envelope` | how it is signed and sealed |
//! | `judge` | what it makes of the answer |

mod envelope;
mod judge;
pub(crate) mod message;

use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use reqwest::header::CONTENT_TYPE;
use scenecast_shared::scene::{AccountName, OpenId};
use tokio::time::{Instant, timeout};
use url::Url;

pub use judge::{BadAnswer, Screen};

use super::{CannotDo, Deed, Simulator, account::Hosted, lock};
use envelope::{Envelope, Stamp};
use judge::{Exchange, judge};
use message::{Message, What};

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

impl Simulator {
    /// Delivers, whether or not the caller waits for it: WeChat doesn't stop because a test did.
    pub(crate) async fn deliver(&self, account: Arc<Hosted>, message: Message) -> Outcome {
        let simulator = self.clone();
        let delivered = tokio::spawn(async move { simulator.deliver_now(&account, &message).await });
        delivered.await.expect("a delivery doesn't panic, and nobody aborts it")
    }

    async fn deliver_now(&self, account: &Hosted, message: &Message) -> Outcome {
        let openid = &message.from;
        let sealed = || {
            let previous = self.faults().seals_with_previous_key;
            let key = account.state().sealing_key(previous).clone();
            Envelope::around(message, &account.settings, &key)
        };
        let mut envelope = sealed();
        let (mut attempts, mut nth) = (Vec::new(), 1);
        let shown = loop {
            let faults = self.faults();
            if nth > 1 && !faults.retry_reuses_nonce {
                envelope = sealed();
            }
            let callbacks = account.state().next_callbacks(if faults.duplicate_deliveries { 2 } else { 1 });
            let made = callbacks.into_iter().map(|callback| self.attempt(account, openid, nth, callback, &envelope));
            attempts.extend(futures_util::future::join_all(made).await);
            match attempts.last().map(|last| &last.answer) {
                Some(Answer::Got { status, body }) => {
                    let exchange = Exchange { openid: openid.as_str(), account: &account.settings, key: &envelope.key };
                    break judge(*status, body, exchange);
                }
                Some(_) if nth == ATTEMPTS => break Screen::Notice(BadAnswer::NoAnswer),
                // At once: WeChat documents no pause.
                Some(_) => nth += 1,
                None => break Screen::Nothing,
            }
        };
        // Who has left sees nothing any more.
        let shown = if matches!(message.what, What::Deed(Deed::Unfollow)) { Screen::Nothing } else { shown };
        Outcome { shown, attempts }
    }

    /// One request.
    async fn attempt(
        &self,
        account: &Hosted,
        openid: &OpenId,
        nth: u32,
        callback: Url,
        envelope: &Envelope,
    ) -> Attempt {
        let url = envelope.address(callback, &account.settings.token);
        let (cut, limit) = {
            let mut faults = lock(&self.0.faults);
            (faults.take_cut(), faults.answer_within())
        };
        let body = if cut { envelope.body.slice(..envelope.body.len() / 2) } else { envelope.body.clone() };
        let request = self.0.client.post(url.clone()).header(CONTENT_TYPE, "text/xml").body(body.clone());

        let started = Instant::now();
        let answer = answer_within(limit, request).await;
        let took = started.elapsed();
        let account = account.name.clone();
        tracing::debug!(%account, nth, ?answer, ?took, "attempted to deliver");
        let attempt = Attempt { account, openid: openid.clone(), url, body, nth, answer, took };
        // Nobody has to be listening.
        let _ = self.0.attempts.send(attempt.clone());
        attempt
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
