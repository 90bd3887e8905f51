//! `POST /v1/miniapp/confirm`: whoever opened a code says yes or no.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
};
use scenecast_shared::{
    scene::{
        AccountName, DeliveryId, Field, Number, Person, Refusal, SceneId, Settled, State as SceneState, Transition,
    },
    serve::{Problem, read_body},
    telemetry::Stage,
    time::unix_now,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{Span, field::display};

use super::{LIMIT, LONGEST_BODY, NotDone, cause, known, logged_in, ticket::Ticket, word};
use crate::{accounts::MiniProgram, app::App, login::acceptance, request::json};

/// What a mini program sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerRequest {
    ticket: String,
    decision: Decision,
    /// What was picked, where there was a choice.
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

/// What somebody says.
#[derive(Clone, Copy)]
enum Said {
    Yes { picked: Option<Number> },
    No,
}

impl Said {
    fn word(self) -> String {
        match self {
            Self::Yes { picked: None } => "yes".to_owned(),
            Self::Yes { picked: Some(number) } => number.to_string(),
            Self::No => "no".to_owned(),
        }
    }
}

/// What became of the login.
#[derive(Serialize)]
pub(super) struct Answered {
    state: &'static str,
}

pub(super) async fn confirm(State(app): State<Arc<App>>, request: Request) -> Result<Json<Answered>, Problem> {
    let answered = answer(&app, request).await;
    let outcome = answered.as_ref().map_or_else(|problem| problem.code, |answered| answered.state);
    app.counts.miniapp.with_label_values(&["confirm", outcome]).inc();
    answered.map(Json)
}

#[tracing::instrument(name = "miniapp confirm", skip_all, fields(account, scene))]
async fn answer(app: &App, request: Request) -> Result<Answered, Problem> {
    let AnswerRequest { ticket, decision, number } = json(&read_body(request.into_body(), LONGEST_BODY).await?)?;
    let ticket: Ticket = ticket.parse().map_err(|_| NotDone::TicketInvalid)?;
    Span::current().record("account", ticket.mini_program.as_str()).record("scene", display(ticket.scene));
    let accounts = app.accounts();
    let mini_program = accounts.mini_program(&ticket.mini_program).ok_or(NotDone::TicketInvalid)?;
    let standing = app.bus.standing(ticket.scene).await?.ok_or(NotDone::SceneUnknown)?;
    // Lost and opened again, it is nobody's: its code has to be opened again, too.
    let (person, account) = standing.person().zip(standing.account()).ok_or(NotDone::SceneUnknown)?;
    let who = person.openid.clone();
    ticket.check(&app.internal_secret, &who).map_err(|_| NotDone::TicketInvalid)?;
    if ticket.is_over(unix_now()) {
        return Err(NotDone::SceneExpired.into());
    }
    let said = match (decision, number, standing.choices().is_some()) {
        (Decision::Decline, None, _) => Said::No,
        (Decision::Confirm, picked, to_pick) if picked.is_some() == to_pick => Said::Yes { picked },
        (Decision::Confirm, None, _) => return Err(Problem::bad_request("a number has to be picked")),
        (_, Some(_), _) => return Err(Problem::bad_request("there is no number to be picked")),
    };
    let settled = settle(app, mini_program, ticket.scene, account, person, said).await?;
    let outcome = outcome(settled);
    tracing::info!(
        account = %mini_program.name, scene = %ticket.scene, who = who.short(),
        outcome = outcome.map_or_else(|why| why.to_string(), |state| state.word().to_owned()),
        "somebody answered in a mini program"
    );
    Ok(Answered { state: word(outcome?) })
}

async fn settle(
    app: &App,
    mini_program: &MiniProgram,
    scene: SceneId,
    account: AccountName,
    person: Person,
    said: Said,
) -> Result<Settled, Problem> {
    let deadline = Instant::now() + LIMIT;
    // The same answer again is the same delivery.
    let delivery = ["miniapp answer", &scene.to_string(), person.openid.as_str(), &said.word()];
    let cause = cause(DeliveryId::of(&delivery));
    let decline = Transition::Decline { account: account.clone(), who: person.openid.clone() };
    let (settled, known) = match said {
        Said::No => (app.settle(scene, &cause, &decline, deadline).await?, None),
        Said::Yes { picked } => {
            let known = known(app, &person, deadline).await?;
            let settings = &mini_program.settings;
            let grant = app.grant(&settings.secret, scene, &person.openid);
            let login = acceptance(grant, person, settings.grant_life, false, known.as_ref());
            let confirm = Transition::Confirm { account, login, picked };
            let settled = match app.settle(scene, &cause, &confirm, deadline).await? {
                // There is one pick: who doesn't see the page would have the right one by the third.
                Settled::Refused(Refusal::Guard(Field::Number), _) => {
                    app.settle(scene, &cause, &decline, deadline).await?
                }
                settled => settled,
            };
            (settled, known)
        }
    };
    if let Settled::Applied(standing) = &settled {
        let confirmed = standing.state == SceneState::Confirmed;
        app.counts.stages.count(if confirmed { Stage::Confirmed } else { Stage::Declined });
    }
    logged_in(app, mini_program, scene, &settled, known.as_ref(), &cause, deadline).await?;
    Ok(settled)
}

/// What a settled answer means to whoever gave it.
fn outcome(settled: Settled) -> Result<SceneState, NotDone> {
    match settled {
        Settled::Applied(standing) | Settled::Repeated(standing) => match standing.state {
            SceneState::Expired | SceneState::Cancelled => Err(NotDone::SceneExpired),
            state => Ok(state),
        },
        Settled::Refused(Refusal::State(state), _) => match state {
            SceneState::Expired | SceneState::Cancelled => Err(NotDone::SceneExpired),
            SceneState::Confirmed | SceneState::Redeemed | SceneState::Declined => Err(NotDone::SceneAnswered),
            SceneState::Open | SceneState::Scanned => Err(NotDone::SceneUnknown),
        },
        // It was lost since it was looked up, or is somebody else's now.
        Settled::Refused(Refusal::Guard(_), _) | Settled::Unknown => Err(NotDone::SceneUnknown),
    }
}
