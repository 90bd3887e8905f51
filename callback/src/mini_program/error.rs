//! Why a mini program's call does nothing.

use axum::http::StatusCode;
use scenecast_service::http::Problem;
use strum::IntoStaticStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
    /// By this person or another: WeChat isn't asked who opens a scene that was answered.
    #[error("the scene was answered before")]
    SceneAnswered,
    #[error("the ticket was not issued here, or it was issued to another person")]
    TicketInvalid,
}

impl MiniProgramError {
    /// What programs look at.
    pub(super) fn code(self) -> &'static str {
        self.into()
    }

    fn status(self) -> StatusCode {
        match self {
            Self::JsCodeInvalid => StatusCode::BAD_REQUEST,
            Self::PersonBlocked | Self::TicketInvalid => StatusCode::FORBIDDEN,
            Self::SceneUnknown => StatusCode::NOT_FOUND,
            Self::SceneExpired => StatusCode::GONE,
            Self::SceneTaken | Self::SceneAnswered => StatusCode::CONFLICT,
        }
    }
}

impl From<MiniProgramError> for Problem {
    fn from(error: MiniProgramError) -> Self {
        Self::new(error.status(), error.code(), error.to_string())
    }
}
