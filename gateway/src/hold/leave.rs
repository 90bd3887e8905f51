//! How a page's socket is left, and what its page is told of it.

use scenecast_shared::serve::Problem;

use crate::{
    session::End,
    wire::Frame,
    ws::{Broken, Socket, Violation, close},
};

/// How a socket is left.
pub(crate) enum Leave {
    /// The page is told why.
    Told(End),
    /// The peer broke the protocol.
    Violated(Violation),
    /// The peer closes.
    Closed,
    /// Its reader was too slow.
    Slow,
    /// There is nobody to tell.
    Gone,
}

impl Leave {
    /// Its word in metrics.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Told(end) => end.word(),
            Self::Violated(_) => "violation",
            Self::Slow => "slow",
            Self::Closed | Self::Gone => "gone",
        }
    }

    /// Tells the page so, and closes its socket.
    pub(crate) async fn take(self, mut socket: Socket) {
        let frame = match &self {
            Self::Told(End::Expired) => Some(Frame::Expired.json()),
            Self::Told(End::Refused(problem)) => Some(Frame::problem(problem).json()),
            _ => None,
        };
        if frame.is_none_or(|frame| socket.send(&frame).is_ok()) {
            self.close(socket).await;
        }
    }

    /// Closes the socket so, without a word.
    pub(crate) async fn close(self, socket: Socket) {
        let (code, reason) = match self {
            Self::Told(end) => farewell(&end),
            Self::Violated(violation) => (violation.close_code(), violation.to_string()),
            Self::Closed => (close::DONE, String::new()),
            Self::Slow | Self::Gone => return,
        };
        socket.close(code, &reason).await;
    }
}

/// The close code and reason that tell an end. From the reason the page's JavaScript reads when to come back.
fn farewell(end: &End) -> (u16, String) {
    let back_in = end.back_in().map(|delay| format!("retry_after_ms={}", delay.as_millis()));
    match (end, back_in) {
        (End::Restart | End::Rebalance, Some(delay)) => (close::RESTART, delay),
        (_, Some(delay)) => (close::TRY_LATER, delay),
        (End::Refused(problem), None) => (close::POLICY, problem.code.to_owned()),
        (_, None) => (close::DONE, String::new()),
    }
}

impl From<Broken> for Leave {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Gone => Self::Gone,
            Broken::TooSlow => {
                tracing::info!("a reader was too slow; its scene can be resumed");
                Self::Slow
            }
        }
    }
}

impl From<Problem> for Leave {
    fn from(problem: Problem) -> Self {
        Self::Told(End::Refused(problem))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use scenecast_shared::bus::BusError;

    use super::*;

    #[test]
    fn a_close_says_whether_to_come_back_and_when() {
        let forbidden = Problem::new(StatusCode::FORBIDDEN, "key_invalid", "…");
        let malformed = BusError::Malformed("state").into();
        let away = BusError::Undecided("away".to_owned()).into();
        for (end, code, delays) in [
            (End::Over, 1000, None),
            (End::Expired, 1000, None),
            (End::Restart, 1012, Some(0..1000)),
            (End::Rebalance, 1012, Some(0..1000)),
            (End::Refused(forbidden), 1008, None),
            (End::Refused(malformed), 1013, Some(5000..5001)),
            (End::Refused(away), 1013, Some(2000..4000)),
        ] {
            let (said, reason) = farewell(&end);
            let delay = reason.strip_prefix("retry_after_ms=").map(|delay| delay.parse::<u64>().unwrap());
            assert_eq!((said, delay.is_some()), (code, delays.is_some()), "{end:?}: {reason}");
            assert!(delay.is_none_or(|delay| delays.unwrap().contains(&delay)), "{end:?}: {reason}");
        }
    }
}
