//! A page's events as one long response (`text/event-stream`, WHATWG HTML section 9.2), for pages
//! whose WebSocket doesn't get through.

use std::{
    convert::Infallible,
    ops::Range,
    time::{Duration, Instant},
};

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use scenecast_shared::{scene::Claims, serve::Problem, time::millis};

use crate::{
    pages::{Counted, Pages, Transport},
    session::{End, Told},
    watching::Watching,
    wire::Frame,
};

/// After so much silence, by chance, comes a sign of life: whatever is between here and the page
/// would take the stream for dead.
const HEARTBEAT: Range<Duration> = Duration::from_secs(15)..Duration::from_secs(25);

/// The scene's events after `after`: first where it stands, then what happens to it, until it is over.
pub(crate) async fn events(pages: Pages, claims: Claims, after: u64) -> Result<Response, Problem> {
    let watching = Watching::resume(pages.clone(), claims, after).await?;
    let counted = pages.count(Transport::Sse);
    let first = Some(event(&watching.resumed()));
    let events = stream::unfold(Stream { watching, counted, first, over: false }, async |mut stream| {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Without it nginx keeps events to itself until they are a few kilobytes.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Sse::new(events)).into_response())
}

struct Stream {
    watching: Watching,
    counted: Counted,
    first: Option<Event>,
    over: bool,
}

impl Stream {
    async fn next(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let heartbeat = Instant::now() + rand::random_range(HEARTBEAT);
        match self.watching.next(heartbeat).await {
            None => Some(Event::default().comment("")),
            Some(Told::Event(what, handover)) => {
                let tell = |frame: &Frame<'_>| Ok::<_, Infallible>(event(frame).id(what.seq.to_string()));
                let Ok(event) = self.watching.carry(&what, handover, tell);
                Some(event)
            }
            Some(Told::Away) => Some(event(&Frame::Trouble)),
            Some(Told::Back) => Some(event(&self.watching.resumed())),
            Some(Told::End(end)) => {
                self.over = true;
                self.counted.ends(end.word());
                last(&end)
            }
        }
    }
}

fn event(frame: &Frame<'_>) -> Event {
    Event::default().event(frame.word()).data(frame.json())
}

/// What tells an end, with the delay after which to come back as the stream's `retry`.
fn last(end: &End) -> Option<Event> {
    let back_in = end.back_in();
    let last = match end {
        End::Over => return None,
        End::Expired => event(&Frame::Expired),
        End::Restart | End::Rebalance => event(&Frame::Restart { retry_after_ms: millis(back_in.unwrap_or_default()) }),
        End::Refused(problem) => event(&Frame::problem(problem)),
    };
    Some(match back_in {
        Some(delay) => last.retry(delay),
        None => last,
    })
}
