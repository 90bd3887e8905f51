//! `/v1/miniapp`: what a mini program's login page sends, from the phone of whoever opened its code.
//!
//! | module | what it is for |
//! |---|---|
//! | `scan` | the page was opened: who did, and what they are told of the login |
//! | `answer` | what they say to it |
//! | `ticket` | what ties the answer to the scan |
//! | `sender` | who sent a `js_code` |

mod answer;
mod scan;
mod sender;
mod ticket;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::StatusCode,
    middleware::{from_fn, from_fn_with_state},
    routing::post,
};
use scenecast_shared::{
    internal::Refused,
    scene::{Cause, DeliveryId, Person, SceneId, Settled, State},
    serve::{Admission, Problem, admit_clients, turn_away},
    store::{StoreError, User},
    telemetry::traceparent,
    time::unix_now_ms,
};
use tokio::time::Instant;
use tracing::Span;

use crate::{
    accounts::MiniProgram,
    app::{App, stored},
    login::LoggedIn,
};

const LONGEST_BODY: usize = 4 * 1024;
/// How long settling may take. The same call may come again.
const LIMIT: Duration = Duration::from_secs(4);

pub(crate) fn router(admission: &Admission) -> Router<Arc<App>> {
    Router::new()
        .route("/v1/miniapp/scan", post(scan::scan))
        .route("/v1/miniapp/confirm", post(answer::confirm))
        .layer(from_fn(turn_away))
        .layer(from_fn_with_state(admission.clone(), admit_clients))
}

/// Why a mini program's call does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotDone {
    #[error("WeChat does not know this js_code, or it was used before: call wx.login again")]
    JsCodeInvalid,
    #[error("WeChat lets this person log in nowhere")]
    PersonBlocked,
    /// Whether it is another account's isn't told.
    #[error("there is no such scene for this mini program")]
    SceneUnknown,
    #[error("the scene's time is over, or its page gave it up")]
    SceneExpired,
    #[error("somebody else was first with this scene")]
    SceneTaken,
    #[error("this person has answered before")]
    SceneAnswered,
    #[error("the ticket was not issued here, or to somebody else")]
    TicketInvalid,
}

impl From<NotDone> for Problem {
    fn from(why: NotDone) -> Self {
        let (status, code) = match why {
            NotDone::JsCodeInvalid => (StatusCode::BAD_REQUEST, "js_code_invalid"),
            NotDone::PersonBlocked => (StatusCode::FORBIDDEN, "person_blocked"),
            NotDone::SceneUnknown => (StatusCode::NOT_FOUND, "scene_unknown"),
            NotDone::SceneExpired => (StatusCode::GONE, "scene_expired"),
            NotDone::SceneTaken => (StatusCode::CONFLICT, "scene_taken"),
            NotDone::SceneAnswered => (StatusCode::CONFLICT, "scene_answered"),
            NotDone::TicketInvalid => (StatusCode::FORBIDDEN, "ticket_invalid"),
        };
        Self::new(status, code, why.to_string())
    }
}

/// The cause of what this call settles.
fn cause(delivery: DeliveryId) -> Cause {
    Cause { delivery, received_at: unix_now_ms(), traceparent: traceparent(&Span::current()) }
}

/// What is known of somebody; nothing where what is stored can't be read.
async fn known(app: &App, person: &Person, deadline: Instant) -> Result<Option<User>, Problem> {
    match stored(deadline, || app.users.find(&person.account, &person.openid)).await {
        Ok(user) => Ok(user),
        Err(error @ StoreError::Malformed(_)) => {
            tracing::error!(account = %person.account, who = person.openid.short(), %error, "passed over");
            Ok(None)
        }
        Err(StoreError::Undecided(_)) => Err(Refused::BusUnavailable.problem()),
    }
}

/// Remembers the login and tells the site, where this settled one: before the phone is told, and again
/// where it asks again.
async fn logged_in(
    app: &App,
    mini_program: &MiniProgram,
    scene: SceneId,
    settled: &Settled,
    known: Option<&User>,
    cause: &Cause,
    deadline: Instant,
) -> Result<(), Problem> {
    let (Settled::Applied(standing) | Settled::Repeated(standing)) = settled else { return Ok(()) };
    let (State::Confirmed | State::Redeemed, Some(person)) = (standing.state, standing.person()) else {
        return Ok(());
    };
    let page = standing.page();
    let login = LoggedIn {
        person: &person,
        site: &mini_program.site,
        delivery: cause.delivery,
        at: cause.received_at,
        scene,
        page: &page,
        known,
    };
    login.keep(&app.users, deadline).await.map(|_| ()).map_err(|_| Refused::BusUnavailable.problem())
}

/// Where the scene stands, in the words of a phone: what the site's backend does is nothing to it.
fn word(state: State) -> &'static str {
    match state {
        State::Redeemed => State::Confirmed.word(),
        other => other.word(),
    }
}
