//! One page's socket as a state machine: what arrives in, what to do out. No I/O and no
//! clock; chance only in how long whoever is turned away is to wait.
//!
//! ```text
//! waiting ──first frame──▶ beginning ──begun──▶ held ──over, left or broken──▶ closed
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::StatusCode;
use scenecast_shared::{
    bus::{BusError, Mailbox, Notice},
    scene::{Claims, Event, Happening, State},
    serve::Problem,
};

use crate::{
    wire::{First, Frame},
    ws::{Incoming, Liveness, Silence, close},
};

/// How long a page may take to send its first frame.
pub(crate) const FIRST_FRAME: Duration = Duration::from_secs(5);
/// How soon to ask again whether a scene has ended, when the bus gives no answer, …
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// … and for how long.
const ASK_FOR: Duration = Duration::from_secs(30);
/// Pages whose scene somebody has scanned are moved in this last part of the drain window.
const LATE: f32 = 0.8;

/// What to do for a page.
#[derive(Debug)]
pub(crate) enum Action {
    /// Send this text.
    Send(String),
    /// Send the login of this event, and count it.
    HandOver(Arc<Event>, Handover),
    /// Ask whether the page is there.
    Ping,
    /// Answer the page's ping.
    Pong(Vec<u8>),
    /// Open or resume; [`Session::begun`] gets the outcome.
    Begin(First),
    /// Read the mailbox; [`Session::checked`] gets it.
    CheckEnd,
    /// Redis lost the scene: open it again until then.
    Reopen(Claims, Instant),
    /// Close with this code and reason, and be done.
    Close(u16, String),
    /// Be done.
    Drop,
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
    /// The frame that tells the page so.
    pub(crate) frame: String,
    /// Whether an event that the page hasn't seen is on its way to it.
    pub(crate) more: bool,
    /// The highest `seq` in the mailbox: what the page is told up to it is a replay.
    pub(crate) stored: u64,
}

/// One page's socket.
#[derive(Debug)]
pub(crate) struct Session {
    phase: Phase,
    liveness: Liveness,
    leave_at: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    Waiting { until: Instant },
    Beginning,
    Held(Box<Held>),
}

#[derive(Debug)]
struct Held {
    claims: Claims,
    /// When to look whether the scene has ended, if it isn't being looked at.
    ends: Option<Instant>,
    /// Since when the bus hasn't said whether it has.
    asking_since: Option<Instant>,
    scanned: bool,
    redeemed: bool,
    stored: u64,
}

impl Session {
    pub(crate) fn new(now: Instant) -> Self {
        Self { phase: Phase::Waiting { until: now + FIRST_FRAME }, liveness: Liveness::new(now), leave_at: None }
    }

    /// When [`Session::due`] is to be called.
    pub(crate) fn deadline(&self) -> Instant {
        let alive = self.liveness.deadline();
        let phase = match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Beginning => None,
            Phase::Held(held) => held.ends,
        };
        [Some(alive), phase, self.leave_at].into_iter().flatten().min().unwrap_or(alive)
    }

    pub(crate) fn received(&mut self, incoming: Incoming, now: Instant) -> Vec<Action> {
        self.liveness.heard(now);
        match incoming {
            Incoming::Pong => vec![],
            Incoming::Ping(payload) => vec![Action::Pong(payload)],
            Incoming::Close => vec![done()],
            Incoming::Text(text) if matches!(self.phase, Phase::Waiting { .. }) => {
                self.phase = Phase::Beginning;
                match serde_json::from_str(&text) {
                    Ok(first) => vec![Action::Begin(first)],
                    Err(_) => refuse(&bad_request("the first frame has to be an open or a resume")),
                }
            }
            Incoming::Text(_) => refuse(&bad_request("nothing is expected after the first frame")),
        }
    }

    pub(crate) fn begun(&mut self, begun: Result<Begun, Problem>, now: Instant) -> Vec<Action> {
        match begun {
            Ok(Begun { claims, state, remaining, frame, more, stored }) => {
                let over = match state {
                    State::Open | State::Scanned => None,
                    State::Expired => Some(vec![Action::Send(Frame::Expired.json()), done()]),
                    _ if more => None,
                    _ => Some(vec![done()]),
                };
                self.phase = Phase::Held(Box::new(Held {
                    claims,
                    ends: Some(now + remaining),
                    asking_since: None,
                    scanned: state == State::Scanned,
                    redeemed: state == State::Redeemed,
                    stored,
                }));
                std::iter::once(Action::Send(frame)).chain(over.into_iter().flatten()).collect()
            }
            Err(problem) => refuse(&problem),
        }
    }

    pub(crate) fn noticed(&mut self, notice: Notice, now: Instant) -> Vec<Action> {
        let Phase::Held(held) = &mut self.phase else { return vec![] };
        match notice {
            Notice::Event(event) => match &event.what {
                Happening::Scanned(_) => {
                    held.scanned = true;
                    vec![Action::Send(Frame::event(&event).json())]
                }
                Happening::Confirmed(_) => {
                    let handover = match event.seq > held.stored {
                        true => Handover::Live,
                        false if held.redeemed => Handover::Again,
                        false => Handover::Late,
                    };
                    vec![Action::HandOver(event, handover), done()]
                }
                Happening::Declined | Happening::Cancelled => vec![Action::Send(Frame::event(&event).json()), done()],
            },
            Notice::Lost => match held.ends {
                Some(ends) if ends > now => {
                    held.scanned = false;
                    vec![Action::Reopen(held.claims.clone(), ends)]
                }
                _ => vec![Action::Send(Frame::Expired.json()), done()],
            },
        }
    }

    /// The deadline has come.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Action> {
        if self.leave_at.is_some_and(|at| at <= now) {
            return vec![restart()];
        }
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => {
                return refuse(&bad_request("no first frame came within 5 seconds"));
            }
            Phase::Held(held) if held.ends.is_some_and(|ends| ends <= now) => {
                held.ends = None;
                return vec![Action::CheckEnd];
            }
            _ => {}
        }
        match self.liveness.due(now) {
            Silence::Fine => vec![],
            Silence::Ask => vec![Action::Ping],
            Silence::Gone => vec![Action::Drop],
        }
    }

    /// The mailbox at what should be the scene's end: our clock and Redis's may differ, and the
    /// login may have come at the last moment.
    pub(crate) fn checked(&mut self, read: &Result<Option<Mailbox>, BusError>, now: Instant) -> Vec<Action> {
        let Phase::Held(held) = &mut self.phase else { return vec![] };
        match read {
            Ok(Some(mailbox)) if !mailbox.remaining.is_zero() && mailbox.state != State::Expired => {
                held.asking_since = None;
                held.ends = Some(now + mailbox.remaining);
                vec![]
            }
            Ok(_) => vec![Action::Send(Frame::Expired.json()), done()],
            Err(error) => {
                let since = *held.asking_since.get_or_insert(now);
                if now.saturating_duration_since(since) < ASK_FOR {
                    held.ends = Some(now + ASK_AGAIN);
                    vec![]
                } else {
                    refuse(&error.clone().into())
                }
            }
        }
    }

    /// The pod leaves within `window`; `share`, from 0 to 1, is this page's place in it.
    pub(crate) fn leave(&mut self, now: Instant, window: Duration, share: f32) {
        let scanned = matches!(&self.phase, Phase::Held(held) if held.scanned);
        let place = if scanned { LATE + (1.0 - LATE) * share } else { LATE * share };
        self.leave_at = Some(now + window.mul_f32(place));
    }
}

fn bad_request(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail)
}

fn done() -> Action {
    Action::Close(close::DONE, String::new())
}

fn restart() -> Action {
    Action::Close(close::RESTART, retry_after(Duration::from_millis(rand::random_range(0..1000))))
}

/// Tells the problem and closes.
pub(crate) fn refuse(problem: &Problem) -> Vec<Action> {
    let (code, reason) = close_for(problem);
    vec![Action::Send(Frame::problem(problem).json()), Action::Close(code, reason)]
}

/// The close that a problem ends in: with a delay where coming back can help.
pub(crate) fn close_for(problem: &Problem) -> (u16, String) {
    match problem.retry_after {
        // Spread, so that those who were refused together don't come back together.
        Some(after) => (close::TRY_LATER, retry_after(after.mul_f32(rand::random_range(1.0..2.0)))),
        None if problem.status == StatusCode::INTERNAL_SERVER_ERROR => {
            (close::TRY_LATER, retry_after(Duration::from_secs(5)))
        }
        None => (close::POLICY, problem.code.to_owned()),
    }
}

/// The reason text that the page's JavaScript reads its reconnect delay from.
fn retry_after(delay: Duration) -> String {
    format!("retry_after_ms={}", delay.as_millis())
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
