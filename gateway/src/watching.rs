//! A watcher: one page's watch on its scene, where bus, clock and session meet. What carries it to
//! the page, WebSocket, SSE or poll, is a thin shell around it.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use scenecast_shared::{
    bus::{BusError, Mailbox, Watch},
    scene::{Claims, Event, Page, SceneId, State},
    serve::Problem,
    telemetry,
};

use crate::{
    pages::{Pages, scene_expired},
    session::{Action, Begun, End, Handover, Session, Told},
    turns::{InLine, Line},
    wire::{self, Frame, Opened},
};

/// A read of the mailbox that is under way.
type Check = Pin<Box<dyn Future<Output = Result<Option<Mailbox>, BusError>> + Send>>;

/// One page's watch on its scene.
pub(crate) struct Watching {
    pages: Pages,
    session: Session,
    watch: Watch,
    check: Option<Check>,
    told: VecDeque<Told>,
    in_line: InLine,
    /// Of a page that doesn't come back.
    stays: Option<Box<Stays>>,
}

/// A page that doesn't come back when its connection ends.
struct Stays {
    /// What is known of it, which goes with its scene if that has to be opened again. None where that
    /// would be of no use.
    page: Option<Page>,
    /// Whether Redis is known to have had the scene: its code may be asked for later.
    known: bool,
}

impl Watching {
    /// Opens a scene and watches it; answers what its page shows, too.
    pub(crate) async fn open(pages: Pages, asked: &wire::Open, page: Page) -> Result<(Self, Opened), Problem> {
        let (claims, opened) = pages.open(asked, page).await?;
        let (watch, mailbox) = pages.bus().watch(claims.scene, 0).await?;
        let life = Duration::from_secs(opened.expires_in);
        let remaining = mailbox.map_or(life, |mailbox| mailbox.remaining);
        let begun = Begun { claims, state: State::Open, remaining, more: false, stored: 0 };
        Ok((Self::new(pages, begun, watch, None), opened))
    }

    /// Watches a scene from the event after `after`.
    pub(crate) async fn resume(pages: Pages, claims: Claims, after: u64) -> Result<Self, Problem> {
        let (watch, mailbox) = pages.bus().watch(claims.scene, after).await?;
        let (state, remaining, stored) = match mailbox {
            Some(mailbox) => {
                let stored = mailbox.events.last().map_or(0, |event| event.seq);
                (mailbox.state, mailbox.remaining, stored)
            }
            None => {
                let remaining = claims.remaining(SystemTime::now());
                if remaining.is_zero() {
                    return Err(scene_expired());
                }
                pages.reopen(claims.clone(), Page::default(), Instant::now() + remaining);
                (State::Open, remaining, 0)
            }
        };
        let begun = Begun { claims, state, remaining, more: stored > after, stored };
        Ok(Self::new(pages, begun, watch, None))
    }

    /// Watches a scene, open already or not, for a page that doesn't come back when its connection ends.
    /// If Redis loses it, it is opened again with what is known of the `page`, or is over if that is nothing.
    pub(crate) async fn stay(pages: Pages, claims: Claims, page: Option<Page>) -> Result<Self, BusError> {
        let (watch, mailbox) = pages.bus().watch(claims.scene, 0).await?;
        let known = mailbox.is_some();
        let (state, remaining, stored) = match mailbox {
            Some(mailbox) => (mailbox.state, mailbox.remaining, mailbox.events.last().map_or(0, |event| event.seq)),
            None => (State::Open, claims.remaining(SystemTime::now()), 0),
        };
        let begun = Begun { claims, state, remaining, more: stored > 0, stored };
        Ok(Self::new(pages, begun, watch, Some(Box::new(Stays { page, known }))))
    }

    fn new(pages: Pages, begun: Begun, watch: Watch, stays: Option<Box<Stays>>) -> Self {
        let (session, first) = Session::new(begun, Instant::now());
        let in_line = pages.turns().join(Line { comes_back: stays.is_none(), scanned: false });
        let mut watching = Self { pages, session, watch, check: None, told: VecDeque::new(), in_line, stays };
        watching.act(first);
        watching
    }

    /// The scene.
    pub(crate) fn scene(&self) -> SceneId {
        self.session.scene()
    }

    /// Where the scene stands, as far as has been heard.
    pub(crate) fn state(&self) -> State {
        self.session.state()
    }

    /// What is left of that.
    pub(crate) fn remaining(&self) -> Duration {
        self.session.remaining(Instant::now())
    }

    /// The frame that tells the page where its scene stands.
    pub(crate) fn resumed(&self) -> Frame<'static> {
        Frame::resumed(self.scene(), self.state(), self.remaining())
    }

    /// Where the page waits for its turn to go.
    pub(crate) fn line(&self) -> Line {
        self.in_line.line()
    }

    /// What the page is told next, or `None` when it is `until` and there is nothing. When it is its turn
    /// to go, that is the end, unless there is something to tell before. May be dropped half-way without loss.
    pub(crate) async fn next(&mut self, until: Instant) -> Option<Told> {
        let pages = self.pages.clone();
        loop {
            let line = self.line();
            let due = self.deadline().map_or(until, |due| due.min(until));
            tokio::select! {
                biased;
                told = poll_fn(|cx| self.poll_next(cx)) => return Some(told),
                end = pages.turn(line) => return Some(Told::End(end)),
                () = tokio::time::sleep_until(due.into()) => {
                    self.due();
                    if due == until {
                        return self.told.pop_front();
                    }
                }
            }
        }
    }

    /// What the page is told next, if there is something.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Told> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Poll::Ready(told);
            }
            let actions = if let Poll::Ready(notice) = self.watch.poll_next(cx) {
                self.session.noticed(notice, Instant::now())
            } else if let Some(check) = &mut self.check
                && let Poll::Ready(read) = check.as_mut().poll(cx)
            {
                self.check = None;
                self.session.checked(&read, Instant::now())
            } else {
                return Poll::Pending;
            };
            self.act(actions);
        }
    }

    /// When [`Watching::due`] is to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// The deadline has come, perhaps.
    pub(crate) fn due(&mut self) {
        let actions = self.session.due(Instant::now());
        self.act(actions);
    }

    /// Sends an event to the page; a login in the trace of its cause, and counted once it is sent.
    pub(crate) fn carry<T, E>(
        &self,
        event: &Event,
        handover: Option<Handover>,
        send: impl FnOnce(&Frame<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let frame = Frame::event(event);
        let Some(handover) = handover else { return send(&frame) };
        let span = tracing::info_span!("push", scene = %self.scene());
        if let Some(traceparent) = &event.traceparent {
            telemetry::continue_from(&span, traceparent);
        }
        let _entered = span.enter();
        let sent = send(&frame)?;
        self.pages.handed_over(self.scene(), event, handover);
        Ok(sent)
    }

    fn act(&mut self, actions: Vec<Action>) {
        self.in_line.set_scanned(self.state() == State::Scanned);
        for action in actions {
            match action {
                Action::Tell(told) => self.told.push_back(told),
                Action::CheckEnd => {
                    let (bus, scene) = (self.pages.bus().clone(), self.session.scene());
                    self.check = Some(Box::pin(async move { bus.read(scene).await }));
                }
                Action::Reopen(claims, ends) => self.reopen(claims, ends),
            }
        }
    }

    fn reopen(&mut self, claims: Claims, ends: Instant) {
        let Some(stays) = &mut self.stays else {
            return self.pages.reopen(claims, Page::default(), ends);
        };
        match (&stays.page, std::mem::replace(&mut stays.known, true)) {
            (None, _) => self.told.push_back(Told::End(End::Expired)),
            (Some(page), true) => self.pages.reopen(claims, page.clone(), ends),
            // It isn't lost, but its page waits longer than others do before it asks for a code.
            (Some(page), false) => self.pages.open_early(claims, page.clone(), ends),
        }
    }
}
