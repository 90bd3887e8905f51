//! What one watcher has yet to be told, once and in order.
//!
//! | state | a live event | a mailbox that was read | the watcher is told |
//! |---|---|---|---|
//! | live | goes to the watcher | changes nothing | the event |
//! | catching up | is held back | ends the catch-up, if the read began late enough | the mailbox's events, then those held back |
//! | catching up for long | is held back | the same | [`Notice::Interrupted`] once, then [`Notice::Resumed`] and the same |

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use scenecast_scene::Event;

use crate::{mailbox::Mailbox, watch::logical_time::LogicalTime};

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something happened to the scene.
    Event(Arc<Event>),
    /// Redis doesn't have the scene. It is read again later. Until then the gateway that has its page can have it
    /// opened again, for the rest of its life.
    SceneLost,
    /// Events of the scene can't be received for now. Those that are missed follow later.
    Interrupted,
    /// Events are received again. Those that were missed since [`Notice::Interrupted`] follow next.
    Resumed,
}

/// Whether a catch-up takes so long that the watcher has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Staleness {
    /// Up to date, or the catch-up has only just begun.
    Fresh,
    /// It was catching up when it was last checked.
    Suspected,
    /// It was told that it is interrupted.
    Told,
}

/// The notices of one watcher, and whether it is catching up.
pub(crate) struct Inbox {
    notices: VecDeque<Notice>,
    /// The highest `seq` that was put into `notices`.
    last_seq: u64,
    /// When it last began to catch up.
    catching_up_since: LogicalTime,
    /// While it is catching up: the live events that wait for the mailbox.
    held_back: Option<Vec<Arc<Event>>>,
    staleness: Staleness,
    waker: Option<Waker>,
}

impl Inbox {
    /// The inbox of a watcher that has seen the events up to `after` and is catching up.
    pub(crate) fn new(after: u64, now: LogicalTime) -> Self {
        Self {
            notices: VecDeque::new(),
            last_seq: after,
            catching_up_since: now,
            held_back: Some(vec![]),
            staleness: Staleness::Fresh,
            waker: None,
        }
    }

    /// Adds a notice, unless it is an event that was added before.
    pub(crate) fn push(&mut self, notice: Notice) {
        if let Notice::Event(event) = &notice {
            if event.seq <= self.last_seq {
                return;
            }
            self.last_seq = event.seq;
        }
        self.notices.push_back(notice);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Takes a live event.
    pub(crate) fn deliver(&mut self, event: &Arc<Event>) {
        match &mut self.held_back {
            Some(held_back) => held_back.push(event.clone()),
            None => self.push(Notice::Event(event.clone())),
        }
    }

    pub(crate) fn begin_catch_up(&mut self, now: LogicalTime) {
        // A new watcher may have begun later than the loss that is being reported.
        self.catching_up_since = self.catching_up_since.max(now);
        self.held_back.get_or_insert_default();
    }

    /// To be called every second or so. Tells the watcher that it is interrupted if it was catching up at the last
    /// check already. Says whether it is catching up.
    pub(crate) fn check_staleness(&mut self) -> bool {
        let is_catching_up = self.held_back.is_some();
        match self.staleness {
            Staleness::Fresh if is_catching_up => self.staleness = Staleness::Suspected,
            Staleness::Suspected => {
                self.staleness = Staleness::Told;
                self.push(Notice::Interrupted);
            }
            Staleness::Fresh | Staleness::Told => {}
        }
        is_catching_up
    }

    /// Ends the catch-up with a mailbox. Says whether the read had begun late enough for that.
    pub(crate) fn complete_catch_up(&mut self, read_at: LogicalTime, mailbox: Option<&Mailbox>) -> bool {
        if read_at < self.catching_up_since {
            return false;
        }
        let held_back = self.held_back.take().unwrap_or_default();
        if self.staleness == Staleness::Told {
            self.push(Notice::Resumed);
        }
        self.staleness = Staleness::Fresh;
        let stored = mailbox.map_or(&[][..], |mailbox| &mailbox.events);
        for event in stored.iter().chain(&held_back) {
            self.push(Notice::Event(event.clone()));
        }
        true
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Notice> {
        if let Some(notice) = self.notices.pop_front() {
            if self.notices.is_empty() {
                self.notices.shrink_to_fit();
            }
            return Poll::Ready(notice);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
