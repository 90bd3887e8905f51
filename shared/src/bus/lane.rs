//! What one primary is asked for on behalf of the watchers: subscriptions and mailboxes, chunk by chunk.

use std::{collections::HashSet, time::Duration};

use prometheus::IntCounterVec;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};

use super::{
    BusError,
    hub::Loss,
    redis::{Name, RedisBus},
};
use crate::{
    redis::{Node, Subscriber},
    scene::SceneId,
};

/// Subscribes and mailboxes that are asked for at a time.
const CHUNK: usize = 512;
/// How soon what failed is tried again; twice as long each time it fails again.
const SOON: Duration = Duration::from_millis(50);
/// The longest that it is put off.
const LATE: Duration = Duration::from_secs(1);

/// What a lane is given to do.
pub(super) enum Work {
    /// These scenes have got their first watcher or lost their last, maybe several times.
    Changed(Vec<SceneId>),
    /// Events of these scenes may have been lost.
    Lost(Vec<SceneId>),
    /// Nothing is known to be wrong with these.
    Sweep(Vec<SceneId>),
    /// So many are thought to be subscribed here, by all that this lane was given before.
    Count(usize),
}

/// One primary's lane.
pub(super) struct Lane {
    bus: RedisBus,
    subscriber: Subscriber,
    primary: Node,
    /// Scenes that have to be subscribed, and then their mailboxes read.
    owed: Vec<SceneId>,
    /// Scenes that are subscribed, and their mailboxes still have to be read.
    unread: Vec<SceneId>,
    /// When that goes on, after something failed.
    not_before: Instant,
    /// How long the next failure puts it off.
    pause: Duration,
    /// Counts catch-ups by their cause.
    counted: IntCounterVec,
}

/// What came of asking for something on behalf of several scenes.
struct Outcome {
    done: Vec<SceneId>,
    failed: Vec<SceneId>,
    /// Why they failed.
    why: Option<String>,
}

impl Outcome {
    fn of(asked: usize) -> Self {
        Self { done: Vec::with_capacity(asked), failed: vec![], why: None }
    }

    fn fails(&mut self, scene: SceneId, why: &impl ToString) {
        self.failed.push(scene);
        self.why.get_or_insert_with(|| why.to_string());
    }
}

impl Lane {
    pub(super) fn new(bus: RedisBus, subscriber: Subscriber, primary: Node, counted: IntCounterVec) -> Self {
        let (not_before, [owed, unread]) = (Instant::now(), [const { vec![] }; 2]);
        Self { bus, subscriber, primary, owed, unread, not_before, pause: SOON, counted }
    }

    /// What is owed is worked off chunk by chunk, with other work between.
    pub(super) async fn run(mut self, mut works: UnboundedReceiver<Work>) {
        let mut given = Vec::with_capacity(CHUNK);
        loop {
            tokio::select! {
                some = works.recv_many(&mut given, CHUNK) => {
                    if some == 0 {
                        return;
                    }
                    self.take(given.drain(..)).await;
                }
                () = sleep_until(self.next()), if !self.is_done() => self.catch_up().await,
            }
        }
    }

    fn is_done(&self) -> bool {
        self.owed.is_empty() && self.unread.is_empty()
    }

    /// When it goes on. What is subscribed doesn't wait for what couldn't be.
    fn next(&self) -> Instant {
        if self.unread.is_empty() { self.not_before } else { Instant::now() }
    }

    async fn take(&mut self, works: impl Iterator<Item = Work>) {
        let mut changed = HashSet::new();
        for work in works {
            match work {
                Work::Changed(scenes) => changed.extend(scenes),
                Work::Lost(scenes) => {
                    self.owe(scenes);
                    (self.not_before, self.pause) = (Instant::now(), SOON);
                }
                Work::Sweep(scenes) => self.owe(scenes),
                Work::Count(expected) => {
                    self.follow(std::mem::take(&mut changed)).await;
                    self.count(expected).await;
                }
            }
        }
        self.follow(changed).await;
    }

    /// Finds out whether subscriptions have ended without a word.
    async fn count(&mut self, expected: usize) {
        if self.subscriber.count(&self.primary).await.is_some_and(|subscribed| subscribed < expected) {
            tracing::warn!(primary = %self.primary, "subscriptions have ended without a word; subscribing again");
            self.counted.with_label_values(&["vanished"]).inc();
            self.owe(self.bus.hub.lost(Loss::Subscriptions, |scene| self.is_ours(scene)));
        }
    }

    fn owe(&mut self, scenes: Vec<SceneId>) {
        self.owed.extend(scenes);
        self.owed.sort_unstable();
        self.owed.dedup();
    }

    /// Subscribes to those that are watched now, and to no other.
    async fn follow(&mut self, changed: HashSet<SceneId>) {
        // What counts is how it is now, not in which turns: a page that comes back at once must not
        // be unsubscribed after the subscription of its old watch was taken for that of its new one.
        let changed: Vec<_> = changed.into_iter().filter(|scene| self.is_ours(*scene)).collect();
        for chunk in changed.chunks(CHUNK) {
            let (watched, left): (Vec<_>, Vec<_>) = chunk.iter().partition(|scene| self.bus.hub.watches(**scene));
            self.subscriber.unsubscribe(&self.primary, names(&left)).await;
            let subscribed = self.subscribe(watched).await;
            self.note(subscribed);
        }
    }

    /// Subscribes to these scenes.
    async fn subscribe(&self, scenes: Vec<SceneId>) -> Outcome {
        let (asked, mut came_of) = (self.bus.hub.now(), Outcome::of(scenes.len()));
        let outcomes = self.subscriber.subscribe(&self.primary, &names(&scenes).collect::<Vec<_>>()).await;
        for (scene, outcome) in scenes.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.bus.hub.confirm(scene, asked);
                    came_of.done.push(scene);
                }
                Err(error) => came_of.fails(scene, &error),
            }
        }
        came_of
    }

    /// Reads the mailboxes of these scenes.
    async fn read(&self, scenes: Vec<SceneId>) -> Outcome {
        let (began, mut came_of) = (self.bus.hub.now(), Outcome::of(scenes.len()));
        let mailboxes = self.bus.read_all(&scenes).await;
        for (scene, mailbox) in scenes.into_iter().zip(mailboxes) {
            match mailbox {
                Ok(mailbox) => {
                    self.bus.hub.caught_up(scene, began, mailbox.as_ref());
                    came_of.done.push(scene);
                }
                Err(BusError::Undecided(why)) => came_of.fails(scene, &why),
                Err(error) => tracing::error!(%scene, %error, "a mailbox can't be read"),
            }
        }
        came_of
    }

    /// Answers those for which all went well; the others are owed.
    fn note(&mut self, came_of: Outcome) -> Vec<SceneId> {
        self.owed.extend(came_of.failed);
        if let Some(why) = came_of.why {
            self.put_off(&why);
        }
        came_of.done
    }

    /// Subscribes to the next chunk of what is owed, while the mailboxes of the one before are read.
    async fn catch_up(&mut self) {
        let at_a_time = if self.not_before <= Instant::now() { CHUNK } else { 0 };
        let mut chunk = self.owed.split_off(self.owed.len().saturating_sub(at_a_time));
        chunk.retain(|scene| self.bus.hub.watches(*scene) && self.is_ours(*scene));
        chunk.sort_unstable();
        chunk.dedup();
        for scene in &chunk {
            self.bus.hub.begin_catch_up(*scene);
        }
        let mut unread = std::mem::take(&mut self.unread);
        // What is subscribed anew is read after that: what it missed until then would be found by no other read.
        unread.retain(|scene| chunk.binary_search(scene).is_err());
        let (subscribed, read) = tokio::join!(self.subscribe(chunk), self.read(unread));
        self.note(read);
        self.unread = self.note(subscribed);
        if self.is_done() {
            (self.owed, self.pause) = (vec![], SOON);
        }
    }

    /// Whether the scene's slot still belongs to this primary. If not, the lane of the one that it belongs to
    /// has been told, or will be.
    fn is_ours(&self, scene: SceneId) -> bool {
        self.subscriber.primary(&Name(scene).to_string()).as_ref() == Some(&self.primary)
    }

    fn put_off(&mut self, why: &str) {
        if self.not_before > Instant::now() {
            return;
        }
        tracing::debug!(primary = %self.primary, why, "couldn't subscribe or read mailboxes; trying again");
        self.not_before = Instant::now() + self.pause;
        self.pause = (2 * self.pause).min(LATE);
    }
}

fn names(scenes: &[SceneId]) -> impl Iterator<Item = String> + '_ {
    scenes.iter().map(|scene| Name(*scene).to_string())
}
