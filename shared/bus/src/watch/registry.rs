//! This process's watchers, by scene.
//!
//! A watcher that is catching up has its live events held back until its mailbox has been read: so it gets all
//! events, once, in order. It catches up when it begins (unless nobody can have seen its scene's code yet), and again whenever
//! events may have been lost. Only a read
//! that began after that, and while the scene was subscribed, has everything that was missed. [`LogicalTime`] tells.
//!
//! ```text
//!              watch()                      confirm_subscription()
//!   (nobody) ──────────▶ Pending ───────────────────────────────────▶ Active { since }
//!                           ▲                                            │
//!                           └──────────── mark_lost(Subscriptions) ──────┘
//!   A read counts if it began at `since` or later, and not before its watcher began to catch up.
//! ```
//!
//! See docs/decisions/011-after-any-possible-loss-the-mailbox-is-read.md.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use dashmap::{DashMap, Entry};
use parking_lot::Mutex;
use scenecast_redis::{Slot, Slots};
use scenecast_scene::{Event, SceneId};
use tokio::sync::oneshot;

use crate::{
    mailbox::Mailbox,
    redis::scene_name::SceneName,
    watch::{
        inbox::{Inbox, Notice},
        logical_time::{LogicalClock, LogicalTime},
    },
};

/// What may have been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Subscriptions: their connection ended, or their slot has another primary.
    Subscriptions,
    /// Messages, while the subscriptions stayed.
    Messages,
}

/// The map of watchers. Clones are the same one.
#[derive(Clone)]
pub(crate) struct WatcherRegistry(Arc<RegistryState>);

struct RegistryState {
    scenes: DashMap<SceneId, WatchedScene>,
    clock: LogicalClock,
    /// Whether a watcher may be catching up: while none is, no watcher has to be checked for staleness.
    may_be_stale: AtomicBool,
    /// How many inspections have begun.
    inspections: AtomicU32,
    /// Called with each scene that gets its first watcher or loses its last.
    on_change: Box<dyn Fn(SceneId) + Send + Sync>,
}

struct WatchedScene {
    watchers: Vec<Arc<Watcher>>,
    subscription: Subscription,
    /// When it last had no subscription: a confirmation of a subscribe that was sent before that is ignored.
    unsubscribed_at: LogicalTime,
    last_read: LastRead,
    slot: Slot,
}

/// The last read of a scene's mailbox, or what stands in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRead {
    pub(crate) outcome: ReadOutcome,
    /// During which inspection it was, by [`WatcherRegistry::begin_inspection`].
    pub(crate) inspection: u32,
}

/// What is known of a scene's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// Redis has it, or it is about to be read.
    Found,
    /// Redis didn't have the scene.
    Missing,
    /// It wasn't read, since the scene was opened a moment before.
    Presumed,
}

impl ReadOutcome {
    fn of(mailbox: Option<&Mailbox>) -> Self {
        if mailbox.is_some() { Self::Found } else { Self::Missing }
    }
}

enum Subscription {
    /// Not confirmed yet. These receivers wait for the confirmation.
    Pending(Vec<oneshot::Sender<()>>),
    Active {
        since: LogicalTime,
    },
}

impl Default for Subscription {
    fn default() -> Self {
        Self::Pending(vec![])
    }
}

struct Watcher(Mutex<Inbox>);

impl WatchedScene {
    fn new(slot: Slot, now: LogicalTime, inspection: u32) -> Self {
        let last_read = LastRead { outcome: ReadOutcome::Found, inspection };
        Self { watchers: vec![], subscription: Subscription::default(), unsubscribed_at: now, last_read, slot }
    }

    /// Whether a read that began at this time has all events from before the subscription.
    fn is_covered_by(&self, read_at: LogicalTime) -> bool {
        matches!(self.subscription, Subscription::Active { since } if since <= read_at)
    }
}

impl WatcherRegistry {
    /// An empty registry. It calls `on_change` with each scene that gets its first watcher or loses its last. The scene
    /// is locked during the call, so [`WatcherRegistry::is_watched`] answers afterwards with a state as new or newer.
    pub(crate) fn new(on_change: impl Fn(SceneId) + Send + Sync + 'static) -> Self {
        Self(Arc::new(RegistryState {
            scenes: DashMap::new(),
            clock: LogicalClock::default(),
            may_be_stale: AtomicBool::new(false),
            inspections: AtomicU32::new(0),
            on_change: Box::new(on_change),
        }))
    }

    pub(crate) fn watched_scenes(&self) -> usize {
        self.0.scenes.len()
    }

    /// Begins the next inspection, and returns its number.
    pub(crate) fn begin_inspection(&self) -> u32 {
        self.0.inspections.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    fn inspection(&self) -> u32 {
        self.0.inspections.load(Ordering::Relaxed)
    }

    /// Whether the scene was opened a moment ago and hasn't been read since.
    pub(crate) fn is_presumed(&self, scene: SceneId) -> bool {
        self.0.scenes.get(&scene).is_some_and(|watched| watched.last_read.outcome == ReadOutcome::Presumed)
    }

    /// The scene's mailbox can't be read, now or later. It is left alone for as long as one that was read.
    pub(crate) fn leave_unread(&self, scene: SceneId) {
        if let Some(mut watched) = self.0.scenes.get_mut(&scene) {
            watched.last_read = LastRead { outcome: ReadOutcome::Missing, inspection: self.inspection() };
        }
    }

    /// The scenes that are due by their slots and last reads.
    pub(crate) fn scenes_due(&self, is_due: impl Fn(Slot, LastRead) -> bool) -> Vec<SceneId> {
        self.0.scenes.iter().filter(|entry| is_due(entry.slot, entry.last_read)).map(|entry| *entry.key()).collect()
    }

    /// How many scenes of these slots have a confirmed subscription.
    pub(crate) fn count_subscribed(&self, slots: &Slots) -> usize {
        let is_active = |scene: &WatchedScene| matches!(scene.subscription, Subscription::Active { .. });
        self.0.scenes.iter().filter(|entry| slots.contains(entry.slot) && is_active(entry)).count()
    }

    pub(crate) fn is_watched(&self, scene: SceneId) -> bool {
        self.0.scenes.contains_key(&scene)
    }

    /// The present time: to be noted before a read or a subscribe begins.
    pub(crate) fn now(&self) -> LogicalTime {
        self.0.clock.now()
    }

    /// A new watcher, catching up. The receiver is told when its subscription is confirmed.
    pub(crate) fn watch(&self, scene: SceneId, after: u64) -> (Watch, oneshot::Receiver<()>) {
        let (confirm, confirmed) = oneshot::channel();
        let mut watched = match self.0.scenes.entry(scene) {
            Entry::Occupied(entry) => entry.into_ref(),
            Entry::Vacant(entry) => {
                (self.0.on_change)(scene);
                let slot = SceneName(scene).slot();
                entry.insert(WatchedScene::new(slot, self.0.clock.tick(), self.inspection()))
            }
        };
        let watcher = Arc::new(Watcher(Mutex::new(Inbox::new(after, self.0.clock.tick()))));
        // Most scenes have one watcher, and a vector begins with room for four.
        watched.watchers.reserve_exact(1);
        watched.watchers.push(watcher.clone());
        match &mut watched.subscription {
            Subscription::Pending(waiting) => waiting.push(confirm),
            Subscription::Active { .. } => {
                // It can't fail: the receiver is still here.
                let _ = confirm.send(());
            }
        }
        drop(watched);
        (Watch { scene, watcher, registry: self.clone() }, confirmed)
    }

    /// Redis has confirmed the subscribe that was sent at this time. If the scene has lost its subscription since
    /// then, the confirmation is ignored.
    pub(crate) fn confirm_subscription(&self, scene: SceneId, sent_at: LogicalTime) {
        let Some(mut watched) = self.0.scenes.get_mut(&scene) else { return };
        if sent_at < watched.unsubscribed_at {
            return;
        }
        if let Subscription::Pending(waiting) = &mut watched.subscription {
            let waiting = std::mem::take(waiting);
            watched.subscription = Subscription::Active { since: self.0.clock.tick() };
            for confirm in waiting {
                // It fails where the watcher has given up waiting.
                let _ = confirm.send(());
            }
        }
    }

    /// Hands a live event to the scene's watchers.
    pub(crate) fn deliver(&self, scene: SceneId, event: &Arc<Event>) {
        if let Some(watched) = self.0.scenes.get(&scene) {
            for watcher in &watched.watchers {
                watcher.0.lock().deliver(event);
            }
        }
    }

    /// Events of these scenes may have been lost: from now on their watchers wait for a mailbox that is read later.
    /// Returns the scenes.
    pub(crate) fn mark_lost(&self, loss: Loss, concerns: impl Fn(SceneId) -> bool) -> Vec<SceneId> {
        let now = self.0.clock.tick();
        self.0.may_be_stale.store(true, Ordering::SeqCst);
        let mut lost = vec![];
        for mut entry in self.0.scenes.iter_mut().filter(|entry| concerns(*entry.key())) {
            lost.push(*entry.key());
            let watched = entry.value_mut();
            if loss == Loss::Subscriptions {
                watched.unsubscribed_at = now;
                if !matches!(watched.subscription, Subscription::Pending(_)) {
                    watched.subscription = Subscription::default();
                }
            }
            for watcher in &watched.watchers {
                watcher.0.lock().begin_catch_up(now);
            }
        }
        lost
    }

    /// Tells the watchers that were catching up at the last call already, and still are, that they are interrupted.
    pub(crate) fn notify_stale_watchers(&self) {
        if !self.0.may_be_stale.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut any_is_catching_up = false;
        for watched in &self.0.scenes {
            for watcher in &watched.watchers {
                any_is_catching_up |= watcher.0.lock().check_staleness();
            }
        }
        self.0.may_be_stale.fetch_or(any_is_catching_up, Ordering::SeqCst);
    }

    /// Mailboxes can't be read now: watchers that wait for theirs have to be told if that lasts.
    pub(crate) fn expect_staleness(&self) {
        self.0.may_be_stale.store(true, Ordering::SeqCst);
    }

    /// The mailbox of this scene is about to be read. Live events wait for it, so that an event of a subscription
    /// just restored doesn't overtake one that was missed.
    pub(crate) fn begin_catch_up(&self, scene: SceneId) {
        let now = self.now();
        if let Some(watched) = self.0.scenes.get(&scene) {
            for watcher in &watched.watchers {
                watcher.0.lock().begin_catch_up(now);
            }
        }
    }

    /// Hands over the mailbox of this scene, from a read that began at this time; `None` if Redis doesn't have the
    /// scene.
    pub(crate) fn complete_catch_up(&self, scene: SceneId, read_at: LogicalTime, mailbox: Option<&Mailbox>) {
        let Some(mut watched) = self.0.scenes.get_mut(&scene) else { return };
        if !watched.is_covered_by(read_at) {
            return;
        }
        watched.last_read = LastRead { outcome: ReadOutcome::of(mailbox), inspection: self.inspection() };
        for watcher in &watched.watchers {
            let mut inbox = watcher.0.lock();
            if inbox.complete_catch_up(read_at, mailbox) && mailbox.is_none() {
                inbox.push(Notice::SceneLost);
            }
        }
    }
}

impl fmt::Debug for WatcherRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WatcherRegistry({} scenes)", self.watched_scenes())
    }
}

/// One watcher's events. Dropping it ends this watch. Other watchers of the same scene stay.
pub struct Watch {
    scene: SceneId,
    watcher: Arc<Watcher>,
    registry: WatcherRegistry,
}

impl Watch {
    /// The next notice; waits for ever if there is none. Cancel safe: dropping the future loses nothing.
    pub async fn next(&mut self) -> Notice {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The next notice, if there is one already.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Notice> {
        self.watcher.0.lock().poll_next(cx)
    }

    /// Hands over the mailbox that was read for this watcher alone. If there is none, the caller knows it already, so
    /// there is no [`Notice::SceneLost`].
    pub(crate) fn complete_catch_up(&self, read_at: LogicalTime, mailbox: Option<&Mailbox>) {
        self.end_catch_up(read_at, mailbox, ReadOutcome::of(mailbox));
    }

    /// Ends the catch-up without a read: since this time the scene is subscribed, and nothing had happened to it before.
    /// The next inspection reads it.
    pub(crate) fn presume_unchanged(&self, since: LogicalTime) {
        self.end_catch_up(since, None, ReadOutcome::Presumed);
    }

    fn end_catch_up(&self, read_at: LogicalTime, mailbox: Option<&Mailbox>, outcome: ReadOutcome) {
        let Some(mut watched) = self.registry.0.scenes.get_mut(&self.scene) else { return };
        if watched.is_covered_by(read_at) {
            watched.last_read = LastRead { outcome, inspection: self.registry.inspection() };
            self.watcher.0.lock().complete_catch_up(read_at, mailbox);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.registry.0.scenes.entry(self.scene) {
            let watched = entry.get_mut();
            watched.watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher));
            if watched.watchers.is_empty() {
                (self.registry.0.on_change)(self.scene);
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
#[path = "registry_tests.rs"]
mod tests;
