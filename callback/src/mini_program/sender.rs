//! Who sent a `js_code`. WeChat answers that once, so we remember its answer for as long as the phone may repeat the
//! call: to another pod, or because our answer was lost on its way. Whoever invents a `js_code` costs a call of WeChat
//! once, and none for a scene that nobody can open.

use std::time::Duration;

use axum::http::StatusCode;
use scenecast_scene::{AccountName, DeliveryId, internal::OpenRefusal};
use scenecast_service::http::Problem;
use scenecast_wechat::{ApiError, ErrorCode, JsCodeSession};
use tokio::time::{Instant, sleep};

use super::error::MiniProgramError;
use crate::{
    accounts::MiniProgram,
    problems::from_refusal,
    stores::{JsCodeSender, JsCodes},
    wechat::CallError,
};

/// How often we look whether another pod has WeChat's answer.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long we wait for another pod's answer.
const POLL_TIMEOUT: Duration = Duration::from_secs(2);

/// What is remembered of this call: the person who made it, if it is a repeated one.
pub(super) async fn recall(
    js_codes: &JsCodes,
    account: &AccountName,
    call: DeliveryId,
) -> Result<Option<JsCodeSession>, Problem> {
    match js_codes.recall(call).await {
        Ok(Some(JsCodeSender::Known(session))) => Ok(Some(session)),
        Ok(Some(JsCodeSender::Unknown { .. })) => Err(MiniProgramError::JsCodeInvalid.into()),
        Ok(None) => Ok(None),
        Err(error) => {
            tracing::warn!(%account, %error, "could not read who sent a js_code; the phone is told to come back");
            Err(from_refusal(OpenRefusal::BusUnavailable))
        }
    }
}

/// Asks WeChat for the person who sent this `js_code`, in the call with this id.
pub(super) async fn sender(
    js_codes: &JsCodes,
    mini_program: &MiniProgram,
    js_code: &str,
    call: DeliveryId,
) -> Result<JsCodeSession, Problem> {
    match mini_program.api.session(js_code).await {
        Ok(session) => {
            if let Err(error) = js_codes.remember(call, &session).await {
                tracing::warn!(
                    account = %mini_program.name, %error,
                    "could not store who sent a js_code; if the phone repeats the call, it has to call wx.login again"
                );
            }
            Ok(session)
        }
        Err(error) => match error.code() {
            Some(ErrorCode::JsCodeUsed) => {
                sender_at_another_pod(js_codes, &mini_program.name, call, Instant::now() + POLL_TIMEOUT).await
            }
            Some(ErrorCode::JsCodeInvalid) => {
                sender_at_another_pod(js_codes, &mini_program.name, call, Instant::now()).await
            }
            _ => Err(wechat_problem(&mini_program.name, &error)),
        },
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

/// What the phone is told about WeChat's refusal. WeChat's own words are only for our log.
fn wechat_problem(account: &AccountName, error: &CallError) -> Problem {
    let later = |secs| {
        let detail = "WeChat does not say who this is right now";
        Problem::unavailable("wechat_unavailable", detail, Duration::from_secs(secs))
    };
    tracing::warn!(%account, %error, "WeChat did not say who sent a js_code; the phone is told why");
    match error {
        CallError::TooSlow
        | CallError::Unreachable(_)
        | CallError::NoOtherToken
        | CallError::Foreign(_)
        | CallError::Answer(ApiError::Malformed(_)) => later(3),
        CallError::Answer(ApiError::Refused { code, .. }) | CallError::NotMade(code) => match code {
            ErrorCode::Busy => later(3),
            ErrorCode::MinuteQuota => later(60),
            ErrorCode::PersonBlocked => MiniProgramError::PersonBlocked.into(),
            _ => Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", "WeChat refuses this mini program"),
        },
    }
}
