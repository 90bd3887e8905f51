//! A scene, followed to its end, whatever carries it to its page.
//!
//! These pages mostly don't come back when their connection ends. So it doesn't end because Redis is
//! away: what can't be watched yet is watched later.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use scenecast_shared::{
    bus::{Notice, Watch},
    scene::{Claims, Event, Happening, Login, Page, State},
};

use super::flow::Flow;
use crate::{pages::push_span, session::Handover};

/// How soon Redis is asked again when it gives no answer, …
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// … and for how long after what should be the scene's end.
const ASK_FOR: Duration = Duration::from_secs(30);

/// What a page can be told of its scene.
pub(super) enum Told {
    /// Somebody scanned, and has yet to confirm.
    Scanned,
    /// Somebody logged in.
    LoggedIn(Box<Arrived>),
    /// Nobody will log in any more.
    Over,
}

/// A login that has come to its page's pod.
pub(super) struct Arrived {
    pub(super) login: Login,
    event: Arc<Event>,
    handover: Handover,
}

/// One page's scene.
pub(super) struct Following {
    flow: Flow,
    claims: Claims,
    page: Box<Page>,
    watch: Option<Watch>,
    /// When to look whether it has ended.
    ends: Instant,
    /// Whether it has been seen in Redis.
    known: bool,
    redeemed: bool,
    /// The highest `seq` in the mailbox at the beginning: what is told up to it is late.
    stored: u64,
}

impl Following {
    /// Of this scene; its page is kept for the case that Redis loses it.
    pub(super) fn new(flow: &Flow, claims: Claims, page: Page) -> Self {
        Self {
            flow: flow.clone(),
            ends: Instant::now() + claims.remaining(SystemTime::now()),
            claims,
            page: Box::new(page),
            watch: None,
            known: false,
            redeemed: false,
            stored: 0,
        }
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Told {
        loop {
            let Some(watch) = &mut self.watch else {
                if Box::pin(self.begin()).await {
                    continue;
                }
                return Told::Over;
            };
            let notice = tokio::select! {
                notice = watch.next() => Some(notice),
                () = tokio::time::sleep_until(self.ends.into()) => None,
            };
            match notice {
                Some(Notice::Event(event)) => return self.told(event),
                Some(Notice::Lost) if self.reopens() => {}
                None if Box::pin(self.goes_on()).await => {}
                Some(Notice::Lost) | None => return Told::Over,
            }
        }
    }

    fn told(&mut self, event: Arc<Event>) -> Told {
        self.known = true;
        match &event.what {
            Happening::Scanned(_) => Told::Scanned,
            Happening::Confirmed(login) => {
                let handover = match event.seq > self.stored {
                    true => Handover::Live,
                    false if self.redeemed => Handover::Again,
                    false => Handover::Late,
                };
                Told::LoggedIn(Box::new(Arrived { login: login.clone(), event, handover }))
            }
            Happening::Declined | Happening::Cancelled => Told::Over,
        }
    }

    /// Begins to watch, as soon as that is possible; answers whether there is anything to wait for.
    async fn begin(&mut self) -> bool {
        loop {
            match self.flow.pages().bus().watch(self.claims.scene, 0).await {
                Ok((watch, mailbox)) => {
                    let Some(mailbox) = mailbox else {
                        self.watch = Some(watch);
                        return true;
                    };
                    self.known = true;
                    self.redeemed = mailbox.state == State::Redeemed;
                    self.stored = mailbox.events.last().map_or(0, |event| event.seq);
                    self.ends = Instant::now() + mailbox.remaining;
                    self.watch = Some(watch);
                    return !matches!(mailbox.state, State::Declined | State::Cancelled | State::Expired);
                }
                Err(error) => {
                    tracing::debug!(%error, "a scene can't be watched yet");
                    if Instant::now() > self.ends + ASK_FOR {
                        return false;
                    }
                    tokio::time::sleep(ASK_AGAIN.mul_f32(rand::random_range(0.5..1.5))).await;
                }
            }
        }
    }

    /// The mailbox at what should be the end: our clock and Redis's may differ, and the login may have
    /// come at the last moment.
    async fn goes_on(&mut self) -> bool {
        let now = Instant::now();
        match self.flow.pages().bus().read(self.claims.scene).await {
            Ok(Some(mailbox)) if !mailbox.remaining.is_zero() && mailbox.state != State::Expired => {
                self.ends = now + mailbox.remaining;
                true
            }
            Ok(_) => false,
            Err(_) if self.claims.remaining(SystemTime::now() - ASK_FOR).is_zero() => false,
            Err(_) => {
                self.ends = now + ASK_AGAIN;
                true
            }
        }
    }

    /// Has the scene opened, which Redis doesn't have; answers whether there is time left for that. It
    /// was lost, or its page waits longer than others do before it asks for a code: then its code will
    /// find it open.
    fn reopens(&mut self) -> bool {
        let now = Instant::now();
        let can = self.ends > now && self.flow.can_reopen();
        if can {
            let was_there = std::mem::replace(&mut self.known, true);
            self.flow.pages().reopen(&self.claims, (*self.page).clone(), self.ends, was_there);
        }
        can
    }

    /// Hands a login over by `send`, and counts it once that has worked.
    pub(super) fn hand_over<E>(&self, arrived: &Arrived, send: impl FnOnce(&Login) -> Result<(), E>) -> Result<(), E> {
        let push = push_span(self.claims.scene, &arrived.event);
        let _entered = push.enter();
        send(&arrived.login)?;
        self.flow.pages().handed_over(self.claims.scene, &arrived.event, arrived.handover);
        Ok(())
    }
}
