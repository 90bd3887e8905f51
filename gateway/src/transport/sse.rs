//! A page's events as one long response (`text/event-stream`, WHATWG HTML section 9.2), for pages whose
//! WebSocket doesn't get through.

use std::{convert::Infallible, time::Instant};

use axum::{
    http::{HeaderName, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use scenecast_scene::{Claims, time::millis};
use scenecast_service::{http::Problem, listener::Detachable};

use super::{problem, reconnect::reconnect_delay, timer_grid::on_grid};
use crate::{
    metrics::{ConnectionGuard, Transport},
    scenes::Visitor,
    session::{HEARTBEAT, SceneFeed, ServerMessage, SessionEnd, SessionUpdate},
    state::GatewayState,
};

/// The scene's state, and then its events after `after`, until it is over. The response is detached if it may be.
pub(super) async fn events(
    state: GatewayState,
    claims: Claims,
    after: u64,
    visitor: Visitor,
    detachable: Option<Detachable>,
) -> Result<Response, Problem> {
    let feed = SceneFeed::watch(state.clone(), claims, after, visitor).await?;
    let guard = state.metrics().connection_opened(Transport::Sse);
    let first = Some(sse_event(&feed.current_state(true)));
    let events = stream::unfold(SseStream { feed, guard, first, is_over: false }, async |mut stream| {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    let response = (stream_headers(), Sse::new(events)).into_response();
    Ok(match detachable {
        Some(detachable) => detachable.stream(response),
        None => response,
    })
}

/// What has proxies pass on each event of a stream at once, and keep none.
pub(crate) fn stream_headers() -> [(HeaderName, &'static str); 2] {
    [
        // A proxy that compresses (the `compression` of Express) would hold events back until it has a full block.
        (header::CACHE_CONTROL, "no-cache, no-store, no-transform"),
        // Without it nginx keeps events to itself until they are a few kilobytes.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ]
}

struct SseStream {
    feed: SceneFeed,
    guard: ConnectionGuard,
    first: Option<Event>,
    is_over: bool,
}

impl SseStream {
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        match self.feed.next(on_grid(Instant::now() + HEARTBEAT)).await {
            // Not an event: `EventSource` would hand that to the page. One that reads the stream by `fetch` sees it.
            None => Some(Event::default().comment("")),
            Some(SessionUpdate::Event(event, handover)) => {
                let send =
                    |message: &ServerMessage<'_>| Ok::<_, Infallible>(sse_event(message).id(event.seq.to_string()));
                let Ok(sent) = self.feed.send_event(&event, handover, send);
                Some(sent)
            }
            Some(SessionUpdate::Interrupted) => Some(sse_event(&ServerMessage::Trouble)),
            Some(SessionUpdate::Resumed) => Some(sse_event(&self.feed.current_state(true))),
            Some(SessionUpdate::End(end)) => {
                self.is_over = true;
                self.guard.set_end(end.label());
                last_event(end)
            }
        }
    }
}

fn sse_event(message: &ServerMessage<'_>) -> Event {
    Event::default().event(message.kind()).data(message.to_json())
}

/// The event for the end of a session, with the reconnect delay as the stream's `retry`.
fn last_event(end: SessionEnd) -> Option<Event> {
    let delay = reconnect_delay(&end);
    let last = match end {
        SessionEnd::Over => return None,
        SessionEnd::Expired => sse_event(&ServerMessage::Expired),
        SessionEnd::Restart | SessionEnd::Rebalance => {
            sse_event(&ServerMessage::Restart { retry_after_ms: millis(delay.unwrap_or_default()) })
        }
        SessionEnd::Refused(refusal) => sse_event(&problem::message(&Problem::from(refusal))),
    };
    Some(match delay {
        Some(delay) => last.retry(delay),
        None => last,
    })
}
