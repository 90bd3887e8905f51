//! Who sent a `js_code`. WeChat answers that once, so the answer is remembered for as long as the same
//! call may come again: on another pod, or since ours was lost on its way back.

use std::time::Duration;

use axum::http::StatusCode;
use scenecast_shared::{
    internal::Refused,
    scene::DeliveryId,
    serve::Problem,
    wechat::{ApiError, Code, Session},
};
use tokio::time::{Instant, sleep};

use super::NotDone;
use crate::{accounts::MiniProgram, app::App, wechat::CallError};

/// How often, and for how long, it is looked whether another pod has got the answer by now.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOK_FOR: Duration = Duration::from_secs(2);

/// Who sent this, in the call with this id.
pub(super) async fn sender(
    app: &App,
    mini_program: &MiniProgram,
    js_code: &str,
    call: DeliveryId,
) -> Result<Session, Problem> {
    match mini_program.api.session(js_code).await {
        Ok(session) => {
            if let Err(error) = app.js_codes.remember(call, &session).await {
                tracing::warn!(%error, "a repeated scan will have to begin anew");
            }
            Ok(session)
        }
        Err(error) => match error.code() {
            Some(Code::JsCodeUsed) => recall(app, call, Instant::now() + LOOK_FOR).await,
            Some(Code::JsCodeInvalid) => recall(app, call, Instant::now()).await,
            _ => Err(problem(&error)),
        },
    }
}

async fn recall(app: &App, call: DeliveryId, until: Instant) -> Result<Session, Problem> {
    loop {
        let recalled = app.js_codes.recall(call).await.map_err(|error| {
            tracing::warn!(%error, "can't see who sent a js_code");
            Refused::BusUnavailable.problem()
        })?;
        if let Some(session) = recalled {
            return Ok(session);
        }
        if Instant::now() >= until {
            return Err(NotDone::JsCodeInvalid.into());
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What the phone is told of WeChat's refusal. What WeChat said is for our log.
fn problem(error: &CallError) -> Problem {
    let later = |secs| {
        let detail = "WeChat does not say who this is right now";
        Problem::unavailable("wechat_unavailable", detail, Duration::from_secs(secs))
    };
    tracing::warn!(%error, "WeChat does not say who somebody is");
    match error {
        CallError::TooSlow
        | CallError::Unreachable(_)
        | CallError::NoOtherToken
        | CallError::Answer(ApiError::Nonsense(_)) => later(3),
        CallError::Answer(ApiError::Refused { code, .. }) | CallError::NotMade(code) => match code {
            Code::Busy => later(3),
            Code::MinuteQuota => later(60),
            Code::PersonBlocked => NotDone::PersonBlocked.into(),
            _ => Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", "WeChat refuses this mini program"),
        },
    }
}
