//! A delivery that somebody else posts: a load generator, with connections of its own.

use std::sync::Arc;

use axum::body::Bytes;
use url::Url;

use super::{
    answer::{AnswerContext, PhoneScreen, screen_for},
    message::DeliveryMessage,
    request::SignedRequest,
};
use crate::accounts::HostedAccount;

/// A signed delivery, as WeChat posts it. Posting it again is WeChat's own repeat.
#[derive(Debug, Clone)]
pub struct SealedDelivery {
    /// Where it goes, with everything that WeChat adds to the address.
    pub url: Url,
    /// The XML to post as `text/xml`.
    pub body: Bytes,
    request: SignedRequest,
    account: Arc<HostedAccount>,
    openid: String,
}

impl SealedDelivery {
    /// Signs a message to the next of the account's callbacks; `None` if it has no callback.
    pub(crate) fn new(account: Arc<HostedAccount>, message: &DeliveryMessage) -> Option<Self> {
        let (callback, key) = {
            let mut state = account.state();
            (state.next_callbacks(1).pop()?, state.encryption_key(false).clone())
        };
        let request = SignedRequest::new(message, &account.settings, &key, None);
        let url = request.address(callback, &account.settings.token);
        let (body, openid) = (request.body.clone(), message.from.to_string());
        Some(Self { url, body, request, account, openid })
    }

    /// What the phone shows for this answer of the callback.
    pub fn screen(&self, status: u16, body: &[u8]) -> PhoneScreen {
        let context = AnswerContext { openid: &self.openid, account: &self.account.settings, key: &self.request.key };
        screen_for(status, body, context)
    }
}
