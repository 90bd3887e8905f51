//! One page's feed: it runs the session with the bus, the clock and the drain queue. A transport asks it for the
//! next update, and sends that to the page.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use scenecast_bus::{BusError, Mailbox, Watch};
use scenecast_scene::{
    Claims, Event, EventKind, SceneId, SceneState,
    time::{millis, unix_now},
};
use scenecast_traces::LoginSpan;

use super::{
    handover::{self, SentLogin},
    machine::{Handover, Session, SessionAction, SessionEnd, SessionStart, SessionUpdate},
    messages::ServerMessage,
};
use crate::{
    drain::{DrainClass, DrainTicket},
    refusal::PageRefusal,
    scenes::{OpenRequest, OpenedScene, Visitor},
    state::GatewayState,
};

/// The class in which a page that reconnects waits to be drained.
const RECONNECTING: DrainClass = DrainClass { reconnects: true, scanned: false };

/// A read of the mailbox that is under way.
type MailboxRead = Pin<Box<dyn Future<Output = Result<Option<Mailbox>, BusError>> + Send>>;

/// The updates of one page's scene.
pub(crate) struct SceneFeed {
    state: GatewayState,
    session: Session,
    watch: Watch,
    mailbox_read: Option<MailboxRead>,
    updates: VecDeque<SessionUpdate>,
    ticket: DrainTicket,
    /// How the login came that was sent to the page, if one was.
    sent: Option<Handover>,
    /// What to reopen the scene with. None where the page has no use for a scene that was reopened.
    visitor: Option<Box<Visitor>>,
    /// Whether Redis has ever had the scene, which may be opened later than its page connects.
    was_stored: bool,
}

impl SceneFeed {
    /// Opens a scene and watches it. Also returns what its page shows.
    pub(crate) async fn open(
        state: GatewayState,
        request: &OpenRequest,
        visitor: &Visitor,
    ) -> Result<(Self, OpenedScene), PageRefusal> {
        let (claims, opened, turn) = state.scenes().open(request, visitor).await?;
        let opened_at = Instant::now();
        let watch = Box::pin(state.scenes().bus().watch_unseen(claims.scene)).await;
        let watch = watch.map_err(|error| PageRefusal::for_bus_error(claims.scene, &error))?;
        drop(turn);
        let remaining = Duration::from_secs(opened.expires_in).saturating_sub(opened_at.elapsed());
        let start = SessionStart { claims, state: SceneState::Open, remaining, has_unseen: false, stored: 0 };
        let visitor = Visitor { page: request.page(visitor), ..*visitor };
        Ok((Self::new(state, start, watch, Some(Box::new(visitor)), RECONNECTING), opened))
    }

    /// Watches a scene for a page that shows its key. The feed begins with the event after `after`. If Redis loses
    /// the scene, or has lost it, it is opened again with what is known of the page.
    pub(crate) async fn watch(
        state: GatewayState,
        claims: Claims,
        after: u64,
        visitor: Visitor,
    ) -> Result<Self, PageRefusal> {
        let (watch, mailbox) = watch(&state, claims.scene, after).await?;
        let start = match mailbox {
            Some(mailbox) => {
                if has_login(&mailbox, after) {
                    handover::acknowledged(&state, claims.scene);
                }
                stored_start(claims, &mailbox, after)
            }
            None => {
                let start = unstored_start(claims);
                if start.remaining.is_zero() {
                    return Err(PageRefusal::SceneExpired);
                }
                state.scenes().reopen_lost(start.claims.clone(), visitor.clone(), Instant::now() + start.remaining)?;
                start
            }
        };
        Ok(Self::new(state, start, watch, Some(Box::new(visitor)), RECONNECTING))
    }

    /// Watches a scene, open already or not, for a page that doesn't reconnect. If Redis loses the scene, it is
    /// opened again with what is known of the page. Without a `visitor`, the feed ends then.
    pub(crate) async fn watch_permanently(
        state: GatewayState,
        claims: Claims,
        visitor: Option<Visitor>,
    ) -> Result<Self, BusError> {
        let (watch, mailbox) = state.scenes().bus().watch(claims.scene, 0).await?;
        let was_stored = mailbox.is_some();
        let start = match mailbox {
            Some(mailbox) => stored_start(claims, &mailbox, 0),
            None => unstored_start(claims),
        };
        let feed =
            Self::new(state, start, watch, visitor.map(Box::new), DrainClass { reconnects: false, ..RECONNECTING });
        Ok(Self { was_stored, ..feed })
    }

    fn new(
        state: GatewayState,
        start: SessionStart,
        watch: Watch,
        visitor: Option<Box<Visitor>>,
        class: DrainClass,
    ) -> Self {
        let (session, first) = Session::new(start, Instant::now());
        let ticket = state.drain().join(class);
        let updates = VecDeque::new();
        let mut feed =
            Self { state, session, watch, mailbox_read: None, updates, ticket, sent: None, visitor, was_stored: true };
        feed.act(first);
        feed
    }

    pub(crate) fn scene(&self) -> SceneId {
        self.session.scene()
    }

    /// The scene's state, as far as is known.
    pub(crate) fn state(&self) -> SceneState {
        self.session.state()
    }

    /// What is left of that state's life.
    pub(crate) fn remaining(&self) -> Duration {
        self.session.remaining(Instant::now())
    }

    /// The message with the scene's state, and how often heartbeats follow if they do.
    pub(crate) fn current_state(&self, has_heartbeats: bool) -> ServerMessage<'static> {
        ServerMessage::current_state(self.scene(), self.state(), self.remaining(), has_heartbeats)
    }

    /// The class in which the page waits to be drained.
    pub(crate) fn drain_class(&self) -> DrainClass {
        self.ticket.class()
    }

    /// The next update, or `None` if there is none before `until`. When the page is drained, that is the end,
    /// but updates that wait come first. The future may be dropped without loss.
    pub(crate) async fn next(&mut self, until: Instant) -> Option<SessionUpdate> {
        let state = self.state.clone();
        loop {
            let class = self.drain_class();
            let deadline = self.deadline().map_or(until, |deadline| deadline.min(until));
            tokio::select! {
                biased;
                update = poll_fn(|cx| self.poll_next(cx)) => return Some(update),
                reason = state.drain().released(class) => return Some(SessionUpdate::End(reason.into())),
                () = tokio::time::sleep_until(deadline.into()) => {
                    self.deadline_reached();
                    if deadline == until {
                        return self.updates.pop_front();
                    }
                }
            }
        }
    }

    /// The next update, if there is one. Doesn't watch the clock or the drain queue.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<SessionUpdate> {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Poll::Ready(update);
            }
            let actions = if let Poll::Ready(notice) = self.watch.poll_next(cx) {
                self.session.noticed(notice, Instant::now())
            } else if let Some(read) = &mut self.mailbox_read
                && let Poll::Ready(mailbox) = read.as_mut().poll(cx)
            {
                self.mailbox_read = None;
                self.session.mailbox_read(&mailbox, Instant::now())
            } else {
                return Poll::Pending;
            };
            self.act(actions);
        }
    }

    /// When to call [`SceneFeed::deadline_reached`], for callers of [`SceneFeed::poll_next`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// Has to be called at the deadline, and may be called sooner.
    pub(crate) fn deadline_reached(&mut self) {
        let actions = self.session.deadline_reached(Instant::now());
        self.act(actions);
    }

    /// The login that was sent to the page, if one was.
    pub(crate) fn sent_login(&self) -> Option<SentLogin> {
        SentLogin::new(&self.state, self.scene(), self.sent?)
    }

    /// Sends an event to the page, within the trace of its cause.
    pub(crate) fn send_event<T, E>(
        &mut self,
        event: &Event,
        handover: Option<Handover>,
        send: impl FnOnce(&ServerMessage<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let system = self.state.scenes().bus().messaging_system();
        let span = LoginSpan::of_processing(self.scene(), system, event.traceparent.as_deref());
        let sent = send(&ServerMessage::event(event));
        if sent.is_err() {
            span.fail("gone");
        } else if let Some(handover) = handover {
            span.set("scenecast.handover", <&str>::from(handover));
            self.sent = Some(handover);
            self.login_sent(event, handover, &span);
        }
        sent
    }

    /// See docs/decisions/099-what-a-login-costs-beside-its-work.md.
    fn login_sent(&self, event: &Event, handover: Handover, span: &LoginSpan) {
        let elapsed = unix_now().saturating_sub(Duration::from_millis(event.received_at));
        if handover == Handover::Live {
            self.state.metrics().scan_to_push.observe(elapsed.as_secs_f64(), span.trace_id());
        }
        let handover: &str = handover.into();
        tracing::debug!(scene = %self.scene(), handover, ms = millis(elapsed), "sent a login to its page");
    }

    fn act(&mut self, actions: Vec<SessionAction>) {
        self.ticket.set_scanned(self.state() == SceneState::Scanned);
        for action in actions {
            match action {
                SessionAction::Send(update) => self.updates.push_back(update),
                SessionAction::ReadMailbox => {
                    let bus = self.state.scenes().bus().clone();
                    let scene = self.scene();
                    self.mailbox_read = Some(Box::pin(async move { bus.read(scene).await }));
                }
                SessionAction::Reopen(claims, ends) => self.reopen(claims, ends),
            }
        }
    }

    /// Has the scene opened again. If that is refused, the bus says in its next sweep that the scene is still lost.
    fn reopen(&mut self, claims: Claims, ends: Instant) {
        let scenes = self.state.scenes();
        match self.visitor.as_deref().cloned() {
            None => self.updates.push_back(SessionUpdate::End(SessionEnd::Expired)),
            Some(visitor) if self.was_stored => drop(scenes.reopen_held(claims, visitor.page, ends)),
            // Redis never had it: its page takes longer than others to ask for its code.
            Some(visitor) => self.was_stored = scenes.open_early(claims, visitor, ends).is_ok(),
        }
    }
}

async fn watch(state: &GatewayState, scene: SceneId, after: u64) -> Result<(Watch, Option<Mailbox>), PageRefusal> {
    state.scenes().bus().watch(scene, after).await.map_err(|error| PageRefusal::for_bus_error(scene, &error))
}

/// Whether a page that has seen the events up to `after` has seen its login.
fn has_login(mailbox: &Mailbox, after: u64) -> bool {
    mailbox.events.iter().any(|event| event.seq <= after && matches!(event.what, EventKind::Confirmed(_)))
}

/// The start for a scene that Redis has, and a page that has seen the events up to `after`.
fn stored_start(claims: Claims, mailbox: &Mailbox, after: u64) -> SessionStart {
    let stored = mailbox.events.last().map_or(0, |event| event.seq);
    SessionStart { claims, state: mailbox.state, remaining: mailbox.remaining, has_unseen: stored > after, stored }
}

/// The start for a scene that Redis doesn't have.
fn unstored_start(claims: Claims) -> SessionStart {
    let remaining = claims.remaining(SystemTime::now());
    SessionStart { claims, state: SceneState::Open, remaining, has_unseen: false, stored: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<'a, F: Future>(_: fn(GatewayState, &'a OpenRequest, &'a Visitor) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_page_that_waits_for_its_turn_is_small() {
        let size = size_of_future(SceneFeed::open);
        assert!(size <= 704, "{size} bytes a page");
    }
}
