//! Receives what Redis publishes, and gives the worker of each primary its scenes to subscribe and to read.
//!
//! Each primary has a worker of its own, so that one that is away or slow doesn't delay the scenes of the others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use scenecast_metrics::Metrics;
use scenecast_redis::{Node, PubSubEvent, Redis, Slots, Subscriber};
use scenecast_scene::{Event, SceneId};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    redis::{mailboxes::Mailboxes, scene_name::SceneName},
    subscriptions::{
        shard_worker::{ShardTask, ShardWorker},
        sweep,
    },
    watch::registry::{Loss, WatcherRegistry},
};

/// How often each primary is asked how many subscriptions of ours it has, and some mailboxes are read as a precaution.
const INSPECTION_PERIOD: Duration = Duration::from_secs(3);
/// How often watchers whose catch-up doesn't end are looked for. They are told within twice that.
const STALENESS_PERIOD: Duration = Duration::from_secs(1);
/// How long scenes that nobody watches any more are collected, to be unsubscribed together. Nobody waits for that.
///
/// See docs/decisions/097-what-nobody-waits-for-is-sent-together.md.
const UNSUBSCRIBE_DELAY: Duration = Duration::from_millis(200);
/// How many changed scenes are taken from the registry's channel at a time.
const CHANGES_AT_A_TIME: usize = 512;

/// Why mailboxes may have to be read again, as the label `cause`.
const CATCH_UP_CAUSES: [&str; 6] = ["reconnect", "move", "lag", "vanished", "emptied", "replaced"];

/// Starts the manager for this registry, which sends the scenes that changed through `changes`.
pub(crate) fn start(redis: &Redis, registry: &WatcherRegistry, changes: UnboundedReceiver<SceneId>, metrics: &Metrics) {
    let (losses_sender, losses) = unbounded_channel();
    let catch_ups = metrics.counter_vec(
        "catch_ups_total",
        "Times that held mailboxes had to be read again, by what may have been lost.",
        &["cause"],
    );
    // Alerts watch these for an increase. A counter that first appears with 1 would be no increase.
    for cause in CATCH_UP_CAUSES {
        catch_ups.with_label_values(&[cause]);
    }
    let listener = PubSubListener { registry: registry.clone(), losses: losses_sender, catch_ups: catch_ups.clone() };
    let manager = SubscriptionManager {
        registry: registry.clone(),
        mailboxes: Mailboxes::new(redis.clone()),
        subscriber: redis.subscriptions(move |event| listener.handle(event)),
        workers: HashMap::new(),
        without_watchers: vec![],
        unsubscribe_at: Instant::now(),
        catch_ups,
    };
    tokio::spawn(manager.run(changes, losses));
}

/// Handles the events of the connections that subscribe: passes messages on, and starts a catch-up after a loss.
struct PubSubListener {
    registry: WatcherRegistry,
    losses: UnboundedSender<Vec<SceneId>>,
    catch_ups: IntCounterVec,
}

impl PubSubListener {
    fn handle(&self, event: PubSubEvent) {
        match event {
            PubSubEvent::Message { channel, message } => self.deliver(&channel, &message),
            // Nothing can be subscribed or read before it is connected again.
            PubSubEvent::Disconnected(slots) => {
                self.mark_lost(Loss::Subscriptions, &slots);
            }
            PubSubEvent::Connected(slots) => self.catch_up(Loss::Subscriptions, &slots, "reconnect"),
            PubSubEvent::Moved(slots) => self.catch_up(Loss::Subscriptions, &slots, "move"),
            PubSubEvent::Emptied(slots) => self.catch_up(Loss::Messages, &slots, "emptied"),
            PubSubEvent::Replaced(slots) => self.catch_up(Loss::Subscriptions, &slots, "replaced"),
            PubSubEvent::Lagged(slots, messages) => {
                tracing::warn!(
                    messages,
                    "Redis published events faster than this pod read them; it reads the mailboxes instead"
                );
                self.catch_up(Loss::Messages, &slots, "lag");
            }
        }
    }

    fn deliver(&self, channel: &str, message: &str) {
        match (channel.parse(), Event::parse(message)) {
            (Ok(SceneName(scene)), Some(event)) => self.registry.deliver(scene, &Arc::new(event)),
            _ => tracing::warn!(
                channel,
                "dropped a message of Redis that is not an event of a scene; does other software publish on wx:*?"
            ),
        }
    }

    fn mark_lost(&self, loss: Loss, slots: &Slots) -> Vec<SceneId> {
        self.registry.mark_lost(loss, |scene| slots.contains(SceneName(scene).slot()))
    }

    fn catch_up(&self, loss: Loss, slots: &Slots, cause: &str) {
        self.catch_ups.with_label_values(&[cause]).inc();
        // It fails only when the process ends.
        let _ = self.losses.send(self.mark_lost(loss, slots));
    }
}

struct SubscriptionManager {
    registry: WatcherRegistry,
    mailboxes: Mailboxes,
    subscriber: Subscriber,
    workers: HashMap<Node, UnboundedSender<ShardTask>>,
    /// Changed scenes that weren't given to a worker yet, because nobody watches them.
    without_watchers: Vec<SceneId>,
    /// When they are, if nothing else is given before.
    unsubscribe_at: Instant,
    catch_ups: IntCounterVec,
}

impl SubscriptionManager {
    async fn run(mut self, mut changes: UnboundedReceiver<SceneId>, mut losses: UnboundedReceiver<Vec<SceneId>>) {
        let mut changed = Vec::with_capacity(CHANGES_AT_A_TIME);
        let mut staleness = every(STALENESS_PERIOD);
        let mut inspection = every(INSPECTION_PERIOD);
        loop {
            tokio::select! {
                Some(lost) = losses.recv() => self.dispatch(lost, ShardTask::CatchUp),
                _ = changes.recv_many(&mut changed, CHANGES_AT_A_TIME) => {
                    self.follow(changed.drain(..));
                }
                () = sleep_until(self.unsubscribe_at), if !self.without_watchers.is_empty() => self.follow_all(),
                _ = inspection.tick() => {
                    self.follow_all();
                    for worker in self.workers.values() {
                        // It fails only when the process ends.
                        let _ = worker.send(ShardTask::CompareCount);
                    }
                    self.dispatch(sweep::next_step(&self.registry), ShardTask::Sweep);
                }
                _ = staleness.tick() => self.registry.notify_stale_watchers(),
            }
        }
    }

    /// Has changed scenes subscribed at once, and those that nobody watches any more a little later.
    fn follow(&mut self, changed: impl Iterator<Item = SceneId>) {
        if self.without_watchers.is_empty() {
            self.unsubscribe_at = Instant::now() + UNSUBSCRIBE_DELAY;
        }
        let known = self.without_watchers.len();
        self.without_watchers.extend(changed);
        if self.without_watchers[known..].iter().any(|scene| self.registry.is_watched(*scene)) {
            self.follow_all();
        }
    }

    fn follow_all(&mut self) {
        let changed = std::mem::take(&mut self.without_watchers);
        self.dispatch(changed, ShardTask::FollowChanges);
    }

    /// Gives each scene to the worker of its primary. Scenes whose slot has no primary are skipped: the next change
    /// of the topology marks them lost.
    fn dispatch(&mut self, scenes: impl IntoIterator<Item = SceneId>, task: impl Fn(Vec<SceneId>) -> ShardTask) {
        for (primary, scenes) in self.subscriber.by_primary(scenes, |scene| SceneName(*scene).slot()) {
            let worker = self.workers.entry(primary).or_insert_with_key(|primary| {
                let worker = ShardWorker::new(
                    self.registry.clone(),
                    self.mailboxes.clone(),
                    self.subscriber.clone(),
                    primary.clone(),
                    self.catch_ups.clone(),
                );
                let (sender, tasks) = unbounded_channel();
                tokio::spawn(worker.run(tasks));
                sender
            });
            // It fails only when the process ends.
            let _ = worker.send(task(scenes));
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
