//! A refusal as HTTP problem, and a problem as message on a socket or stream.

use axum::http::StatusCode;
use scenecast_service::http::Problem;

use crate::{refusal::PageRefusal, session::ServerMessage};

impl From<PageRefusal> for Problem {
    fn from(refusal: PageRefusal) -> Self {
        Self {
            status: status(&refusal),
            code: refusal.code(),
            detail: refusal.detail().to_owned(),
            retry_after: refusal.retry_after(),
        }
    }
}

fn status(refusal: &PageRefusal) -> StatusCode {
    match refusal {
        PageRefusal::BadRequest(_) => StatusCode::BAD_REQUEST,
        PageRefusal::KeyInvalid => StatusCode::FORBIDDEN,
        PageRefusal::AccountUnknown => StatusCode::NOT_FOUND,
        PageRefusal::SceneExpired => StatusCode::GONE,
        PageRefusal::TooManyScenes { .. } => StatusCode::TOO_MANY_REQUESTS,
        PageRefusal::SceneMalformed => StatusCode::INTERNAL_SERVER_ERROR,
        PageRefusal::WechatRefused(_) => StatusCode::BAD_GATEWAY,
        PageRefusal::CallbackUnavailable(_)
        | PageRefusal::Crowded
        | PageRefusal::WechatQuota
        | PageRefusal::WechatUnavailable
        | PageRefusal::BusUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The message that tells a page of a problem.
pub(super) fn message(problem: &Problem) -> ServerMessage<'_> {
    ServerMessage::problem(problem.code, &problem.detail, problem.retry_after_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_can_be_retried_is_no_fault_of_the_request() {
        for refusal in [
            PageRefusal::CallbackUnavailable("…"),
            PageRefusal::Crowded,
            PageRefusal::WechatQuota,
            PageRefusal::WechatUnavailable,
            PageRefusal::BusUnavailable,
        ] {
            let problem = Problem::from(refusal);
            assert_eq!((problem.status.as_u16(), problem.retry_after.is_some()), (503, true), "{problem:?}");
        }
        for refusal in [PageRefusal::BadRequest("…"), PageRefusal::KeyInvalid, PageRefusal::SceneExpired] {
            let problem = Problem::from(refusal);
            assert!(problem.status.is_client_error() && problem.retry_after.is_none(), "{problem:?}");
        }
    }
}
