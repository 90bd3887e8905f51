//! What a sender reports: attempts to deliver, and their outcome.

use std::time::Duration;

use axum::body::Bytes;
use scenecast_scene::{AccountName, OpenId};
use url::Url;

use super::answer::PhoneScreen;
use crate::users::ActionError;

#[derive(Debug, Clone)]
pub struct DeliveryOutcome {
    /// What the phone shows.
    pub shown: PhoneScreen,
    /// Every request that was made for the delivery.
    pub attempts: Vec<DeliveryAttempt>,
}

/// One request to a callback.
#[derive(Debug, Clone)]
pub struct DeliveryAttempt {
    /// The account whose callback was called.
    pub account: AccountName,
    /// The user whose message it was.
    pub openid: OpenId,
    /// The callback's address with the signature.
    pub url: Url,
    /// The body that was sent.
    pub body: Bytes,
    /// Which of the delivery's three attempts it was, from 1. The two requests of a duplicate share a number.
    pub nth: u32,
    pub answer: CallbackAnswer,
    /// How long the whole answer took.
    pub took: Duration,
}

/// What a callback did with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// It answered in time.
    Got { status: u16, body: Bytes },
    /// It did not answer in time.
    Late,
    /// The connection failed or ended too early, for this reason.
    Broken(String),
}

/// Why WeChat doesn't accept a callback's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyUrlError {
    /// There is no such account.
    #[error(transparent)]
    Account(#[from] ActionError),
    /// The answer was not status 200 with exactly the `echostr` as its body.
    #[error("{0} did not answer with status 200 and the echostr: {1:?}")]
    Answer(Url, CallbackAnswer),
}
