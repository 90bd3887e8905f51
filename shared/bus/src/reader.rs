//! The half of the bus that a gateway has: it watches and reads, and can change nothing.
//!
//! See docs/decisions/032-readers-and-writers-of-scenes-are-types.md.

use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_scene::SceneId;

use crate::{
    error::BusError, mailbox::Mailbox, memory::MemoryScenes, subscriptions::redis_reader::RedisReader,
    watch::registry::Watch,
};

/// The commands of a reader.
const WATCHING: [&str; 5] =
    ["hmget wx:scene state", "pttl wx:scene", "ssubscribe wx:scene", "sunsubscribe wx:scene", "client info"];

/// Watches and reads scenes. Clones are the same one.
#[derive(Debug, Clone)]
pub struct SceneReader(ReaderBackend);

#[derive(Debug, Clone)]
enum ReaderBackend {
    Memory(MemoryScenes),
    Redis(RedisReader),
}

impl SceneReader {
    /// A reader over this Redis. It starts the tasks that keep its subscriptions. A process has at most one reader.
    pub fn over(redis: &Redis, metrics: &Metrics) -> Self {
        redis.check_rights("watching", WATCHING);
        Self(ReaderBackend::Redis(RedisReader::start(redis, metrics)))
    }

    pub(crate) fn in_memory(scenes: MemoryScenes) -> Self {
        Self(ReaderBackend::Memory(scenes))
    }

    /// Watches the scene's events after `after`: those in the mailbox first, then live ones. Also returns the mailbox,
    /// read after Redis has confirmed the subscription; `None` if there is no such scene (yet).
    pub async fn watch(&self, scene: SceneId, after: u64) -> Result<(Watch, Option<Mailbox>), BusError> {
        match &self.0 {
            ReaderBackend::Memory(scenes) => Ok(scenes.watch(scene, after)),
            ReaderBackend::Redis(redis) => redis.watch(scene, after).await,
        }
    }

    /// Watches the events of a scene that was opened a moment ago, and whose code nobody has seen: nothing has happened to
    /// it. So its mailbox isn't read before the watch begins, but within three seconds, in case that Redis has lost it.
    ///
    /// See docs/decisions/113-a-scene-that-nobody-has-seen-is-read-later.md.
    pub async fn watch_unseen(&self, scene: SceneId) -> Result<Watch, BusError> {
        match &self.0 {
            ReaderBackend::Memory(scenes) => Ok(scenes.watch(scene, 0).0),
            ReaderBackend::Redis(redis) => redis.watch_unseen(scene).await,
        }
    }

    /// The scene's mailbox as it is now.
    pub async fn read(&self, scene: SceneId) -> Result<Option<Mailbox>, BusError> {
        match &self.0 {
            ReaderBackend::Memory(scenes) => Ok(scenes.read(scene)),
            ReaderBackend::Redis(redis) => redis.read(scene).await,
        }
    }

    /// What carries events, as traces name it.
    pub fn messaging_system(&self) -> &'static str {
        match &self.0 {
            ReaderBackend::Memory(_) => "memory",
            ReaderBackend::Redis(_) => "redis",
        }
    }

    /// How many scenes have a watcher in this process.
    pub fn watched_scenes(&self) -> usize {
        match &self.0 {
            ReaderBackend::Memory(scenes) => scenes.watched_scenes(),
            ReaderBackend::Redis(redis) => redis.watched_scenes(),
        }
    }
}
