//! The state machine of one page's scene: notices from the bus go in, updates for the page come out. No I/O and
//! no clock.
//!
//! ```text
//!                     ┌── scanned; Redis away and back; lost and opened again ──┐
//!                     ▼                                                         │
//!  SessionStart ──▶ waiting ────────────────────────────────────────────────────┘
//!                     │
//!                     ├── confirmed, declined, cancelled ─────────────▶ SessionEnd::Over
//!                     ├── its life is over ──▶ the mailbox agrees ────▶ SessionEnd::Expired
//!                     └── … ──▶ the mailbox can't be read for 30 s ───▶ SessionEnd::Refused
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use scenecast_bus::{BusError, Mailbox, Notice};
use scenecast_scene::{Claims, Event, EventKind, SceneId, SceneState};
use strum::IntoStaticStr;

use crate::{drain::DrainReason, refusal::PageRefusal};

/// How soon to read the mailbox again when the bus gave no answer, …
const READ_RETRY: Duration = Duration::from_secs(2);
/// … and for how long.
const READ_RETRY_LIMIT: Duration = Duration::from_secs(30);

/// What to do for a page.
#[derive(Debug)]
pub(super) enum SessionAction {
    Send(SessionUpdate),
    /// Read the mailbox, and give it to [`Session::mailbox_read`].
    ReadMailbox,
    /// Redis lost the scene: open it again, to live until then.
    Reopen(Claims, Instant),
}

/// What a page is told.
#[derive(Debug)]
pub(crate) enum SessionUpdate {
    /// Something happened to its scene.
    Event(Arc<Event>, Option<Handover>),
    /// Redis is away, so events come late until [`SessionUpdate::Resumed`].
    Interrupted,
    /// Redis is back, and every event since then follows.
    Resumed,
    /// Nothing follows.
    End(SessionEnd),
}

/// Why a page is told nothing more. As text, the label `end` in metrics.
#[derive(Debug, Clone, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum SessionEnd {
    /// Nothing more can happen to its scene.
    Over,
    /// The scene's life is over.
    Expired,
    /// This pod shuts down: the page goes to another one.
    Restart,
    /// This pod has more than its share of pages: the page goes to another one.
    Rebalance,
    /// The scene can't be opened, or its events can't be read.
    Refused(PageRefusal),
}

impl SessionEnd {
    /// The label `end` in metrics.
    pub(crate) fn label(&self) -> &'static str {
        self.into()
    }
}

impl From<DrainReason> for SessionEnd {
    fn from(reason: DrainReason) -> Self {
        match reason {
            DrainReason::Restart => Self::Restart,
            DrainReason::Rebalance => Self::Rebalance,
        }
    }
}

/// How a login comes to its page. As text, the field `handover` in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Handover {
    /// As it happens.
    Live,
    /// From the mailbox, because the page was not connected when it happened.
    Late,
    /// From the mailbox, though its grant has been redeemed already.
    Again,
}

/// A page's scene, as it is when the session starts.
#[derive(Debug)]
pub(super) struct SessionStart {
    /// What the page's key says.
    pub(super) claims: Claims,
    pub(super) state: SceneState,
    /// What is left of that state's life.
    pub(super) remaining: Duration,
    /// Whether the mailbox has an event that the page hasn't seen and that follows.
    pub(super) has_unseen: bool,
    /// The highest `seq` in the mailbox: an event up to it is a replay.
    pub(super) stored: u64,
}

#[derive(Debug)]
pub(super) struct Session {
    claims: Claims,
    state: SceneState,
    /// When the state's life ends, as far as is known.
    ends: Instant,
    /// When to read the mailbox, unless that is under way.
    read_at: Option<Instant>,
    /// Since when the bus has given no answer to that.
    unanswered_since: Option<Instant>,
    stored: u64,
}

impl Session {
    /// The session of a scene, and what to do first.
    pub(super) fn new(start: SessionStart, now: Instant) -> (Self, Vec<SessionAction>) {
        let SessionStart { claims, state, remaining, has_unseen, stored } = start;
        let first = match state {
            SceneState::Open | SceneState::Scanned => vec![],
            SceneState::Expired => vec![end(SessionEnd::Expired)],
            _ if has_unseen => vec![],
            _ => vec![end(SessionEnd::Over)],
        };
        let ends = now + remaining;
        (Self { claims, state, ends, read_at: Some(ends), unanswered_since: None, stored }, first)
    }

    pub(super) fn scene(&self) -> SceneId {
        self.claims.scene
    }

    /// The scene's state, as far as is known.
    pub(super) fn state(&self) -> SceneState {
        self.state
    }

    /// What is left of that state's life.
    pub(super) fn remaining(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }

    /// When to call [`Session::deadline_reached`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.read_at
    }

    /// Takes in a notice from the bus.
    pub(super) fn noticed(&mut self, notice: Notice, now: Instant) -> Vec<SessionAction> {
        match notice {
            Notice::Event(event) => self.event_received(event),
            Notice::Interrupted => vec![SessionAction::Send(SessionUpdate::Interrupted)],
            Notice::Resumed => vec![SessionAction::Send(SessionUpdate::Resumed)],
            Notice::SceneLost if self.ends > now => {
                self.state = SceneState::Open;
                vec![SessionAction::Reopen(self.claims.clone(), self.ends)]
            }
            Notice::SceneLost => self.expired(),
        }
    }

    fn event_received(&mut self, event: Arc<Event>) -> Vec<SessionAction> {
        let is_replay = event.seq <= self.stored;
        let state = match &event.what {
            EventKind::Scanned(_) => SceneState::Scanned,
            EventKind::Confirmed(_) => SceneState::Confirmed,
            EventKind::Declined => SceneState::Declined,
            EventKind::Cancelled => SceneState::Cancelled,
        };
        let handover = (state == SceneState::Confirmed).then(|| self.handover(is_replay));
        if !is_replay {
            self.state = state;
        }
        let update = SessionAction::Send(SessionUpdate::Event(event, handover));
        if state == SceneState::Scanned { vec![update] } else { vec![update, end(SessionEnd::Over)] }
    }

    fn handover(&self, is_replay: bool) -> Handover {
        if !is_replay {
            Handover::Live
        } else if self.state == SceneState::Redeemed {
            Handover::Again
        } else {
            Handover::Late
        }
    }

    /// Has to be called at the deadline, and may be called sooner.
    pub(super) fn deadline_reached(&mut self, now: Instant) -> Vec<SessionAction> {
        if self.read_at.is_some_and(|at| at <= now) {
            self.read_at = None;
            return vec![SessionAction::ReadMailbox];
        }
        vec![]
    }

    /// Takes in the mailbox at what should be the scene's end. The mailbox decides, because our clock and that of
    /// Redis may differ, and the login may have come at the last moment.
    pub(super) fn mailbox_read(
        &mut self,
        read: &Result<Option<Mailbox>, BusError>,
        now: Instant,
    ) -> Vec<SessionAction> {
        match read {
            Ok(Some(mailbox)) if !mailbox.remaining.is_zero() && mailbox.state != SceneState::Expired => {
                self.unanswered_since = None;
                self.ends = now + mailbox.remaining;
                self.read_at = Some(self.ends);
                vec![]
            }
            Ok(_) => self.expired(),
            Err(error) => {
                let since = *self.unanswered_since.get_or_insert(now);
                if now.saturating_duration_since(since) < READ_RETRY_LIMIT {
                    self.read_at = Some(now + READ_RETRY);
                    vec![]
                } else {
                    vec![end(SessionEnd::Refused(PageRefusal::for_bus_error(self.scene(), error)))]
                }
            }
        }
    }

    fn expired(&mut self) -> Vec<SessionAction> {
        self.state = SceneState::Expired;
        vec![end(SessionEnd::Expired)]
    }
}

fn end(end: SessionEnd) -> SessionAction {
    SessionAction::Send(SessionUpdate::End(end))
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
