//! Why a page's WebSocket is closed, and what the page is told.

use scenecast_scene::SceneId;
use scenecast_service::http::Problem;
use tracing::field::display;

use super::{
    close_code,
    decoder::ProtocolError,
    socket::{SocketError, WebSocket},
};
use crate::{
    refusal::PageRefusal,
    session::{ServerMessage, SessionEnd},
    transport::{
        problem,
        reconnect::{reconnect_delay, retry_delay},
    },
};

/// Why a WebSocket is closed.
pub(crate) enum CloseReason {
    /// The page's session ended, and the page is told how.
    Ended(SessionEnd),
    /// The page gets no session: the gateway has no room for it, or its origin is forbidden.
    NotAdmitted(Problem),
    /// The peer broke the protocol.
    ProtocolError(ProtocolError),
    PeerClosed,
    /// The peer reads too slowly.
    SlowReader,
    ConnectionLost,
}

impl CloseReason {
    /// The label `end` in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Ended(end) => end.label(),
            Self::NotAdmitted(_) => "refused",
            Self::ProtocolError(_) => "violation",
            Self::SlowReader => "slow",
            Self::PeerClosed | Self::ConnectionLost => "gone",
        }
    }

    /// Logs that the gateway closes a socket on its own account. `scene` is the page's scene, once it has one.
    pub(crate) fn log(&self, scene: Option<SceneId>) {
        if let Self::SlowReader = self {
            let scene = scene.map(display);
            tracing::info!(scene, "closed a WebSocket whose browser reads too slowly; its page can reconnect");
        }
    }

    /// Sends the page a message about it, where there is one, and closes the socket.
    pub(crate) async fn notify_and_close(self, mut socket: WebSocket) {
        let message = match &self {
            Self::Ended(SessionEnd::Expired) => Some(ServerMessage::Expired.to_json()),
            Self::Ended(SessionEnd::Refused(refusal)) => {
                Some(problem::message(&Problem::from(refusal.clone())).to_json())
            }
            Self::NotAdmitted(problem) => Some(problem::message(problem).to_json()),
            _ => None,
        };
        if message.is_none_or(|message| socket.send(&message).is_ok()) {
            self.close(socket).await;
        }
    }

    /// Closes the socket without a message before the close frame.
    pub(crate) async fn close(self, socket: WebSocket) {
        if let Some((code, reason)) = self.frame() {
            socket.close(code, &reason).await;
        }
    }

    /// The same. Returns whether the peer answered the close frame, so that it has received everything before it.
    pub(crate) async fn close_and_wait(self, socket: WebSocket) -> bool {
        match self.frame() {
            Some((code, reason)) => socket.close_and_wait(code, &reason).await,
            None => false,
        }
    }

    /// The code and reason of the close frame. None where the peer can't get one.
    fn frame(&self) -> Option<(u16, String)> {
        Some(match self {
            Self::Ended(end) => close_frame(end),
            Self::NotAdmitted(problem) => not_admitted_close_frame(problem),
            Self::ProtocolError(error) => (error.close_code(), error.to_string()),
            Self::PeerClosed => (close_code::DONE, String::new()),
            Self::SlowReader | Self::ConnectionLost => return None,
        })
    }
}

/// The close code and reason for the end of a session. The page's JavaScript reads from the reason when to
/// reconnect.
fn close_frame(end: &SessionEnd) -> (u16, String) {
    let delay = reconnect_delay(end).map(|delay| format!("retry_after_ms={}", delay.as_millis()));
    match (end, delay) {
        (SessionEnd::Restart | SessionEnd::Rebalance, Some(delay)) => (close_code::RESTART, delay),
        (_, Some(delay)) => (close_code::TRY_LATER, delay),
        (SessionEnd::Refused(refusal), None) => (close_code::POLICY, refusal.code().to_owned()),
        (_, None) => (close_code::DONE, String::new()),
    }
}

/// The same for a page that gets no session.
fn not_admitted_close_frame(problem: &Problem) -> (u16, String) {
    match problem.retry_after {
        Some(after) => (close_code::TRY_LATER, format!("retry_after_ms={}", retry_delay(after).as_millis())),
        None => (close_code::POLICY, problem.code.to_owned()),
    }
}

impl From<SocketError> for CloseReason {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Lost(_) => Self::ConnectionLost,
            SocketError::SlowReader => Self::SlowReader,
        }
    }
}

impl From<PageRefusal> for CloseReason {
    fn from(refusal: PageRefusal) -> Self {
        Self::Ended(SessionEnd::Refused(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_says_whether_and_when_to_reconnect() {
        for (end, expected_code, delays) in [
            (SessionEnd::Over, 1000, None),
            (SessionEnd::Expired, 1000, None),
            (SessionEnd::Restart, 1012, Some(0..1000)),
            (SessionEnd::Rebalance, 1012, Some(0..1000)),
            (SessionEnd::Refused(PageRefusal::KeyInvalid), 1008, None),
            (SessionEnd::Refused(PageRefusal::SceneMalformed), 1013, Some(5000..5001)),
            (SessionEnd::Refused(PageRefusal::BusUnavailable), 1013, Some(2000..4000)),
        ] {
            let (code, reason) = close_frame(&end);
            let delay = reason.strip_prefix("retry_after_ms=").map(|delay| delay.parse::<u64>().unwrap());
            assert_eq!((code, delay.is_some()), (expected_code, delays.is_some()), "{end:?}: {reason}");
            assert!(delay.is_none_or(|delay| delays.unwrap().contains(&delay)), "{end:?}: {reason}");
        }
    }
}
