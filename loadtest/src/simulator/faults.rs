//! Switches for what goes wrong at WeChat and on the way to it.

use std::time::Duration;

use axum::{
    body::Body,
    http::header,
    response::{Html, IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::rules::refusal::Refusal;

/// Everything that can go wrong, as it is now. The default is WeChat on a good day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// What happens to the next API calls, first come first served.
    pub calls: Vec<CallFault>,
    /// Each attempt to deliver is made twice at the same instant, at two callbacks where there are
    /// several. The phone shows the second answer: WeChat gives up a connection before it makes the
    /// next.
    pub duplicate_deliveries: bool,
    /// So many attempts lose the second half of their body.
    pub cut_bodies: u32,
    /// Later attempts have the first one's timestamp and nonce. Undocumented, so both are tested.
    pub retry_reuses_nonce: bool,
    /// Messages are sealed with the account's previous key, if it has one: not all of WeChat has
    /// heard of the change yet.
    pub seals_with_previous_key: bool,
    /// How long a callback may take, to the last byte, in milliseconds.
    pub answer_within_ms: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            duplicate_deliveries: false,
            cut_bodies: 0,
            retry_reuses_nonce: false,
            seals_with_previous_key: false,
            answer_within_ms: 5000,
        }
    }
}

/// What happens to the next calls of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallFault {
    /// The path, such as `/cgi-bin/qrcode/create`.
    pub path: String,
    /// To how many calls it happens.
    pub times: u32,
    /// What happens.
    pub failure: Failure,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// It is refused with this `errcode`: −1 busy, 45009, 45011, 48001, …
    Code(i64),
    /// It is answered rightly, so many milliseconds late.
    SlowMs(u64),
    /// A proxy answers with a page.
    Html,
    /// The answer is empty.
    Empty,
    /// The connection is closed without an answer.
    Closed,
}

impl Faults {
    /// What happens to this call of `path`, used up by it.
    pub(crate) fn take(&mut self, path: &str) -> Option<Failure> {
        let at = self.calls.iter().position(|fault| fault.path == path && fault.times > 0)?;
        let fault = &mut self.calls[at];
        fault.times -= 1;
        let failure = fault.failure;
        if fault.times == 0 {
            self.calls.remove(at);
        }
        Some(failure)
    }

    /// Whether this attempt's body is cut short.
    pub(crate) fn take_cut(&mut self) -> bool {
        let cut = self.cut_bodies > 0;
        self.cut_bodies -= u32::from(cut);
        cut
    }

    pub(crate) fn answer_within(&self) -> Duration {
        Duration::from_millis(self.answer_within_ms)
    }
}

impl Failure {
    /// What is answered, or how long the right answer takes.
    pub(crate) fn answer(self) -> Result<Response, Duration> {
        match self {
            Self::Code(code) => Ok(Refusal(code).into_response()),
            Self::SlowMs(millis) => Err(Duration::from_millis(millis)),
            Self::Html => Ok(Html("<html><body><h1>502 Bad Gateway</h1></body></html>").into_response()),
            Self::Empty => Ok(([(header::CONTENT_TYPE, "application/json")], "").into_response()),
            Self::Closed => {
                // A body that fails before its first byte takes the connection down with the head unsent.
                let failed = futures_util::stream::once(async { Err::<&str, _>(std::io::Error::other("closed")) });
                Ok(Body::from_stream(failed).into_response())
            }
        }
    }

    /// Its word in the counts of calls.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Code(_) | Self::SlowMs(_) => None,
            Self::Html => Some("html"),
            Self::Empty => Some("empty"),
            Self::Closed => Some("closed"),
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
                fault("/a", 2, Failure::Code(-1)),
                fault("/b", 1, Failure::Html),
                fault("/a", 1, Failure::Empty),
            ],
            ..Faults::default()
        };
        let happened: Vec<_> = (0..4).map(|_| faults.take("/a")).collect();
        assert_eq!(happened, [Some(Failure::Code(-1)), Some(Failure::Code(-1)), Some(Failure::Empty), None]);
        assert_eq!(faults.take("/b"), Some(Failure::Html));
        assert_eq!(faults, Faults::default());
    }

    #[test]
    fn faults_are_readable_json() {
        let faults: Faults = serde_json::from_str(
            r#"{"calls":[{"path":"/cgi-bin/token","times":3,"failure":{"code":-1}},
                         {"path":"/cgi-bin/token","times":1,"failure":"closed"}],"cut_bodies":1}"#,
        )
        .unwrap();
        assert_eq!(faults.calls[0].failure, Failure::Code(-1));
        assert_eq!((faults.cut_bodies, faults.answer_within_ms), (1, 5000));
    }
}
