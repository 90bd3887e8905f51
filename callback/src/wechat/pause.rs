//! Why a call is not made for a while, and for how long after WeChat gave no answer. No I/O.

use std::time::Duration;

use scenecast_wechat::ErrorCode;

/// So many calls in a row without an answer are no hiccup any more.
const NO_HICCUP: u32 = 3;
/// The first pause. It doubles with each call after a pause that gets no answer, either.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// So WeChat's recovery is noticed soon, and its bad times cost few calls.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why a call is not made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PauseReason {
    /// WeChat refused such a call, and that refusal lasts.
    #[error("WeChat refused it before ({})", .0.label())]
    Refused(ErrorCode),
    /// Such calls got no answer of WeChat's several times in a row.
    #[error("WeChat gave no answer to the calls before it")]
    Unanswered,
}

impl PauseReason {
    /// Its label in metrics.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Refused(code) => code.label(),
            Self::Unanswered => "unanswered",
        }
    }
}

/// How many calls in a row got no answer of WeChat's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UnansweredCalls(u32);

impl UnansweredCalls {
    pub(super) fn count(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// How long no such call is made; `None` if it may have been a hiccup.
    pub(super) fn pause(self) -> Option<Duration> {
        let pauses = self.0.checked_sub(NO_HICCUP)?;
        Some(FIRST_PAUSE.saturating_mul(1 << pauses.min(10)).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_with_the_third_call_and_grow_up_to_a_bound() {
        let mut unanswered = UnansweredCalls::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            unanswered.count();
            pauses.push(unanswered.pause().map_or(0, |pause| pause.as_secs()));
        }
        assert_eq!(pauses, [0, 0, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(UnansweredCalls(u32::MAX).pause(), Some(LONGEST_PAUSE));
    }
}
