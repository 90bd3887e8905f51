//! What goes wrong at WeChat, and on the way to it.

use std::time::Duration;

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::rules::refusal::ApiRefusal;

const PAGE_OF_A_PROXY: &str = "<html><body><h1>502 Bad Gateway</h1></body></html>";

/// Everything that can go wrong. By default nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// What happens to the next API calls. The first fault in the list that fits a call is used.
    pub calls: Vec<CallFault>,
    /// Each attempt to deliver is made twice at the same instant, to two callbacks if there are several. The phone
    /// shows the second answer, because WeChat drops a connection before it makes the next attempt.
    pub duplicate_deliveries: bool,
    /// This many attempts lose the second half of their body.
    pub cut_bodies: u32,
    /// What is wrong with people's texts in messages.
    pub odd_texts: Option<OddTexts>,
    /// Later attempts repeat the timestamp and nonce of the first. WeChat doesn't document this, so both ways are
    /// tested.
    pub retry_reuses_nonce: bool,
    /// Messages are encrypted with the account's previous key, if it has one, as long as the change of the key has
    /// not reached all of WeChat.
    pub seals_with_previous_key: bool,
    /// The time limit for a callback's whole answer, in milliseconds.
    pub answer_within_ms: u64,
    /// When WeChat stops pushing to an account; `None` for never.
    pub mark_fail: Option<MarkFail>,
}

/// What is wrong with people's texts in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OddTexts {
    /// They stand in messages as people wrote them: `]]>` ends the text early, and what follows may be tags.
    Unescaped,
    /// The last one that isn't ASCII is cut inside its last character, so that the message is no UTF-8.
    CutInsideCharacter,
}

/// After so many failed pushes in a row WeChat pushes nothing to the account for a while (`MarkFail`). WeChat documents a
/// minute, and no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkFail {
    pub failures: u32,
    /// In milliseconds.
    pub pause_ms: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            duplicate_deliveries: false,
            cut_bodies: 0,
            odd_texts: None,
            retry_reuses_nonce: false,
            seals_with_previous_key: false,
            answer_within_ms: 5000,
            mark_fail: None,
        }
    }
}

/// What happens to the next calls of one API path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFault {
    /// The path, such as `/cgi-bin/qrcode/create`.
    pub path: String,
    /// The number of calls that still fail.
    pub times: u32,
    pub failure: CallFailure,
}

/// How an API call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CallFailure {
    /// WeChat answers with this `errcode`: −1 (busy), 45009, 45011, 48001, …
    Code(i64),
    /// WeChat answers correctly, but this many milliseconds late.
    SlowMs(u64),
    /// A proxy answers with an HTML page, and with status 200.
    Html,
    /// A proxy answers with an HTML page, and with this status.
    Status(u16),
    Empty,
    /// The connection is closed without an answer.
    Closed,
}

/// What [`CallFailure::effect`] does to a call.
pub(crate) enum FailureEffect {
    Answer(Response),
    /// The correct answer comes this much later.
    Delay(Duration),
}

impl Faults {
    /// The failure of this call of `path`, if it has one. The fault counts down by one, and is removed at zero.
    pub(crate) fn take(&mut self, path: &str) -> Option<CallFailure> {
        let at = self.calls.iter().position(|fault| fault.path == path && fault.times > 0)?;
        let fault = &mut self.calls[at];
        fault.times -= 1;
        let failure = fault.failure;
        if fault.times == 0 {
            self.calls.remove(at);
        }
        Some(failure)
    }

    /// Whether this attempt's body is cut short. Counts down by one.
    pub(crate) fn take_cut(&mut self) -> bool {
        let cut = self.cut_bodies > 0;
        if cut {
            self.cut_bodies -= 1;
        }
        cut
    }

    pub(crate) fn answer_within(&self) -> Duration {
        Duration::from_millis(self.answer_within_ms)
    }
}

impl CallFailure {
    pub(crate) fn effect(self) -> FailureEffect {
        let response = match self {
            Self::SlowMs(millis) => return FailureEffect::Delay(Duration::from_millis(millis)),
            Self::Code(code) => ApiRefusal(code).into_response(),
            Self::Html => Html(PAGE_OF_A_PROXY).into_response(),
            Self::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                (status, Html(PAGE_OF_A_PROXY)).into_response()
            }
            Self::Empty => ([(header::CONTENT_TYPE, "application/json")], "").into_response(),
            Self::Closed => {
                // If the body fails before its first byte, hyper closes the connection and never sends the head.
                let failed = futures_util::stream::once(async { Err::<&str, _>(std::io::Error::other("closed")) });
                Body::from_stream(failed).into_response()
            }
        };
        FailureEffect::Answer(response)
    }

    /// The result under which the call log counts it. `None` if WeChat itself answered: then its `errcode` counts.
    pub(crate) fn result(self) -> Option<&'static str> {
        match self {
            Self::Code(_) | Self::SlowMs(_) => None,
            Self::Html | Self::Status(_) | Self::Empty | Self::Closed => Some(self.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_as_often_as_set_and_to_its_path_only() {
        let fault = |path: &str, times, failure| CallFault { path: path.to_owned(), times, failure };
        let mut faults = Faults {
            calls: vec![
                fault("/a", 2, CallFailure::Code(-1)),
                fault("/b", 1, CallFailure::Html),
                fault("/a", 1, CallFailure::Empty),
            ],
            ..Faults::default()
        };
        let happened: Vec<_> = (0..4).map(|_| faults.take("/a")).collect();
        assert_eq!(
            happened,
            [Some(CallFailure::Code(-1)), Some(CallFailure::Code(-1)), Some(CallFailure::Empty), None]
        );
        assert_eq!(faults.take("/b"), Some(CallFailure::Html));
        assert_eq!(faults, Faults::default());
    }

    #[test]
    fn faults_are_read_from_json() {
        let faults: Faults = serde_json::from_str(
            r#"{"calls":[{"path":"/cgi-bin/token","times":3,"failure":{"code":-1}},
                         {"path":"/cgi-bin/token","times":1,"failure":"closed"}],"cut_bodies":1}"#,
        )
        .unwrap();
        assert_eq!(faults.calls[0].failure, CallFailure::Code(-1));
        assert_eq!((faults.cut_bodies, faults.answer_within_ms), (1, 5000));
    }
}
