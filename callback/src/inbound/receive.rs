//! One delivery from its request to its answer. The checks come in the order of their cost.
//!
//! See docs/decisions/002-answer-wechat-after-the-login-is-stored.md,
//! docs/decisions/047-a-signature-is-good-for-one-content.md and
//! docs/decisions/071-what-wechat-signed-gets-no-error.md.

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use scenecast_service::{
    admission::RejectReason,
    http::{Problem, read_body},
};
use scenecast_wechat::{ACKNOWLEDGED, MessageError, is_container_probe};
use tracing::Span;

use super::{
    arrival::Arrival,
    delivery::Delivery,
    envelope::{DeliveryQuery, DeliveryRefusal, Envelope, OpenError, ReceivedMessage, forbidden},
    handlers::handle,
    lookup::look_up,
    purpose::Purpose,
    state::{InboundState, SignatureClaim, client_address},
};
use crate::{accounts::Account, phone::Reply, stores::SignedContent, wechat::AddressOrigin};

/// The longest body that is read. WeChat's own bodies have a few hundred bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest body without a signature that is read.
const MAX_PROBE_BYTES: usize = 512;

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

    /// WeChat is told that the request has arrived, and nothing else.
    fn acknowledged(outcome: &'static str) -> Self {
        Self { outcome, response: Some(acknowledgement()) }
    }

    fn reply(received: &ReceivedMessage<'_>, reply: &Reply) -> Self {
        let response = match reply {
            Reply::Acknowledge => acknowledgement(),
            Reply::Say { text, .. } => {
                ([(header::CONTENT_TYPE, "application/xml; charset=utf-8")], received.text_reply(text)).into_response()
            }
        };
        Self { outcome: reply.as_str(), response: Some(response) }
    }
}

fn acknowledgement() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], ACKNOWLEDGED).into_response()
}

pub(super) async fn receive(
    state: &InboundState,
    request: Request,
    arrival: Arrival,
) -> Result<DeliveryAnswer, DeliveryRefusal> {
    let account = &state.account_at(request.uri().path())?;
    Span::current().record("account", account.name.as_str());
    let (head, body) = request.into_parts();
    check_source_address(state, account, &head)?;
    let query = match DeliveryQuery::read(&head.uri) {
        Ok(query) => query,
        Err(problem) => return acknowledge_probe(body).await.ok_or(problem.into()),
    };
    let envelope = Envelope::expected(account, &query, &state.wechat_clock)?;
    let body = read_body(body, MAX_BODY_BYTES).await;
    let (content, opened) = match &body {
        Ok(body) => (SignedContent::Body(body), envelope.open(account, body, &state.wechat_clock)),
        Err(problem) if problem.status == StatusCode::PAYLOAD_TOO_LARGE => {
            (SignedContent::TooLong, Err(problem.clone().into()))
        }
        // An error would end the delivery, and the next attempt may be faster.
        Err(problem) if problem.status == StatusCode::REQUEST_TIMEOUT => {
            tracing::warn!(
                account = %account.name,
                "a message's body took too long, so it gets no answer, and WeChat delivers it again; if this repeats, look at \
                 the network and at the proxy before the callbacks"
            );
            return Ok(DeliveryAnswer::none(problem.code));
        }
        // What didn't arrive whole may come again, with the same signature.
        Err(problem) => return Err(problem.clone().into()),
    };
    let claim = claim(state, &envelope, content, arrival);
    let received = match opened {
        Ok(received) => received,
        Err(error) => {
            let claimed = claim.await?;
            return match (error, claimed) {
                (OpenError::Refused(refusal), _) => Err(refusal),
                (OpenError::Unreadable(error), SignatureClaim::Made) => Ok(acknowledge_unreadable(account, error)),
                (OpenError::Unreadable(_), SignatureClaim::Undecided(_)) => Ok(DeliveryAnswer::none("undecided")),
            };
        }
    };
    let purpose = Purpose::of(&received.message);
    Span::current().record("purpose", purpose.as_str());
    let is_last = arrival.is_last_attempt(&received.message, state.wechat_clock.correction());
    let mut delivery = Delivery::new(&state.services, account, &received.message, &purpose, arrival, &head);

    if !state.message_rate.allows() {
        claim.await?;
        state.rejections.count(RejectReason::Deliveries);
        return Ok(if is_last {
            DeliveryAnswer::reply(&received, &delivery.last_reply())
        } else {
            DeliveryAnswer::none("crowded")
        });
    }
    let (claimed, stored) = tokio::join!(claim, look_up(&delivery));
    let result = match (claimed?, stored) {
        (SignatureClaim::Made, Ok(stored)) => {
            delivery.stored = stored;
            handle(&delivery).await
        }
        (SignatureClaim::Undecided(obstacle), Ok(_)) => Err(delivery.unfinished(true, &obstacle)),
        (_, Err(unfinished)) => Err(unfinished),
    };
    let answer = match result {
        Ok(reply) => DeliveryAnswer::reply(&received, &reply),
        Err(unfinished) if unfinished.retry && !is_last => DeliveryAnswer::none("undecided"),
        Err(unfinished) => DeliveryAnswer::reply(&received, &unfinished.reply),
    };
    delivery.ends(answer.outcome, answer.response.as_ref());
    Ok(answer)
}

/// The answer to a request without a signature, if it is one that WeChat's Cloud Hosting sends to see whether we
/// listen.
async fn acknowledge_probe(body: Body) -> Option<DeliveryAnswer> {
    let body = read_body(body, MAX_PROBE_BYTES).await.ok()?;
    is_container_probe(&body).then(|| DeliveryAnswer::acknowledged("probe"))
}

/// The answer to a message that WeChat has signed and nobody can read. With an error, WeChat would deliver it again,
/// and tell the person that the account is out of order.
fn acknowledge_unreadable(account: &Account, error: MessageError) -> DeliveryAnswer {
    tracing::warn!(
        account = %account.name, %error,
        "WeChat signed a message that can't be read: probably WeChat copied a person's text into it as it is, or cut it; \
         the message is acknowledged and not acted upon. If this happens to every message, compare the account's server \
         settings at WeChat with these"
    );
    DeliveryAnswer::acknowledged("unreadable")
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

/// Uses up a signature that doesn't cover its content, for this content.
async fn claim(
    state: &InboundState,
    envelope: &Envelope<'_>,
    content: SignedContent<'_>,
    arrival: Arrival,
) -> Result<SignatureClaim, Problem> {
    match envelope.bare_signature() {
        Some(signature) => state.claim(signature, content, arrival.decide_by()).await,
        None => Ok(SignatureClaim::Made),
    }
}
