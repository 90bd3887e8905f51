//! What deliveries need.

use std::{net::IpAddr, sync::Arc};

use axum::http::Extensions;
use scenecast_scene::internal::OpenRefusal;
use scenecast_service::{
    admission::{AddressRateLimit, RateLimit, Rejections},
    http::{ClientAddress, Problem},
};
use tokio::{sync::Semaphore, time::Instant};

use super::{delivery::DeliveryServices, envelope::forbidden, wechat_clock::WechatClock};
use crate::{
    accounts::{Account, AccountRegistry},
    metrics::CallbackMetrics,
    problems::from_refusal,
    retry::ask_store,
    stores::{ReplayGuard, ReplayVerdict, SignedContent},
};

pub(crate) struct InboundState {
    pub(crate) accounts: AccountRegistry,
    pub(crate) replays: ReplayGuard,
    /// Limits the messages of WeChat, of all accounts together.
    pub(crate) message_rate: RateLimit,
    /// Limits requests that are none of WeChat's, for each address.
    pub(crate) invalid_delivery_rate: AddressRateLimit,
    pub(crate) rejections: Rejections,
    pub(crate) wechat_clock: WechatClock,
    /// How many deliveries out of time may be held without an answer.
    pub(crate) stale_room: Semaphore,
    pub(crate) metrics: CallbackMetrics,
    pub(crate) services: DeliveryServices,
}

impl InboundState {
    /// Uses up a verified signature that doesn't cover its content, for this content. `false` means that Redis didn't
    /// answer by the deadline.
    pub(super) async fn claim(
        &self,
        signature: &str,
        content: SignedContent<'_>,
        deadline: Instant,
    ) -> Result<bool, Problem> {
        match ask_store(deadline, || self.replays.claim(signature, content)).await {
            Ok(ReplayVerdict::Genuine) => Ok(true),
            Ok(ReplayVerdict::Forged) => Err(forbidden("signature_reused", "this signature came with another body")),
            Err(_) => Ok(false),
        }
    }

    /// The account to which WeChat delivers at this path.
    pub(super) fn account_at(&self, path: &str) -> Result<Arc<Account>, Problem> {
        let account = self.accounts.current().at_path(path).cloned();
        account.ok_or_else(|| {
            if path.starts_with("/wechat/") { from_refusal(OpenRefusal::AccountUnknown) } else { Problem::not_found() }
        })
    }
}

/// The address as which the client of a request is limited.
pub(super) fn client_address(extensions: &Extensions) -> IpAddr {
    let client: &ClientAddress = extensions.get().expect("the listener adds the address to each request");
    client.limited_as()
}
