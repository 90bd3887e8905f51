//! This process's watchers, by scene.
//!
//! A watcher that is catching up has live events put aside until its mailbox has been read, so
//! that it gets all of them, once, in order. It catches up from its beginning, and again whenever
//! events may have been lost. Only a read that began after that, and while the scene was
//! subscribed, has all that was missed: [`Moment`]s tell.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use dashmap::{DashMap, Entry};
use tokio::sync::oneshot;

use super::{
    Mailbox,
    inbox::{Inbox, Notice},
};
use crate::scene::{Event, SceneId};

/// What may have been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Subscriptions: with their connection, or to a server that they don't belong to any more.
    Subscriptions,
    /// Messages, though the subscriptions stand.
    Messages,
}

/// A place in the order of what happens to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

/// The map of watchers. Clones are the same one.
#[derive(Clone)]
pub(super) struct Hub(Arc<Inner>);

struct Inner {
    scenes: DashMap<SceneId, Watched>,
    clock: AtomicU64,
    /// Whether some may have been catching up for long.
    in_doubt: AtomicBool,
    /// Told of each scene that gets its first watcher or loses its last.
    changed: Box<dyn Fn(SceneId) + Send + Sync>,
}

struct Watched {
    watchers: Vec<Arc<Watcher>>,
    subscription: Subscription,
    /// When it was last without a subscription: what was asked for before is worth nothing.
    unsubscribed: Moment,
}

enum Subscription {
    /// Not in effect yet; these wait for it.
    Asked(Vec<oneshot::Sender<()>>),
    InEffect {
        since: Moment,
    },
}

impl Default for Subscription {
    fn default() -> Self {
        Self::Asked(vec![])
    }
}

struct Watcher(Mutex<Inbox>);

impl Watched {
    fn new(now: Moment) -> Self {
        Self { watchers: vec![], subscription: Subscription::default(), unsubscribed: now }
    }

    /// Whether a read that began at this moment has all that came before the subscription.
    fn is_covered_by(&self, read: Moment) -> bool {
        matches!(self.subscription, Subscription::InEffect { since } if since <= read)
    }
}

impl Watcher {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        // No code that holds the lock panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// An empty one that tells `changed` of each scene that gets its first watcher or loses its
    /// last. It is called with the scene locked: what [`Hub::watches`] says afterwards is newer.
    pub(super) fn new(changed: impl Fn(SceneId) + Send + Sync + 'static) -> Self {
        let (scenes, clock, in_doubt) = (DashMap::new(), AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { scenes, clock, in_doubt, changed: Box::new(changed) }))
    }

    pub(super) fn held(&self) -> usize {
        self.0.scenes.len()
    }

    pub(super) fn scenes(&self) -> Vec<SceneId> {
        self.0.scenes.iter().map(|entry| *entry.key()).collect()
    }

    /// The scenes whose subscription is in effect.
    pub(super) fn subscribed(&self) -> Vec<SceneId> {
        let in_effect = |watched: &Watched| matches!(watched.subscription, Subscription::InEffect { .. });
        self.0.scenes.iter().filter(|entry| in_effect(entry)).map(|entry| *entry.key()).collect()
    }

    pub(super) fn watches(&self, scene: SceneId) -> bool {
        self.0.scenes.contains_key(&scene)
    }

    /// The present moment: to be noted before a read or a subscribe begins.
    pub(super) fn now(&self) -> Moment {
        Moment(self.0.clock.load(Ordering::SeqCst))
    }

    /// A moment later than any that was noted.
    fn tick(&self) -> Moment {
        Moment(self.0.clock.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// A new watcher, catching up; the receiver is told when its subscription is in effect.
    pub(super) fn watch(&self, scene: SceneId, after: u64) -> (Watch, oneshot::Receiver<()>) {
        let (confirm, confirmed) = oneshot::channel();
        let mut watched = match self.0.scenes.entry(scene) {
            Entry::Occupied(entry) => entry.into_ref(),
            Entry::Vacant(entry) => {
                (self.0.changed)(scene);
                entry.insert(Watched::new(self.tick()))
            }
        };
        let watcher = Arc::new(Watcher(Mutex::new(Inbox::new(after, self.tick()))));
        watched.watchers.push(watcher.clone());
        match &mut watched.subscription {
            Subscription::Asked(waiting) => waiting.push(confirm),
            // The receiver is in our hand.
            Subscription::InEffect { .. } => confirm.send(()).unwrap_or_default(),
        }
        drop(watched);
        (Watch { scene, watcher, hub: self.clone() }, confirmed)
    }

    /// Redis has confirmed the subscription that was asked for at this moment. If the scene has lost it
    /// since, that is worth nothing.
    pub(super) fn confirm(&self, scene: SceneId, asked: Moment) {
        let Some(mut watched) = self.0.scenes.get_mut(&scene) else { return };
        if asked < watched.unsubscribed {
            return;
        }
        if let Subscription::Asked(waiting) = &mut watched.subscription {
            let waiting = std::mem::take(waiting);
            watched.subscription = Subscription::InEffect { since: self.tick() };
            for confirm in waiting {
                // Whoever gave up waiting isn't there to be told.
                let _ = confirm.send(());
            }
        }
    }

    /// A live event.
    pub(super) fn ring(&self, scene: SceneId, event: &Arc<Event>) {
        if let Some(watched) = self.0.scenes.get(&scene) {
            for watcher in &watched.watchers {
                watcher.inbox().ring(event);
            }
        }
    }

    /// Events of these scenes may have been lost: from now on every watcher of theirs waits for its mailbox
    /// to be read. Answers which scenes that are.
    pub(super) fn lost(&self, loss: Loss, concerns: impl Fn(SceneId) -> bool) -> Vec<SceneId> {
        let now = self.tick();
        self.0.in_doubt.store(true, Ordering::SeqCst);
        let mut concerned = vec![];
        for mut entry in self.0.scenes.iter_mut().filter(|entry| concerns(*entry.key())) {
            concerned.push(*entry.key());
            let watched = entry.value_mut();
            if loss == Loss::Subscriptions {
                watched.unsubscribed = now;
                if !matches!(watched.subscription, Subscription::Asked(_)) {
                    watched.subscription = Subscription::default();
                }
            }
            for watcher in &watched.watchers {
                watcher.inbox().begin_catch_up(now);
            }
        }
        concerned
    }

    /// Tells the watchers that have been catching up since this was called last that nobody can say for now
    /// what happens to their scenes.
    pub(super) fn tell_of_doubt(&self) {
        if !self.0.in_doubt.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut in_doubt = false;
        for watched in &self.0.scenes {
            for watcher in &watched.watchers {
                in_doubt |= watcher.inbox().look();
            }
        }
        self.0.in_doubt.fetch_or(in_doubt, Ordering::SeqCst);
    }

    /// The mailbox of this scene is about to be read: live events wait for it, so that none that comes by a
    /// subscription just restored overtakes one that was missed.
    pub(super) fn begin_catch_up(&self, scene: SceneId) {
        let now = self.now();
        for watcher in self.0.scenes.get(&scene).iter().flat_map(|watched| &watched.watchers) {
            watcher.inbox().begin_catch_up(now);
        }
    }

    /// The mailbox of this scene, from a read that began at this moment.
    pub(super) fn caught_up(&self, scene: SceneId, read: Moment, mailbox: Option<&Mailbox>) {
        let watched = self.0.scenes.get(&scene);
        for watcher in
            watched.iter().filter(|watched| watched.is_covered_by(read)).flat_map(|watched| &watched.watchers)
        {
            let mut inbox = watcher.inbox();
            if inbox.caught_up(read, mailbox) && mailbox.is_none() {
                inbox.put(Notice::Lost);
            }
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({} scenes)", self.held())
    }
}

/// One watcher's events. Dropping it ends the watch, and no other watcher's of the same scene.
pub struct Watch {
    scene: SceneId,
    watcher: Arc<Watcher>,
    hub: Hub,
}

impl Watch {
    /// The next notice; waits for ever if there is none. May be dropped half-way without loss.
    pub async fn next(&mut self) -> Notice {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next notice, if there is one already.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Notice> {
        self.watcher.inbox().poll_next(cx)
    }

    /// The mailbox that was read for this watcher alone, which is told by other means if there is
    /// none.
    pub(super) fn caught_up(&self, read: Moment, mailbox: Option<&Mailbox>) {
        let watched = self.hub.0.scenes.get(&self.scene);
        if watched.is_some_and(|watched| watched.is_covered_by(read)) {
            self.watcher.inbox().caught_up(read, mailbox);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.hub.0.scenes.entry(self.scene) {
            let watched = entry.get_mut();
            watched.watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
            if watched.watchers.is_empty() {
                (self.hub.0.changed)(self.scene);
                entry.remove();
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.scene)
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
