//! What one watcher is told, once and in order.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{Mailbox, hub::Moment};
use crate::scene::Event;

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something happened to the scene.
    Event(Arc<Event>),
    /// Redis doesn't have the scene, and is asked again in a while: whoever holds its page opens it
    /// again for what is left of its life.
    Lost,
    /// Nobody can say for now what happens to the scene. What does is told later.
    Away,
    /// Since [`Notice::Away`], nothing was missed that isn't told next.
    Back,
}

/// How far a catch-up that doesn't end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    Noticed,
    Told,
}

/// What a watcher has yet to be told, and whether it is catching up.
pub(super) struct Inbox {
    notices: VecDeque<Notice>,
    /// The highest `seq` that was put into `notices`.
    seen: u64,
    /// When it last began to catch up.
    began: Moment,
    /// The live events that wait for the end of the catch-up, while there is one.
    aside: Option<Vec<Arc<Event>>>,
    doubt: Doubt,
    waker: Option<Waker>,
}

impl Inbox {
    pub(super) fn new(after: u64, now: Moment) -> Self {
        let (notices, aside, doubt) = (VecDeque::new(), Some(vec![]), Doubt::None);
        Self { notices, seen: after, began: now, aside, doubt, waker: None }
    }

    pub(super) fn put(&mut self, notice: Notice) {
        if let Notice::Event(event) = &notice {
            if event.seq <= self.seen {
                return;
            }
            self.seen = event.seq;
        }
        self.notices.push_back(notice);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn ring(&mut self, event: &Arc<Event>) {
        match &mut self.aside {
            Some(aside) => aside.push(event.clone()),
            None => self.put(Notice::Event(event.clone())),
        }
    }

    pub(super) fn begin_catch_up(&mut self, now: Moment) {
        // A watcher that has just come may have begun later than the loss that is being told.
        self.began = self.began.max(now);
        self.aside.get_or_insert_default();
    }

    /// Tells the watcher if it has been catching up since the last time that it was looked at; answers whether
    /// it is.
    pub(super) fn look(&mut self) -> bool {
        let is_catching_up = self.aside.is_some();
        match self.doubt {
            Doubt::None if is_catching_up => self.doubt = Doubt::Noticed,
            Doubt::Noticed => {
                self.doubt = Doubt::Told;
                self.put(Notice::Away);
            }
            Doubt::None | Doubt::Told => {}
        }
        is_catching_up
    }

    /// Ends the catch-up with what was read; answers whether the read had begun late enough.
    pub(super) fn caught_up(&mut self, read: Moment, mailbox: Option<&Mailbox>) -> bool {
        if read < self.began {
            return false;
        }
        let stored = mailbox.map_or(&[][..], |mailbox| &mailbox.events);
        let aside = self.aside.take().unwrap_or_default();
        if std::mem::replace(&mut self.doubt, Doubt::None) == Doubt::Told {
            self.put(Notice::Back);
        }
        for event in stored.iter().chain(&aside) {
            self.put(Notice::Event(event.clone()));
        }
        true
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Notice> {
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
