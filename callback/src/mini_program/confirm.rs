//! `POST /v1/miniapp/confirm`: the person who opened a code says yes or no.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json,
    extract::{Request, State},
};
use scenecast_scene::{
    AccountName, DeliveryId, Number, Person, SceneId, SceneState, SettleRefusal, Settled, Transition, time::unix_now,
};
use scenecast_service::http::{Problem, read_body};
use scenecast_traces::{LoginSpan, ServedRequest};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{Span, field::display};

use super::{
    error::MiniProgramError,
    record::{answered, cause, find_user, record_login, settled_in, state_word},
    state::{CONFIRM_PATH, MAX_BODY_BYTES, MiniProgramState, SETTLE_TIMEOUT},
    ticket::Ticket,
};
use crate::{
    accounts::MiniProgram,
    login::{acceptance, count_stage, grant},
    problems::{from_bus, from_bus_retry},
    request::{json, public_span},
    retry,
};

/// What a mini program sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmRequest {
    ticket: String,
    decision: Decision,
    /// The number that the person picked, if there was a choice.
    #[serde(default)]
    number: Option<Number>,
}

/// Yes or no, as it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Confirm,
    Decline,
}

#[derive(Clone, Copy)]
enum MiniProgramAnswer {
    Yes { picked: Option<Number> },
    No,
}

impl MiniProgramAnswer {
    fn text(self) -> String {
        match self {
            Self::Yes { picked: None } => "yes".to_owned(),
            Self::Yes { picked: Some(number) } => number.to_string(),
            Self::No => "no".to_owned(),
        }
    }
}

/// What became of the login.
#[derive(Serialize)]
pub(super) struct ConfirmResponse {
    state: &'static str,
}

pub(super) async fn confirm(
    State(state): State<Arc<MiniProgramState>>,
    request: Request,
) -> Result<Json<ConfirmResponse>, Problem> {
    let response = answer(&state, request).await;
    let outcome = response.as_ref().map_or_else(|problem| problem.code, |response| response.state);
    state.requests.with_label_values(&["confirm", outcome]).inc();
    response.map(Json)
}

#[tracing::instrument(name = "miniapp confirm", skip_all, fields(account, scene))]
async fn answer(state: &MiniProgramState, request: Request) -> Result<ConfirmResponse, Problem> {
    let arrived = SystemTime::now();
    let (head, body) = request.into_parts();
    let ConfirmRequest { ticket, decision, number } = json(&read_body(body, MAX_BODY_BYTES).await?)?;
    let ticket: Ticket = ticket.parse().map_err(|_| MiniProgramError::TicketInvalid)?;
    Span::current().record("account", ticket.mini_program.as_str()).record("scene", display(ticket.scene));
    let accounts = state.accounts.current();
    let mini_program = accounts.mini_program(&ticket.mini_program).ok_or(MiniProgramError::TicketInvalid)?;
    let snapshot = state.bus.snapshot(ticket.scene).await.map_err(|error| from_bus(ticket.scene, &error))?;
    let snapshot = snapshot.ok_or(MiniProgramError::SceneUnknown)?;
    // A scene that Redis lost and the gateway opened again has no person: its code has to be opened again.
    let (person, account) = snapshot.person().zip(snapshot.account()).ok_or(MiniProgramError::SceneUnknown)?;
    let who = person.openid.clone();
    ticket.check(&state.secret, &who).map_err(|_| MiniProgramError::TicketInvalid)?;
    if ticket.has_expired(unix_now()) {
        return Err(MiniProgramError::SceneExpired.into());
    }
    let answer = match (decision, number, snapshot.choices().is_some()) {
        (Decision::Decline, None, _) => MiniProgramAnswer::No,
        (Decision::Confirm, picked, has_choices) if picked.is_some() == has_choices => {
            MiniProgramAnswer::Yes { picked }
        }
        (Decision::Confirm, None, _) => return Err(Problem::bad_request("a number has to be picked")),
        (_, Some(_), _) => return Err(Problem::bad_request("there is no number to be picked")),
    };
    let request = ServedRequest { route: CONFIRM_PATH, path: CONFIRM_PATH, arrived };
    let span = public_span(ticket.scene, &request, &head.headers);
    let settled = settle(state, mini_program, ticket.scene, account, person, answer, &span).await;
    settled_in(&span, &settled);
    let outcome = outcome(settled?);
    answered(&span, &outcome);
    tracing::info!(
        account = %mini_program.name, scene = %ticket.scene, who = who.short(),
        outcome = outcome.map_or_else(MiniProgramError::code, Into::into),
        "a person answered in a mini program"
    );
    Ok(ConfirmResponse { state: state_word(outcome?) })
}

async fn settle(
    state: &MiniProgramState,
    mini_program: &MiniProgram,
    scene: SceneId,
    account: AccountName,
    person: Person,
    answer: MiniProgramAnswer,
    span: &LoginSpan,
) -> Result<Settled, Problem> {
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    // The same answer again is the same delivery.
    let delivery = ["miniapp answer", &scene.to_string(), person.openid.as_str(), &answer.text()];
    let cause = cause(DeliveryId::of(&delivery), span);
    let settle = async |transition: &Transition| {
        let settled = retry::settle(&state.bus, scene, &cause, transition, deadline).await;
        settled.map_err(|error| from_bus_retry(scene, error))
    };
    let (settled, user) = match answer {
        MiniProgramAnswer::No => (settle(&Transition::Decline { account, who: person.openid }).await?, None),
        MiniProgramAnswer::Yes { picked } => {
            let user = find_user(&state.users, &person, deadline).await?;
            let settings = &mini_program.settings;
            let grant = grant(&state.secret, &settings.secret, scene, &person.openid);
            let login = acceptance(grant, person, settings.grant_life, false, user.as_ref());
            (settle(&Transition::Confirm { account, login, picked }).await?, user)
        }
    };
    count_stage(&state.stages, &settled);
    record_login(&state.users, mini_program, scene, &settled, user.as_ref(), &cause, deadline).await?;
    Ok(settled)
}

/// What a settled answer means for the person who gave it.
fn outcome(settled: Settled) -> Result<SceneState, MiniProgramError> {
    match settled {
        Settled::Applied(snapshot) | Settled::Repeated(snapshot) => match snapshot.state {
            SceneState::Expired | SceneState::Cancelled => Err(MiniProgramError::SceneExpired),
            state => Ok(state),
        },
        Settled::Refused(SettleRefusal::State(state), _) => match state {
            SceneState::Expired | SceneState::Cancelled => Err(MiniProgramError::SceneExpired),
            SceneState::Confirmed | SceneState::Redeemed | SceneState::Declined => Err(MiniProgramError::SceneAnswered),
            SceneState::Open | SceneState::Scanned => Err(MiniProgramError::SceneUnknown),
        },
        // Redis lost the scene after we read it, or it belongs to another person now.
        Settled::Refused(SettleRefusal::Guard(_), _) | Settled::Unknown => Err(MiniProgramError::SceneUnknown),
    }
}
