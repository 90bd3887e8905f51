//! One page's scene, from its opening or resuming to its end: what happens to it in, what the page
//! is told out, whatever carries it there. No I/O and no clock; chance only in how long whoever is
//! turned away is to wait.
//!
//! ```text
//! begun ──scanned──▶ … ──confirmed, declined, cancelled, expired or unanswered──▶ end
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use scenecast_shared::{
    bus::{BusError, Mailbox, Notice},
    scene::{Claims, Event, Happening, SceneId, State},
    serve::Problem,
};

/// How soon to ask again whether a scene has ended, when the bus gives no answer, …
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// … and for how long.
const ASK_FOR: Duration = Duration::from_secs(30);
/// Pages that are moved to another pod come back within this.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(1);

/// What to do for a page.
#[derive(Debug)]
pub(crate) enum Action {
    /// Tell it something.
    Tell(Told),
    /// Read the mailbox; [`Session::checked`] gets it.
    CheckEnd,
    /// Redis lost the scene: open it again until then.
    Reopen(Claims, Instant),
}

/// What a page is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// Something happened to its scene.
    Event(Arc<Event>, Option<Handover>),
    /// Nobody can say for now what happens to it.
    Away,
    /// Somebody can again.
    Back,
    /// That was all.
    End(End),
}

/// Why a page is told no more.
#[derive(Debug)]
pub(crate) enum End {
    /// Nothing more can happen to its scene.
    Over,
    /// The scene's time is over.
    Expired,
    /// This pod leaves: the page goes on elsewhere.
    Restart,
    /// This pod holds more than its share: the page goes on elsewhere.
    Rebalance,
    /// The scene can't be opened, resumed or read.
    Refused(Problem),
}

impl End {
    /// Its word in metrics.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Expired => "expired",
            Self::Restart => "restart",
            Self::Rebalance => "rebalance",
            Self::Refused(_) => "refused",
        }
    }

    /// After how long the page is to come back, where that can help. By chance, so that pages that
    /// leave together don't come back together.
    pub(crate) fn back_in(&self) -> Option<Duration> {
        match self {
            Self::Over | Self::Expired => None,
            Self::Restart | Self::Rebalance => Some(rand::random_range(Duration::ZERO..BACK_WITHIN)),
            Self::Refused(problem) => match problem.retry_after {
                Some(after) => Some(after.mul_f32(rand::random_range(1.0..2.0))),
                None if problem.status == StatusCode::INTERNAL_SERVER_ERROR => Some(Duration::from_secs(5)),
                None => None,
            },
        }
    }
}

/// How a login comes to its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handover {
    /// As it happens.
    Live,
    /// From the mailbox, because the page was away.
    Late,
    /// Again: its grant has been redeemed already.
    Again,
}

impl Handover {
    /// Its word in logs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Late => "late",
            Self::Again => "again",
        }
    }
}

/// A page's scene, once it is opened or resumed.
#[derive(Debug)]
pub(crate) struct Begun {
    /// What the page's key says.
    pub(crate) claims: Claims,
    /// Where the scene stands.
    pub(crate) state: State,
    /// What is left of its life.
    pub(crate) remaining: Duration,
    /// Whether an event that the page hasn't seen is on its way to it.
    pub(crate) more: bool,
    /// The highest `seq` in the mailbox: what the page is told up to it is a replay.
    pub(crate) stored: u64,
}

/// One page's scene.
#[derive(Debug)]
pub(crate) struct Session {
    claims: Claims,
    state: State,
    /// When the state's life ends, as far as is known.
    ends: Instant,
    /// When to look whether it has, if it isn't being looked at.
    check_at: Option<Instant>,
    /// Since when the bus hasn't said whether it has.
    asking_since: Option<Instant>,
    stored: u64,
}

impl Session {
    /// The session of a scene that has begun, and what to do first.
    pub(crate) fn new(begun: Begun, now: Instant) -> (Self, Vec<Action>) {
        let Begun { claims, state, remaining, more, stored } = begun;
        let first = match state {
            State::Open | State::Scanned => vec![],
            State::Expired => vec![end(End::Expired)],
            _ if more => vec![],
            _ => vec![end(End::Over)],
        };
        let ends = now + remaining;
        (Self { claims, state, ends, check_at: Some(ends), asking_since: None, stored }, first)
    }

    pub(crate) fn scene(&self) -> SceneId {
        self.claims.scene
    }

    /// Where the scene stands, as far as has been heard.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// What is left of that state's life.
    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }

    /// When [`Session::due`] is to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.check_at
    }

    pub(crate) fn noticed(&mut self, notice: Notice, now: Instant) -> Vec<Action> {
        match notice {
            Notice::Event(event) => self.heard(event),
            Notice::Away => vec![Action::Tell(Told::Away)],
            Notice::Back => vec![Action::Tell(Told::Back)],
            Notice::Lost if self.ends > now => {
                self.state = State::Open;
                vec![Action::Reopen(self.claims.clone(), self.ends)]
            }
            Notice::Lost => self.expired(),
        }
    }

    fn heard(&mut self, event: Arc<Event>) -> Vec<Action> {
        let is_replay = event.seq <= self.stored;
        let (state, handover) = match &event.what {
            Happening::Scanned(_) => (State::Scanned, None),
            Happening::Declined => (State::Declined, None),
            Happening::Cancelled => (State::Cancelled, None),
            Happening::Confirmed(_) => (
                State::Confirmed,
                Some(match self.state {
                    _ if !is_replay => Handover::Live,
                    State::Redeemed => Handover::Again,
                    _ => Handover::Late,
                }),
            ),
        };
        if !is_replay {
            self.state = state;
        }
        let tell = Action::Tell(Told::Event(event, handover));
        if state == State::Scanned { vec![tell] } else { vec![tell, end(End::Over)] }
    }

    /// The deadline has come.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Action> {
        if self.check_at.is_some_and(|at| at <= now) {
            self.check_at = None;
            return vec![Action::CheckEnd];
        }
        vec![]
    }

    /// The mailbox at what should be the scene's end: our clock and Redis's may differ, and the
    /// login may have come at the last moment.
    pub(crate) fn checked(&mut self, read: &Result<Option<Mailbox>, BusError>, now: Instant) -> Vec<Action> {
        match read {
            Ok(Some(mailbox)) if !mailbox.remaining.is_zero() && mailbox.state != State::Expired => {
                self.asking_since = None;
                self.ends = now + mailbox.remaining;
                self.check_at = Some(self.ends);
                vec![]
            }
            Ok(_) => self.expired(),
            Err(error) => {
                let since = *self.asking_since.get_or_insert(now);
                if now.saturating_duration_since(since) < ASK_FOR {
                    self.check_at = Some(now + ASK_AGAIN);
                    vec![]
                } else {
                    vec![end(End::Refused(error.clone().into()))]
                }
            }
        }
    }

    fn expired(&mut self) -> Vec<Action> {
        self.state = State::Expired;
        vec![end(End::Expired)]
    }
}

fn end(end: End) -> Action {
    Action::Tell(Told::End(end))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
