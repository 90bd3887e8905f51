//! The person's record, and what is stored and told to the site after the login.

use scenecast_bus::StoreError;
use scenecast_scene::{
    Cause, DeliveryId, Person, SceneId, SceneSnapshot, SceneState, Settled, internal::OpenRefusal, time::unix_now_ms,
};
use scenecast_service::http::Problem;
use scenecast_traces::LoginSpan;
use tokio::time::Instant;

use super::error::MiniProgramError;
use crate::{
    accounts::MiniProgram,
    login::{CompletedLogin, log_unreadable},
    problems::from_refusal,
    retry::{RetryError, ask_store},
    stores::{User, Users},
};

/// The cause of what this call settles.
pub(super) fn cause(delivery: DeliveryId, span: &LoginSpan) -> Cause {
    Cause { delivery, received_at: unix_now_ms(), traceparent: span.traceparent() }
}

/// The call's span is linked to the opening of the scene, and has failed if nothing was settled.
pub(super) fn settled_in(span: &LoginSpan, settled: &Result<Settled, Problem>) {
    match settled {
        Ok(settled) => span.link(settled.snapshot().and_then(SceneSnapshot::open_trace)),
        Err(problem) => span.answered(Some(problem.status.as_u16())),
    }
}

/// The call's span ends with this answer to the phone.
pub(super) fn answered<T>(span: &LoginSpan, outcome: &Result<T, MiniProgramError>) {
    let code = outcome.as_ref().err().map_or("ok", |error| error.code());
    span.set("scenecast.outcome", code);
    span.answered(Some(outcome.as_ref().map_or_else(|error| Problem::from(*error).status.as_u16(), |_| 200)));
}

/// The person's record. A record that can't be read counts as none.
pub(super) async fn find_user(users: &Users, person: &Person, deadline: Instant) -> Result<Option<User>, Problem> {
    match ask_store(deadline, || users.find(&person.account, &person.openid)).await {
        Ok(user) => Ok(user),
        Err(RetryError::Failed(error @ StoreError::Malformed { .. })) => {
            log_unreadable(&person.account, &person.openid, &error);
            Ok(None)
        }
        Err(RetryError::Failed(_) | RetryError::Deadline { .. }) => Err(from_refusal(OpenRefusal::BusUnavailable)),
    }
}

/// Counts the login and tells the site, if this call settled a login: before the phone is told, and again if the
/// phone repeats the call.
pub(super) async fn record_login(
    users: &Users,
    mini_program: &MiniProgram,
    scene: SceneId,
    settled: &Settled,
    user: Option<&User>,
    cause: &Cause,
    deadline: Instant,
) -> Result<(), Problem> {
    let (Settled::Applied(snapshot) | Settled::Repeated(snapshot)) = settled else { return Ok(()) };
    let (SceneState::Confirmed | SceneState::Redeemed, Some(person)) = (snapshot.state, snapshot.person()) else {
        return Ok(());
    };
    let page = snapshot.page();
    let login = CompletedLogin {
        person: &person,
        webhooks: &mini_program.webhooks,
        delivery: cause.delivery,
        received_at: cause.received_at,
        scene,
        page: &page,
        user,
        counted: None,
    };
    login.record(users, deadline).await.map(|_| ()).map_err(|_| from_refusal(OpenRefusal::BusUnavailable))
}

/// The scene's state as a phone is told it. A redeem by the site changes nothing for the phone.
pub(super) fn state_word(state: SceneState) -> &'static str {
    match state {
        SceneState::Redeemed => SceneState::Confirmed.into(),
        other => other.into(),
    }
}
