//! The reader over Redis: a watch begins with a confirmed subscription and then a read of the mailbox.

use std::time::Duration;

use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_scene::SceneId;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    error::BusError,
    mailbox::Mailbox,
    redis::mailboxes::Mailboxes,
    subscriptions::manager,
    watch::registry::{Watch, WatcherRegistry},
};

/// How long a new watcher waits until Redis has confirmed its subscription.
const CONFIRM_LIMIT: Duration = Duration::from_secs(2);

/// Watches and reads scenes over Redis. Clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct RedisReader {
    mailboxes: Mailboxes,
    registry: WatcherRegistry,
}

impl RedisReader {
    /// Starts the tasks that keep its subscriptions.
    pub(crate) fn start(redis: &Redis, metrics: &Metrics) -> Self {
        let (changed, changes) = mpsc::unbounded_channel();
        let registry = WatcherRegistry::new(move |scene| {
            // The receiver is gone only when the process ends.
            let _ = changed.send(scene);
        });
        manager::start(redis, &registry, changes, metrics);
        Self { mailboxes: Mailboxes::new(redis.clone()), registry }
    }

    pub(crate) async fn watch(&self, scene: SceneId, after: u64) -> Result<(Watch, Option<Mailbox>), BusError> {
        let watch = self.subscribe(scene, after).await?;
        // Read only after the confirmation: an event that was stored before the subscription is in the mailbox.
        let read_at = self.registry.now();
        let mailbox = self.read(scene).await?;
        watch.complete_catch_up(read_at, mailbox.as_ref());
        Ok((watch, mailbox))
    }

    pub(crate) async fn watch_unseen(&self, scene: SceneId) -> Result<Watch, BusError> {
        let watch = self.subscribe(scene, 0).await?;
        watch.presume_unchanged(self.registry.now());
        Ok(watch)
    }

    /// A watch whose subscription Redis has confirmed.
    async fn subscribe(&self, scene: SceneId, after: u64) -> Result<Watch, BusError> {
        let (watch, confirmed) = self.registry.watch(scene, after);
        match timeout(CONFIRM_LIMIT, confirmed).await {
            Ok(Ok(())) => Ok(watch),
            _ => Err(BusError::TimedOut),
        }
    }

    pub(crate) async fn read(&self, scene: SceneId) -> Result<Option<Mailbox>, BusError> {
        self.mailboxes.read(scene).await
    }

    pub(crate) fn watched_scenes(&self) -> usize {
        self.registry.watched_scenes()
    }
}
