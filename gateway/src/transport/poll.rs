//! A page's events by long poll, for pages whose proxies pass on nothing before an answer is complete. Nothing is
//! kept between two polls.

use std::time::{Duration, Instant};

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use scenecast_scene::{Claims, SceneState, time::millis};
use scenecast_service::{http::Problem, listener::Detachable};
use serde_json::value::to_raw_value;

use super::reconnect::reconnect_delay;
use crate::{
    metrics::Transport,
    scenes::Visitor,
    session::{PollResponse, SceneFeed, SessionEnd, SessionUpdate},
    state::GatewayState,
};

/// The scene's events after `after`, as soon as there is one. After `wait` without an event: its state. While it waits, the
/// response is detached if it may be.
pub(super) async fn poll(
    state: GatewayState,
    claims: Claims,
    after: u64,
    wait: Duration,
    visitor: Visitor,
    detachable: Option<Detachable>,
) -> Result<Response, Problem> {
    let until = Instant::now() + wait;
    let feed = SceneFeed::watch(state.clone(), claims, after, visitor).await?;
    let mut answer = Box::pin(answer(state, feed, until));
    if let Some(answer) = answer.as_mut().now_or_never() {
        return answer;
    }
    match detachable {
        Some(detachable) => Ok(detachable.later(async move { answer.await.into_response() })),
        None => answer.await,
    }
}

/// What the feed brings until then, or as soon as it brings something.
async fn answer(state: GatewayState, mut feed: SceneFeed, mut until: Instant) -> Result<Response, Problem> {
    let mut guard = state.metrics().connection_opened(Transport::Poll);
    let mut events = vec![];
    let mut reconnect_after = None;
    loop {
        match feed.next(until).await {
            None => {
                guard.set_end("answered");
                break;
            }
            Some(SessionUpdate::Event(event, handover)) => {
                let message = feed.send_event(&event, handover, |message| to_raw_value(message));
                events.push(message.expect("a message has string keys only"));
                // Events that are there already come along, but the answer waits for no others.
                until = Instant::now();
            }
            // The page polls again in any case, and is refused then while Redis is away.
            Some(SessionUpdate::Interrupted | SessionUpdate::Resumed) => {}
            Some(SessionUpdate::End(end)) => {
                guard.set_end(end.label());
                match end {
                    SessionEnd::Refused(refusal) if events.is_empty() => return Err(refusal.into()),
                    SessionEnd::Restart | SessionEnd::Rebalance => reconnect_after = reconnect_delay(&end),
                    _ => {}
                }
                break;
            }
        }
    }
    let scene_state = feed.state();
    let answer = PollResponse {
        scene: feed.scene(),
        state: scene_state.into(),
        expires_in: matches!(scene_state, SceneState::Open | SceneState::Scanned).then(|| feed.remaining().as_secs()),
        events,
        retry_after_ms: reconnect_after.map(millis),
    };
    // The next poll on this connection would reach this pod again.
    let close = reconnect_after.map(|_| [(header::CONNECTION, "close")]);
    Ok(([(header::CACHE_CONTROL, "no-store")], close, Json(answer)).into_response())
}
