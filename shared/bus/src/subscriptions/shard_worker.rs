//! Subscribes and reads mailboxes at one primary, in chunks.
//!
//! | list | what is in it | what is done |
//! |---|---|---|
//! | `to_subscribe` | scenes that may have lost their subscription or events | subscribe, then move to `to_read` |
//! | `to_read` | scenes that are subscribed | read the mailbox, hand it to the registry |
//! | `to_sweep` | scenes of which no loss is known | read the mailbox, as from `to_read`, while nothing more urgent waits |
//!
//! Scenes to be swept go to `to_subscribe` instead where Redis may not have all of our subscriptions, except those that were
//! opened a moment ago.
//!
//! The next chunk is subscribed while the mailboxes of the last one are read. What fails goes back to
//! `to_subscribe`, and the worker pauses: 50 ms first, twice as long each time, at most a second.
//!
//! See docs/decisions/011-after-any-possible-loss-the-mailbox-is-read.md.

use std::{collections::HashSet, time::Duration};

use prometheus::IntCounterVec;
use scenecast_redis::{Node, Subscriber};
use scenecast_scene::SceneId;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};

use crate::{
    error::BusError,
    redis::{mailboxes::Mailboxes, scene_name::SceneName},
    watch::registry::{Loss, WatcherRegistry},
};

/// How many scenes are subscribed or read at a time.
const CHUNK: usize = 512;
/// The pause after the first failure; it doubles with each further one.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What a worker is given to do.
pub(crate) enum ShardTask {
    /// These scenes got their first watcher or lost their last, maybe several times: subscribe or unsubscribe.
    FollowChanges(Vec<SceneId>),
    /// Events of these scenes may have been lost: subscribe again and read their mailboxes, now.
    CatchUp(Vec<SceneId>),
    /// Read the mailboxes of these scenes as a precaution: no loss is known.
    Sweep(Vec<SceneId>),
    /// Look whether Redis has as many subscriptions here as it should. Catch up if it has fewer.
    CompareCount,
}

/// The worker of one primary.
pub(crate) struct ShardWorker {
    registry: WatcherRegistry,
    mailboxes: Mailboxes,
    subscriber: Subscriber,
    primary: Node,
    to_subscribe: Vec<SceneId>,
    to_read: Vec<SceneId>,
    to_sweep: Vec<SceneId>,
    /// Whether Redis had as many subscriptions as it should when it was asked last.
    count_agrees: bool,
    /// After a failure: when subscribing continues.
    paused_until: Instant,
    /// How long the pause after the next failure is.
    pause: Duration,
    /// Counts catch-ups by their cause.
    catch_ups: IntCounterVec,
}

/// The result of subscribing or reading several scenes.
struct BatchOutcome {
    done: Vec<SceneId>,
    failed: Vec<SceneId>,
    first_error: Option<BusError>,
}

impl BatchOutcome {
    fn with_capacity(scenes: usize) -> Self {
        Self { done: Vec::with_capacity(scenes), failed: vec![], first_error: None }
    }

    fn fail(&mut self, scene: SceneId, error: BusError) {
        self.failed.push(scene);
        self.first_error.get_or_insert(error);
    }
}

impl ShardWorker {
    pub(crate) fn new(
        registry: WatcherRegistry,
        mailboxes: Mailboxes,
        subscriber: Subscriber,
        primary: Node,
        catch_ups: IntCounterVec,
    ) -> Self {
        Self {
            registry,
            mailboxes,
            subscriber,
            primary,
            to_subscribe: vec![],
            to_read: vec![],
            to_sweep: vec![],
            count_agrees: false,
            paused_until: Instant::now(),
            pause: MIN_PAUSE,
            catch_ups,
        }
    }

    /// Runs until the manager is dropped. It takes new tasks between two chunks.
    pub(crate) async fn run(mut self, mut tasks: UnboundedReceiver<ShardTask>) {
        let mut received = Vec::with_capacity(CHUNK);
        loop {
            tokio::select! {
                count = tasks.recv_many(&mut received, CHUNK) => {
                    if count == 0 {
                        return;
                    }
                    self.accept(received.drain(..)).await;
                }
                () = sleep_until(self.next_chunk_at()), if !self.is_idle() => self.catch_up_chunk().await,
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.to_subscribe.is_empty() && self.to_read.is_empty() && self.to_sweep.is_empty()
    }

    /// A pause delays only subscribing. Mailboxes are read at once.
    fn next_chunk_at(&self) -> Instant {
        if self.to_read.is_empty() { self.paused_until } else { Instant::now() }
    }

    async fn accept(&mut self, tasks: impl Iterator<Item = ShardTask>) {
        let mut changed = HashSet::new();
        for task in tasks {
            match task {
                ShardTask::FollowChanges(scenes) => changed.extend(scenes),
                ShardTask::CatchUp(scenes) => {
                    self.enqueue(scenes);
                    self.paused_until = Instant::now();
                    self.pause = MIN_PAUSE;
                }
                ShardTask::Sweep(scenes) => self.sweep(scenes),
                ShardTask::CompareCount => {
                    self.follow_changes(std::mem::take(&mut changed)).await;
                    self.compare_count().await;
                }
            }
        }
        self.follow_changes(changed).await;
    }

    /// Catches up if Redis has ended subscriptions without telling.
    async fn compare_count(&mut self) {
        // Only this worker subscribes and unsubscribes here, so both numbers are of the same moment.
        let expected = self.registry.count_subscribed(&self.subscriber.slots_of(&self.primary));
        let subscribed = self.subscriber.count(&self.primary).await;
        self.count_agrees = subscribed == Some(expected);
        if subscribed.is_some_and(|subscribed| subscribed < expected) {
            tracing::warn!(
                primary = %self.primary, expected, subscribed,
                "Redis has dropped subscriptions of this pod without telling; subscribing again"
            );
            self.catch_ups.with_label_values(&["vanished"]).inc();
            let lost = self.registry.mark_lost(Loss::Subscriptions, |scene| self.is_ours(scene));
            self.enqueue(lost);
        }
    }

    fn sweep(&mut self, scenes: Vec<SceneId>) {
        // A new scene was subscribed seconds ago, whatever the count says of all others.
        let (subscribed, doubtful) =
            scenes.into_iter().partition(|scene| self.count_agrees || self.registry.is_presumed(*scene));
        self.to_sweep.extend::<Vec<_>>(subscribed);
        self.enqueue(doubtful);
    }

    fn enqueue(&mut self, scenes: Vec<SceneId>) {
        self.to_subscribe.extend(scenes);
        self.to_subscribe.sort_unstable();
        self.to_subscribe.dedup();
    }

    /// Subscribes to those of these scenes that are watched now, and unsubscribes from the others.
    async fn follow_changes(&mut self, changed: HashSet<SceneId>) {
        // Only the present state counts, not the order of the changes: a page that comes back at once must not be
        // unsubscribed after the subscription of its old watch was taken for that of its new one.
        let changed: Vec<_> = changed.into_iter().filter(|scene| self.is_ours(*scene)).collect();
        for chunk in changed.chunks(CHUNK) {
            let (watched, left): (Vec<_>, Vec<_>) = chunk.iter().partition(|scene| self.registry.is_watched(**scene));
            self.subscriber.unsubscribe(&self.primary, names(&left)).await;
            let subscribed = self.subscribe(watched).await;
            self.requeue_failed(subscribed);
        }
    }

    async fn subscribe(&self, scenes: Vec<SceneId>) -> BatchOutcome {
        let sent_at = self.registry.now();
        let mut batch = BatchOutcome::with_capacity(scenes.len());
        let channels: Vec<_> = names(&scenes).collect();
        let outcomes = self.subscriber.subscribe(&self.primary, &channels).await;
        for (scene, outcome) in scenes.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.registry.confirm_subscription(scene, sent_at);
                    batch.done.push(scene);
                }
                Err(error) => batch.fail(scene, error.into()),
            }
        }
        batch
    }

    async fn read(&self, scenes: Vec<SceneId>) -> BatchOutcome {
        let read_at = self.registry.now();
        let mut batch = BatchOutcome::with_capacity(scenes.len());
        let mailboxes = self.mailboxes.read_all(&scenes).await;
        for (scene, mailbox) in scenes.into_iter().zip(mailboxes) {
            match mailbox {
                Ok(mailbox) => {
                    self.registry.complete_catch_up(scene, read_at, mailbox.as_ref());
                    batch.done.push(scene);
                }
                Err(error) if error.is_undecided() => batch.fail(scene, error),
                Err(error) => {
                    self.registry.leave_unread(scene);
                    tracing::error!(
                        %scene, %error,
                        "Redis holds something else where this scene's mailbox should be; its page can't be logged in; does \
                         other software write wx:*?"
                    );
                }
            }
        }
        batch
    }

    /// Puts the scenes that failed back, pauses, and returns those that succeeded.
    fn requeue_failed(&mut self, batch: BatchOutcome) -> Vec<SceneId> {
        self.to_subscribe.extend(batch.failed);
        if let Some(error) = batch.first_error {
            self.registry.expect_staleness();
            self.pause_after(&error);
        }
        batch.done
    }

    /// Subscribes to the next chunk while the mailboxes of the last one are read.
    async fn catch_up_chunk(&mut self) {
        let at_most = if self.paused_until <= Instant::now() { CHUNK } else { 0 };
        let mut chunk = self.to_subscribe.split_off(self.to_subscribe.len().saturating_sub(at_most));
        chunk.retain(|scene| self.registry.is_watched(*scene) && self.is_ours(*scene));
        chunk.sort_unstable();
        chunk.dedup();
        for scene in &chunk {
            self.registry.begin_catch_up(*scene);
        }
        let mut to_read = std::mem::take(&mut self.to_read);
        to_read.extend(self.next_swept(CHUNK.saturating_sub(to_read.len())));
        // A scene that is subscribed anew in this chunk is read after that: an earlier read wouldn't have what it
        // misses until then.
        to_read.retain(|scene| chunk.binary_search(scene).is_err());
        let (subscribed, read) = tokio::join!(self.subscribe(chunk), self.read(to_read));
        self.requeue_failed(read);
        self.to_read = self.requeue_failed(subscribed);
        if self.is_idle() {
            // Gives the memory of a large catch-up back.
            self.to_sweep = vec![];
            self.to_subscribe = vec![];
            self.pause = MIN_PAUSE;
        }
    }

    /// At most so many of the scenes that are read as a precaution. Their live events wait for that from now on.
    fn next_swept(&mut self, at_most: usize) -> Vec<SceneId> {
        let mut swept = self.to_sweep.split_off(self.to_sweep.len().saturating_sub(at_most));
        swept.retain(|scene| self.registry.is_watched(*scene) && self.is_ours(*scene));
        for scene in &swept {
            self.registry.begin_catch_up(*scene);
        }
        swept
    }

    /// Whether the scene's slot still belongs to this primary. If not, the worker of its new primary has been told,
    /// or will be.
    fn is_ours(&self, scene: SceneId) -> bool {
        self.subscriber.primary(&SceneName(scene).to_string()).as_ref() == Some(&self.primary)
    }

    fn pause_after(&mut self, error: &BusError) {
        if self.paused_until > Instant::now() {
            return;
        }
        tracing::debug!(primary = %self.primary, %error, pause = ?self.pause, "couldn't subscribe or read mailboxes; trying again");
        self.paused_until = Instant::now() + self.pause;
        self.pause = (2 * self.pause).min(MAX_PAUSE);
    }
}

fn names(scenes: &[SceneId]) -> impl Iterator<Item = String> + '_ {
    scenes.iter().map(|scene| SceneName(*scene).to_string())
}
