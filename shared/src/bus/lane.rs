//! What one primary is asked for on behalf of the watchers: subscriptions and mailboxes, chunk by chunk.

use std::{collections::HashSet, fmt::Display, time::Duration};

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
    /// Scenes that have to be subscribed, and their mailboxes read.
    owed: Vec<SceneId>,
    /// When that goes on, after something failed.
    not_before: Instant,
    /// How long the next failure puts it off.
    pause: Duration,
    /// Counts catch-ups by their cause.
    counted: IntCounterVec,
}

impl Lane {
    pub(super) fn new(bus: RedisBus, subscriber: Subscriber, primary: Node, counted: IntCounterVec) -> Self {
        Self { bus, subscriber, primary, owed: vec![], not_before: Instant::now(), pause: SOON, counted }
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
                () = sleep_until(self.not_before), if !self.owed.is_empty() => self.catch_up().await,
            }
        }
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
            self.subscribe(watched).await;
        }
    }

    /// Subscribes to these scenes, and answers those for which that is confirmed; the others are owed.
    async fn subscribe(&mut self, scenes: Vec<SceneId>) -> Vec<SceneId> {
        let asked = self.bus.hub.now();
        let outcomes = self.subscriber.subscribe(&self.primary, &names(&scenes).collect::<Vec<_>>()).await;
        let mut subscribed = Vec::with_capacity(scenes.len());
        let mut failed = None;
        for (scene, outcome) in scenes.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.bus.hub.confirm(scene, asked);
                    subscribed.push(scene);
                }
                Err(error) => {
                    self.owed.push(scene);
                    failed = Some(error);
                }
            }
        }
        if let Some(error) = failed {
            self.put_off(error);
        }
        subscribed
    }

    /// Subscribes to the next chunk of what is owed, and reads its mailboxes.
    async fn catch_up(&mut self) {
        let mut chunk = self.owed.split_off(self.owed.len().saturating_sub(CHUNK));
        chunk.retain(|scene| self.bus.hub.watches(*scene) && self.is_ours(*scene));
        for scene in &chunk {
            self.bus.hub.begin_catch_up(*scene);
        }
        let chunk = self.subscribe(chunk).await;
        let began = self.bus.hub.now();
        let mut undecided = None;
        for (scene, mailbox) in chunk.iter().zip(self.bus.read_all(&chunk).await) {
            match mailbox {
                Ok(mailbox) => self.bus.hub.caught_up(*scene, began, mailbox.as_ref()),
                Err(BusError::Undecided(why)) => {
                    self.owed.push(*scene);
                    undecided = Some(why);
                }
                Err(error) => tracing::error!(%scene, %error, "a mailbox can't be read"),
            }
        }
        if let Some(why) = undecided {
            self.put_off(why);
        }
        if self.owed.is_empty() {
            (self.owed, self.pause) = (vec![], SOON);
        }
    }

    /// Whether the scene's slot still belongs to this primary. If not, the lane of the one that it belongs to
    /// has been told, or will be.
    fn is_ours(&self, scene: SceneId) -> bool {
        self.subscriber.primary(&Name(scene).to_string()).as_ref() == Some(&self.primary)
    }

    fn put_off(&mut self, why: impl Display) {
        tracing::debug!(primary = %self.primary, %why, "couldn't subscribe or read mailboxes; trying again");
        self.not_before = Instant::now() + self.pause;
        self.pause = (2 * self.pause).min(LATE);
    }
}

fn names(scenes: &[SceneId]) -> impl Iterator<Item = String> + '_ {
    scenes.iter().map(|scene| Name(*scene).to_string())
}
