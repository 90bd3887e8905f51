//! What happens to every call of the API before and after it is answered.

use axum::{
    extract::{Query, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::caller::Access;
use crate::simulator::{Failure, Simulator, TokenUse, lock, rules::refusal::Refusal};

/// Lets faults happen, logs, and is as picky about requests as WeChat's front is.
pub(super) async fn pass(State(simulator): State<Simulator>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let called_with = Query::<Access>::try_from_uri(request.uri()).ok().and_then(|query| simulator.token_use(&query));
    let failure = lock(&simulator.0.faults).take(&path);
    let (response, late) = match failure.map(Failure::answer) {
        Some(Ok(response)) => (response, None),
        // WeChat's front refuses chunked bodies.
        _ if request.method() == Method::POST && !request.headers().contains_key(header::CONTENT_LENGTH) => {
            (StatusCode::PRECONDITION_FAILED.into_response(), None)
        }
        Some(Err(late)) => (next.run(request).await, Some(late)),
        None => (next.run(request).await, None),
    };
    let result = match (failure.and_then(Failure::word), response.extensions().get::<Refusal>()) {
        (Some(word), _) => word.to_owned(),
        (None, Some(refusal)) => refusal.0.to_string(),
        (None, None) if response.status() == StatusCode::OK => "ok".to_owned(),
        (None, None) => response.status().as_u16().to_string(),
    };
    let token = called_with.or_else(|| response.extensions().get::<TokenUse>().cloned());
    simulator.log(path, result, token);
    if let Some(late) = late {
        tokio::time::sleep(late).await;
    }
    response
}
