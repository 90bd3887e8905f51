//! One delivery from its request to its answer. The checks come in the order of their cost.
//!
//! See docs/decisions/002-answer-wechat-after-the-login-is-stored.md.

use axum::{
    extract::Request,
    http::{header, request::Parts},
    response::{IntoResponse, Response},
};
use scenecast_service::{
    admission::RejectReason,
    http::{Problem, read_body},
};
use scenecast_wechat::ACKNOWLEDGED;
use tracing::Span;

use super::{
    arrival::Arrival,
    delivery::Delivery,
    envelope::{DeliveryQuery, Envelope, ReceivedMessage, forbidden},
    handlers::handle,
    lookup::look_up,
    purpose::Purpose,
    state::{InboundState, client_address},
};
use crate::{accounts::Account, phone::Reply, retry::ask_store, stores::ReplayVerdict, wechat::AddressOrigin};

/// The longest body that is read. WeChat's own bodies have a few hundred bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What became of a delivery.
pub(super) struct DeliveryAnswer {
    /// The outcome's word in metrics.
    pub(super) outcome: &'static str,
    /// What WeChat is answered; `None` for nothing, so that WeChat delivers again.
    pub(super) response: Option<Response>,
}

impl DeliveryAnswer {
    fn none(outcome: &'static str) -> Self {
        Self { outcome, response: None }
    }

    fn reply(received: &ReceivedMessage<'_>, reply: &Reply) -> Self {
        let (content_type, body) = match reply {
            Reply::Acknowledge => ("text/plain; charset=utf-8", ACKNOWLEDGED.to_owned()),
            Reply::Say { text, .. } => ("application/xml; charset=utf-8", received.text_reply(text)),
        };
        let response = ([(header::CONTENT_TYPE, content_type)], body).into_response();
        Self { outcome: reply.as_str(), response: Some(response) }
    }
}

pub(super) async fn receive(
    state: &InboundState,
    request: Request,
    arrival: Arrival,
) -> Result<DeliveryAnswer, Problem> {
    let account = &state.account_at(request.uri().path())?;
    Span::current().record("account", account.name.as_str());
    let (head, body) = request.into_parts();
    check_source_address(state, account, &head)?;
    let query = DeliveryQuery::read(&head.uri)?;
    let envelope = Envelope::expected(account, &query)?;
    let body = read_body(body, MAX_BODY_BYTES).await?;
    let received = envelope.open(account, &body)?;
    let purpose = Purpose::of(&received.message);
    Span::current().record("purpose", purpose.as_str());
    let is_last = arrival.is_last_attempt(&received.message);
    let mut delivery = Delivery::new(&state.services, account, &received.message, &purpose, arrival);

    if !state.message_rate.allows() {
        state.rejections.count(RejectReason::Deliveries);
        return Ok(if is_last {
            DeliveryAnswer::reply(&received, &delivery.last_reply())
        } else {
            DeliveryAnswer::none("crowded")
        });
    }
    let (genuine, stored) = tokio::join!(is_genuine(state, account, &envelope, &body, arrival), look_up(&delivery));
    let result = match (genuine?, stored) {
        (true, Ok(stored)) => {
            delivery.stored = stored;
            handle(&delivery).await
        }
        (false, Ok(_)) => Err(delivery.unfinished(true, &"Redis did not say whether the signature was used before")),
        (_, Err(unfinished)) => Err(unfinished),
    };
    Ok(match result {
        Ok(reply) => DeliveryAnswer::reply(&received, &reply),
        Err(unfinished) if unfinished.retry && !is_last => DeliveryAnswer::none("undecided"),
        Err(unfinished) => DeliveryAnswer::reply(&received, &unfinished.reply),
    })
}

/// Refuses a delivery that doesn't come from an address of WeChat, if the account wants that check. While WeChat hasn't
/// told its addresses, the signature has to do.
fn check_source_address(state: &InboundState, account: &Account, head: &Parts) -> Result<(), Problem> {
    let Some(addresses) = &account.wechat_addresses else { return Ok(()) };
    let address = client_address(&head.extensions);
    let origin = addresses.origin_of(address);
    state.metrics.delivery_sources.with_label_values(&[origin.as_str()]).inc();
    if origin == AddressOrigin::Elsewhere {
        tracing::warn!(
            account = %account.name, %address,
            "a delivery did not come from an address of WeChat; if it is the address of your own proxy, add it to \
             trusted_proxies"
        );
        return Err(forbidden("wrong_source", "this address is none of WeChat's"));
    }
    Ok(())
}

/// Whether WeChat has signed this body. In plain mode the replay guard says so, and `false` means that Redis didn't
/// answer in time.
async fn is_genuine(
    state: &InboundState,
    account: &Account,
    envelope: &Envelope<'_>,
    body: &[u8],
    arrival: Arrival,
) -> Result<bool, Problem> {
    let Some(signed) = envelope.signature_without_body() else { return Ok(true) };
    let checked = ask_store(arrival.decide_by(), || state.replays.check(&account.name, signed, body)).await;
    match checked {
        Ok(ReplayVerdict::Genuine) => Ok(true),
        Ok(ReplayVerdict::Forged) => Err(forbidden("signature_reused", "this signature came with another body")),
        Err(_) => Ok(false),
    }
}
