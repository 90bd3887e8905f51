//! Who sent a `js_code`. WeChat answers that once, so we remember its answer for as long as the phone may repeat the
//! call: to another pod, or because our answer was lost on its way. Whoever invents a `js_code` costs a call of WeChat
//! once, and none for a scene that nobody can open.

use std::time::Duration;

use axum::http::StatusCode;
use scenecast_bus::StoreError;
use scenecast_scene::{AccountName, DeliveryId, internal::OpenRefusal};
use scenecast_service::http::Problem;
use scenecast_wechat::{ApiError, ErrorCode, JsCodeSession};
use tokio::time::{Instant, sleep};

use super::error::MiniProgramError;
use crate::{
    accounts::MiniProgram,
    problems::from_refusal,
    stores::{JsCodeLookup, JsCodeSender, JsCodes, SessionRefusal},
    wechat::{CallError, PauseReason},
};

/// How often we look whether another call has WeChat's answer.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long we wait for the answer of a call that asks WeChat.
const ASKED_BY_ANOTHER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long we wait for the answer of a call that has used the `js_code`.
const USED_BY_ANOTHER_TIMEOUT: Duration = Duration::from_secs(2);

/// What is remembered of this call: the person who made it, if it is a repeated one.
pub(super) async fn recall(
    js_codes: &JsCodes,
    account: &AccountName,
    call: DeliveryId,
) -> Result<Option<JsCodeSession>, Problem> {
    match js_codes.recall(call).await {
        Ok(known) => known.map(session_of).transpose(),
        Err(error) => Err(unreadable(account, &error)),
    }
}

/// Asks WeChat for the person who sent this `js_code`, in the call with this id. While an equal call asks, waits for
/// what it is told.
pub(super) async fn sender(
    js_codes: &JsCodes,
    mini_program: &MiniProgram,
    js_code: &str,
    call: DeliveryId,
) -> Result<JsCodeSession, Problem> {
    let deadline = Instant::now() + ASKED_BY_ANOTHER_TIMEOUT;
    loop {
        match js_codes.find_or_lease(call).await.map_err(|error| unreadable(&mini_program.name, &error))? {
            JsCodeLookup::Answered(sender) => return session_of(sender),
            JsCodeLookup::Missing => return ask_wechat(js_codes, mini_program, js_code, call).await,
            JsCodeLookup::BeingAsked if Instant::now() >= deadline => {
                return Err(refused(SessionRefusal::Unavailable));
            }
            JsCodeLookup::BeingAsked => sleep(POLL_INTERVAL).await,
        }
    }
}

async fn ask_wechat(
    js_codes: &JsCodes,
    mini_program: &MiniProgram,
    js_code: &str,
    call: DeliveryId,
) -> Result<JsCodeSession, Problem> {
    let account = &mini_program.name;
    let error = match mini_program.api.session(js_code).await {
        Ok(session) => {
            if let Err(error) = js_codes.remember(call, &session).await {
                tracing::warn!(
                    %account, %error,
                    "could not store who sent a js_code; if the phone repeats the call, it has to call wx.login again"
                );
            }
            return Ok(session);
        }
        Err(error) => error,
    };
    match error.code() {
        Some(ErrorCode::JsCodeUsed) => {
            sender_at_another_pod(js_codes, account, call, Instant::now() + USED_BY_ANOTHER_TIMEOUT).await
        }
        Some(ErrorCode::JsCodeInvalid) => sender_at_another_pod(js_codes, account, call, Instant::now()).await,
        _ => {
            // The line of a pause stands for all of its calls.
            if !matches!(error, CallError::NotMade(_)) {
                tracing::warn!(%account, %error, "WeChat did not say who sent a js_code; the phone is told why");
            }
            let refusal = refusal(&error);
            if let Err(error) = js_codes.remember_refusal(call, refusal).await {
                tracing::warn!(%account, %error, "could not store that WeChat did not answer; equal calls wait in vain");
            }
            Err(refused(refusal))
        }
    }
}

/// The sender, as the pod learns it that had WeChat's answer.
async fn sender_at_another_pod(
    js_codes: &JsCodes,
    account: &AccountName,
    call: DeliveryId,
    until: Instant,
) -> Result<JsCodeSession, Problem> {
    loop {
        if let Some(session) = recall(js_codes, account, call).await? {
            return Ok(session);
        }
        if Instant::now() >= until {
            break;
        }
        sleep(POLL_INTERVAL).await;
    }
    if let Err(error) = js_codes.remember_invalid(call).await {
        tracing::warn!(%account, %error, "could not store that a js_code is invalid; WeChat is asked again if it comes again");
    }
    Err(MiniProgramError::JsCodeInvalid.into())
}

fn session_of(sender: JsCodeSender) -> Result<JsCodeSession, Problem> {
    match sender {
        JsCodeSender::Known(session) => Ok(session),
        JsCodeSender::Unknown { .. } => Err(MiniProgramError::JsCodeInvalid.into()),
        JsCodeSender::Untold { refusal } => Err(refused(refusal)),
    }
}

fn unreadable(account: &AccountName, error: &StoreError) -> Problem {
    tracing::warn!(%account, %error, "could not read who sent a js_code; the phone is told to come back");
    from_refusal(OpenRefusal::BusUnavailable)
}

/// Why WeChat has not said who sent a `js_code`.
fn refusal(error: &CallError) -> SessionRefusal {
    match error {
        CallError::TooSlow
        | CallError::Unreachable(_)
        | CallError::Foreign(_)
        | CallError::NotMade(PauseReason::Unanswered)
        | CallError::Answer(ApiError::Malformed(_)) => SessionRefusal::Unavailable,
        CallError::Answer(ApiError::Refused { code, .. }) | CallError::NotMade(PauseReason::Refused(code)) => {
            match code {
                ErrorCode::Busy => SessionRefusal::Unavailable,
                ErrorCode::MinuteQuota => SessionRefusal::MinuteQuota,
                ErrorCode::PersonBlocked => SessionRefusal::PersonBlocked,
                _ => SessionRefusal::MiniProgram,
            }
        }
    }
}

/// What the phone is told. WeChat's own words are only for our log.
fn refused(refusal: SessionRefusal) -> Problem {
    let later = |secs| {
        let detail = "WeChat does not say who this is right now";
        Problem::unavailable("wechat_unavailable", detail, Duration::from_secs(secs))
    };
    match refusal {
        SessionRefusal::Unavailable => later(3),
        SessionRefusal::MinuteQuota => later(60),
        SessionRefusal::PersonBlocked => MiniProgramError::PersonBlocked.into(),
        SessionRefusal::MiniProgram => {
            Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", "WeChat refuses this mini program")
        }
    }
}
