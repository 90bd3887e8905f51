//! A page's events one answer at a time (long poll), for pages through whose proxies nothing flows.
//! Nothing is kept between two polls.

use std::time::{Duration, Instant};

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use scenecast_shared::{
    scene::{Claims, State},
    serve::Problem,
    time::millis,
};
use serde_json::value::to_raw_value;

use crate::{
    pages::{Pages, Transport},
    session::{End, Told},
    watching::Watching,
    wire::Polled,
};

/// The scene's events after `after`, as soon as there is one; none and where it stands after `wait`.
pub(crate) async fn poll(pages: Pages, claims: Claims, after: u64, wait: Duration) -> Result<Response, Problem> {
    let mut until = Instant::now() + wait;
    let mut watching = Watching::resume(pages.clone(), claims, after).await?;
    let mut counted = pages.count(Transport::Poll);
    let (mut events, mut elsewhere_in) = (vec![], None);
    loop {
        match watching.next(until).await {
            None => {
                counted.ends("answered");
                break;
            }
            Some(Told::Event(event, handover)) => {
                let told = watching.carry(&event, handover, |frame| to_raw_value(frame));
                events.push(told.expect("a frame has string keys only"));
                // What else is there comes along, and nothing is waited for.
                until = Instant::now();
            }
            // A poll that is over by then is asked again, and that is refused while Redis is away.
            Some(Told::Away | Told::Back) => {}
            Some(Told::End(end)) => {
                counted.ends(end.word());
                match end {
                    End::Refused(problem) if events.is_empty() => return Err(problem),
                    End::Restart | End::Rebalance => elsewhere_in = end.back_in(),
                    _ => {}
                }
                break;
            }
        }
    }
    let state = watching.state();
    let answer = Polled {
        scene: watching.scene(),
        state: state.word(),
        expires_in: matches!(state, State::Open | State::Scanned).then(|| watching.remaining().as_secs()),
        events,
        retry_after_ms: elsewhere_in.map(millis),
    };
    // On this connection the next poll would come here again.
    let close = elsewhere_in.map(|_| [(header::CONNECTION, "close")]);
    Ok(([(header::CACHE_CONTROL, "no-store")], close, Json(answer)).into_response())
}
