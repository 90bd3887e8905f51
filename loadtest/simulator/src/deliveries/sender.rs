//! One delivery in up to three attempts, and the verification of a callback's address.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use reqwest::header::CONTENT_TYPE;
use scenecast_scene::{AccountName, OpenId};
use tokio::{
    sync::broadcast,
    time::{Instant, timeout},
};
use url::Url;

use super::{
    answer::{AnswerContext, AnswerError, PhoneScreen, screen_for},
    attempt::{CallbackAnswer, DeliveryAttempt, DeliveryOutcome, VerifyUrlError},
    mark_fail::FailedPushes,
    message::{DeliveryMessage, MessageContent},
    request::{RequestStamp, SignedRequest},
};
use crate::{accounts::HostedAccount, faults::Faults, users::PhoneAction};

/// WeChat tries "three times in total".
const MAX_ATTEMPTS: u32 = 3;
/// How many attempts a receiver of [`DeliverySender::attempts`] may fall behind.
const ATTEMPTS_KEPT: usize = 1024;

/// Posts messages to callbacks. Clones share their faults and receivers.
#[derive(Debug, Clone)]
pub(crate) struct DeliverySender {
    client: reqwest::Client,
    faults: Arc<Mutex<Faults>>,
    failed: Arc<FailedPushes>,
    attempts: broadcast::Sender<DeliveryAttempt>,
}

impl DeliverySender {
    /// A sender that meets these faults.
    pub(crate) fn new(faults: Arc<Mutex<Faults>>) -> Self {
        // WeChat follows no redirects, and uses no proxy of ours.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("Mozilla/4.0")
            .build()
            .expect("the TLS library starts");
        Self { client, faults, failed: Arc::default(), attempts: broadcast::channel(ATTEMPTS_KEPT).0 }
    }

    /// Receives every attempt from now on, when it ends.
    pub(crate) fn attempts(&self) -> broadcast::Receiver<DeliveryAttempt> {
        self.attempts.subscribe()
    }

    /// Whether nothing is pushed to this account now.
    pub(crate) fn is_marked(&self, account: &AccountName) -> bool {
        self.failed.is_marked(account)
    }

    /// Delivers a message to the account's callbacks. The delivery goes on if the caller stops waiting for it.
    pub(crate) async fn deliver(&self, account: Arc<HostedAccount>, message: DeliveryMessage) -> DeliveryOutcome {
        let sender = self.clone();
        let delivered = tokio::spawn(async move { sender.attempt_until_answered(&account, &message).await });
        delivered.await.expect("a delivery doesn't panic, and nobody aborts it")
    }

    async fn attempt_until_answered(&self, account: &HostedAccount, message: &DeliveryMessage) -> DeliveryOutcome {
        let openid = &message.from;
        if self.is_marked(&account.name) {
            return DeliveryOutcome { shown: PhoneScreen::Notice(AnswerError::MarkedFail), attempts: vec![] };
        }
        let mut request = self.sign(account, message);
        let mut attempts = Vec::new();
        let mut nth = 1;
        let shown = loop {
            let faults = self.faults.lock().clone();
            if nth > 1 && !faults.retry_reuses_nonce {
                request = self.sign(account, message);
            }
            let callbacks = account.state().next_callbacks(if faults.duplicate_deliveries { 2 } else { 1 });
            let made = callbacks.into_iter().map(|callback| self.attempt(account, openid, nth, callback, &request));
            attempts.extend(futures_util::future::join_all(made).await);
            match attempts.last().map(|last: &DeliveryAttempt| &last.answer) {
                Some(CallbackAnswer::Got { status, body }) => {
                    let context =
                        AnswerContext { openid: openid.as_str(), account: &account.settings, key: &request.key };
                    break screen_for(*status, body, context);
                }
                Some(_) if nth == MAX_ATTEMPTS => break PhoneScreen::Notice(AnswerError::NoAnswer),
                // WeChat documents no pause between attempts.
                Some(_) => nth += 1,
                None => break PhoneScreen::Nothing,
            }
        };
        let has_left = matches!(message.content, MessageContent::Action(PhoneAction::Unfollow));
        DeliveryOutcome { shown: if has_left { PhoneScreen::Nothing } else { shown }, attempts }
    }

    fn sign(&self, account: &HostedAccount, message: &DeliveryMessage) -> SignedRequest {
        let faults = self.faults.lock().clone();
        let key = account.state().encryption_key(faults.seals_with_previous_key).clone();
        SignedRequest::new(message, &account.settings, &key, faults.odd_texts)
    }

    async fn attempt(
        &self,
        account: &HostedAccount,
        openid: &OpenId,
        nth: u32,
        callback: Url,
        request: &SignedRequest,
    ) -> DeliveryAttempt {
        let url = request.address(callback, &account.settings.token);
        let (cut, limit, mark_fail) = {
            let mut faults = self.faults.lock();
            (faults.take_cut(), faults.answer_within(), faults.mark_fail)
        };
        let body = if cut { request.body.slice(..request.body.len() / 2) } else { request.body.clone() };
        let post = self.client.post(url.clone()).header(CONTENT_TYPE, "text/xml").body(body.clone());

        let started = Instant::now();
        let answer = answer_within(limit, post).await;
        let took = started.elapsed();
        if let Some(rule) = mark_fail {
            self.failed.note(&account.name, &answer, rule);
        }
        let account = account.name.clone();
        tracing::debug!(%account, nth, ?answer, ?took, "attempted to deliver");
        let attempt = DeliveryAttempt { account, openid: openid.clone(), url, body, nth, answer, took };
        // This fails if nobody receives attempts, which is normal.
        let _ = self.attempts.send(attempt.clone());
        attempt
    }

    /// Verifies each of the account's callbacks, as WeChat does when somebody enters an address in its console.
    pub(crate) async fn verify_urls(&self, account: &HostedAccount) -> Result<(), VerifyUrlError> {
        let callbacks = account.state().callbacks().to_vec();
        for callback in callbacks {
            let echostr = rand::random::<u64>().to_string();
            let mut url = RequestStamp::new().sign(callback.clone(), &account.settings.token);
            url.query_pairs_mut().append_pair("echostr", &echostr);
            let limit = self.faults.lock().answer_within();
            let answer = answer_within(limit, self.client.get(url)).await;
            if answer != (CallbackAnswer::Got { status: 200, body: echostr.into() }) {
                return Err(VerifyUrlError::Answer(callback, answer));
            }
        }
        Ok(())
    }
}

/// Sends a request. The limit covers connecting and the whole answer.
async fn answer_within(limit: Duration, request: reqwest::RequestBuilder) -> CallbackAnswer {
    let answer = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok::<_, reqwest::Error>(CallbackAnswer::Got { status, body: response.bytes().await? })
    };
    match timeout(limit, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => CallbackAnswer::Broken(error.without_url().to_string()),
        Err(_) => CallbackAnswer::Late,
    }
}
