//! What happens around every API call: faults, a check of the request, and the log.

use axum::{
    extract::{Query, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::caller::AccessTokenQuery;
use crate::{
    api_calls::TokenUse,
    faults::{CallFailure, FailureEffect},
    rules::refusal::ApiRefusal,
    simulator::Simulator,
};

/// Applies faults, logs the call, and refuses requests that WeChat's front end refuses.
pub(super) async fn faults_and_log(State(simulator): State<Simulator>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let query = Query::<AccessTokenQuery>::try_from_uri(request.uri()).ok();
    let sent_token = query.and_then(|query| simulator.token_use(&query));
    let failure = simulator.take_failure(&path);
    let (response, delay) = match failure.map(CallFailure::effect) {
        Some(FailureEffect::Answer(response)) => (response, None),
        // WeChat's front end refuses chunked bodies.
        _ if request.method() == Method::POST && !request.headers().contains_key(header::CONTENT_LENGTH) => {
            (StatusCode::PRECONDITION_FAILED.into_response(), None)
        }
        Some(FailureEffect::Delay(delay)) => (next.run(request).await, Some(delay)),
        None => (next.run(request).await, None),
    };
    let result = match (failure.and_then(CallFailure::result), response.extensions().get::<ApiRefusal>()) {
        (Some(result), _) => result.to_owned(),
        (None, Some(refusal)) => refusal.0.to_string(),
        (None, None) if response.status() == StatusCode::OK => "ok".to_owned(),
        (None, None) => response.status().as_u16().to_string(),
    };
    let token = sent_token.or_else(|| response.extensions().get::<TokenUse>().cloned());
    simulator.log_call(path, result, token);
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    response
}
