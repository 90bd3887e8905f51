//! The routes of WeChat's deliveries, and when WeChat gets no answer.
//!
//! See docs/decisions/020-beyond-a-limit-wechat-gets-no-answer.md,
//! docs/decisions/048-a-delivery-out-of-time-gets-no-answer.md and
//! docs/decisions/054-a-full-callback-holds-wechats-connection.md.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{Uri, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use scenecast_scene::internal::OpenRefusal;
use scenecast_service::{
    admission::{Overloaded, RejectReason},
    http::Problem,
    listener::NoAnswer,
};

use super::{
    arrival::{Arrival, WECHAT_HAS_CLOSED_AFTER},
    envelope::{DeliveryQuery, DeliveryRefusal, bad_signature},
    hint::{hint, is_meant_for_wechat, told},
    receive::receive,
    state::{InboundState, SignatureClaim, client_address},
};
use crate::{problems::from_refusal, stores::SignedContent};

pub(crate) fn router(state: InboundState) -> Router {
    let methods = || get(verify).post(deliver);
    // Accounts may have their own paths, which change with the configuration.
    let router = Router::new().route("/wechat/{account}", methods()).route("/{*path}", methods());
    router.layer(from_fn(leave_overload_unanswered)).with_state(Arc::new(state))
}

/// A request beyond the pod's limits gets no answer, so that WeChat delivers it again. An error would end the delivery.
/// So would a connection that closes before WeChat has left: a proxy before us answers 502 then.
async fn leave_overload_unanswered(request: Request, next: Next) -> Response {
    let Some(overloaded) = request.extensions().get::<Overloaded>() else { return next.run(request).await };
    let client = client_address(request.extensions());
    overloaded.wait_before_close(Some(client), WECHAT_HAS_CLOSED_AFTER).await;
    NoAnswer.into_response()
}

/// WeChat asks whether this address belongs to the account.
async fn verify(State(state): State<Arc<InboundState>>, request: Request) -> Result<Response, Problem> {
    let peer = request.extensions().get().copied();
    let uri = request.uri().clone();
    let verified = verified(&state, &uri).await;
    if let Err(problem) = &verified
        && !state.is_misplaced(problem, &uri, peer)
        && is_meant_for_wechat(&uri)
    {
        tracing::warn!(
            path = told(uri.path()),
            code = problem.code,
            detail = problem.detail,
            hint = hint(&state, &uri, problem.code),
            "refused to verify an address for WeChat; if it was WeChat's console, compare the address (URL) and the token \
             there with this configuration"
        );
    }
    verified
}

async fn verified(state: &InboundState, uri: &Uri) -> Result<Response, Problem> {
    let account = &state.account_at(uri.path())?;
    let query = DeliveryQuery::read(uri)?;
    let signature = query.verify(account, &state.wechat_clock)?;
    let echo = query.echostr.as_deref();
    // In encrypted modes no message is accepted with this signature.
    let claimed = if account.settings.encryption().is_none() {
        let content = SignedContent::Echo(echo.unwrap_or_default());
        state.claim(signature, content, Arrival::now().decide_by()).await?
    } else {
        SignatureClaim::Made
    };
    signature.timely.map_err(bad_signature)?;
    let echo = echo.ok_or_else(|| Problem::bad_request("the query lacks echostr"))?.to_owned();
    if let SignatureClaim::Undecided(reason) = claimed {
        tracing::warn!(account = %account.name, %reason, "could not tell WeChat that this address is right; verify it again");
        return Err(from_refusal(OpenRefusal::BusUnavailable));
    }
    tracing::info!(account = %account.name, "WeChat verified this address");
    // The signature doesn't cover the echo, so no browser may take it for a page.
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, echo).into_response())
}

#[tracing::instrument(name = "delivery", skip_all, fields(account, purpose, scene))]
async fn deliver(State(state): State<Arc<InboundState>>, request: Request) -> Response {
    let arrival = Arrival::now();
    let client = client_address(request.extensions());
    let uri = request.uri().clone();
    let peer = request.extensions().get().copied();
    let (outcome, response) = match receive(&state, request, arrival).await {
        Ok(answer) => (answer.outcome, answer.response),
        // Beyond its rate, an invalid delivery is neither logged nor answered.
        Err(_) if state.invalid_delivery_rate.check(client).is_err() => {
            state.rejections.count(RejectReason::InvalidDeliveries);
            return NoAnswer.into_response();
        }
        Err(DeliveryRefusal::Stale { ahead_secs }) => {
            return leave_stale_unanswered(&state, client, arrival, ahead_secs).await;
        }
        Err(DeliveryRefusal::Problem(problem)) => {
            if !state.is_misplaced(&problem, &uri, peer) {
                tracing::warn!(
                    path = told(uri.path()),
                    code = problem.code,
                    detail = problem.detail,
                    hint = hint(&state, &uri, problem.code),
                    "refused a request to WeChat's address; if it was WeChat, WeChat's console and this configuration \
                     differ, or a proxy between them changes requests"
                );
            }
            (problem.code, Some(problem.into_response()))
        }
    };
    // Before the wait below: WeChat closes the connection in it, and then this future is dropped.
    state.metrics.deliveries.with_label_values(&[outcome]).inc();
    state.metrics.delivery_seconds.observe(arrival.elapsed().as_secs_f64());
    let Some(response) = response else {
        tokio::time::sleep_until(arrival.closed_by_wechat_at()).await;
        return NoAnswer.into_response();
    };
    response
}

/// Leaves a delivery out of time without an answer until WeChat has hung up, if there is room: anybody who has one old
/// message can send it any number of times.
async fn leave_stale_unanswered(state: &InboundState, client: IpAddr, arrival: Arrival, ahead_secs: i64) -> Response {
    tracing::warn!(
        ahead_secs,
        "a rightly signed message has a time more than 300 s from this pod's clock. Is the pod's clock right? If it is, \
         somebody sends an old message again. The message gets no answer, so that another pod may take it"
    );
    state.metrics.deliveries.with_label_values(&["stale"]).inc();
    if let Some(_held) = state.stale_room.hold(Some(client)) {
        tokio::time::sleep_until(arrival.closed_by_wechat_at()).await;
    }
    NoAnswer.into_response()
}
