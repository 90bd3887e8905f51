//! What deliveries need.

use std::{net::IpAddr, sync::Arc};

use axum::http::{Extensions, StatusCode, Uri};
use scenecast_scene::internal::OpenRefusal;
use scenecast_service::{
    admission::{AddressRateLimit, HeldConnections, RateLimit, Rejections},
    http::{ClientAddress, MisplacedRequests, PeerAddress, Problem},
};
use tokio::time::Instant;

use super::{
    delivery::DeliveryServices,
    envelope::{BareSignature, forbidden},
    wechat_clock::WechatClock,
};
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
    pub(crate) misplaced: MisplacedRequests,
    pub(crate) wechat_clock: WechatClock,
    /// How many deliveries out of time may be held without an answer.
    pub(crate) stale_room: HeldConnections,
    pub(crate) metrics: CallbackMetrics,
    pub(crate) services: DeliveryServices,
}

/// What became of a signature that doesn't cover its content.
pub(super) enum SignatureClaim {
    /// It is good for this content, and for no other.
    Made,
    /// Nobody knows whether it was used before.
    Undecided(ClaimObstacle),
}

/// Why nobody knows whether a signature was used before. Said to the operator.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum ClaimObstacle {
    #[error("Redis did not say whether the signature was used before")]
    NoAnswer,
    #[error(
        "Redis was emptied or has restarted, or this pod has, since the message was signed, so nobody knows whether its \
         signature was used before; if this lasts for more than some seconds, compare this pod's clock with WeChat's; in \
         mode safe signatures need no memory"
    )]
    Forgotten,
}

impl InboundState {
    /// Uses up a verified signature that doesn't cover its content, for this content.
    pub(super) async fn claim(
        &self,
        signature: BareSignature<'_>,
        content: SignedContent<'_>,
        deadline: Instant,
    ) -> Result<SignatureClaim, Problem> {
        match ask_store(deadline, || self.replays.claim(signature.text, signature.signed_at, content)).await {
            Ok(ReplayVerdict::Genuine) => Ok(SignatureClaim::Made),
            Ok(ReplayVerdict::Forged) => Err(forbidden("signature_reused", "this signature came with another body")),
            Ok(ReplayVerdict::Forgotten) => Ok(SignatureClaim::Undecided(ClaimObstacle::Forgotten)),
            Err(_) => Ok(SignatureClaim::Undecided(ClaimObstacle::NoAnswer)),
        }
    }

    /// The account to which WeChat delivers at this path.
    pub(super) fn account_at(&self, path: &str) -> Result<Arc<Account>, Problem> {
        let account = self.accounts.current().at_path(path).cloned();
        account.ok_or_else(|| {
            if path.starts_with("/wechat/") { from_refusal(OpenRefusal::AccountUnknown) } else { Problem::not_found() }
        })
    }

    /// Whether a refused request belongs to another listener. The log says to which.
    pub(super) fn is_misplaced(&self, refusal: &Problem, uri: &Uri, peer: Option<PeerAddress>) -> bool {
        refusal.status == StatusCode::NOT_FOUND && self.misplaced.tell(uri, peer)
    }
}

/// The address as which the client of a request is limited.
pub(super) fn client_address(extensions: &Extensions) -> IpAddr {
    let client: &ClientAddress = extensions.get().expect("the listener adds the address to each request");
    client.limited_as()
}
