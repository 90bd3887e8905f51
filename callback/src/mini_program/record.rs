//! The person's record, and what is stored and told to the site after the login.

use scenecast_bus::StoreError;
use scenecast_scene::{
    Cause, DeliveryId, Person, SceneId, SceneState, Settled, internal::OpenRefusal, time::unix_now_ms,
};
use scenecast_service::{http::Problem, telemetry::traceparent};
use tokio::time::Instant;
use tracing::Span;

use crate::{
    accounts::MiniProgram,
    login::{CompletedLogin, log_unreadable},
    problems::from_refusal,
    retry::{RetryError, ask_store},
    stores::{User, Users},
};

/// The cause of what this call settles.
pub(super) fn cause(delivery: DeliveryId) -> Cause {
    Cause { delivery, received_at: unix_now_ms(), traceparent: traceparent(&Span::current()) }
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
