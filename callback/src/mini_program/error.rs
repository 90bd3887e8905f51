//! Why a mini program's call does nothing.

use axum::http::StatusCode;
use scenecast_service::http::Problem;

/// Why a mini program's call does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum MiniProgramError {
    #[error("WeChat does not know this js_code, or it was used before: call wx.login again")]
    JsCodeInvalid,
    #[error("WeChat lets this person log in nowhere")]
    PersonBlocked,
    /// The phone isn't told whether the scene is another account's.
    #[error("there is no such scene for this mini program")]
    SceneUnknown,
    #[error("the scene has expired, or its page was closed")]
    SceneExpired,
    #[error("another person was first with this scene")]
    SceneTaken,
    #[error("this person has answered before")]
    SceneAnswered,
    #[error("the ticket was not issued here, or it was issued to another person")]
    TicketInvalid,
}

impl From<MiniProgramError> for Problem {
    fn from(error: MiniProgramError) -> Self {
        let (status, code) = match error {
            MiniProgramError::JsCodeInvalid => (StatusCode::BAD_REQUEST, "js_code_invalid"),
            MiniProgramError::PersonBlocked => (StatusCode::FORBIDDEN, "person_blocked"),
            MiniProgramError::SceneUnknown => (StatusCode::NOT_FOUND, "scene_unknown"),
            MiniProgramError::SceneExpired => (StatusCode::GONE, "scene_expired"),
            MiniProgramError::SceneTaken => (StatusCode::CONFLICT, "scene_taken"),
            MiniProgramError::SceneAnswered => (StatusCode::CONFLICT, "scene_answered"),
            MiniProgramError::TicketInvalid => (StatusCode::FORBIDDEN, "ticket_invalid"),
        };
        Self::new(status, code, error.to_string())
    }
}
