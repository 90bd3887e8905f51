//! The half of the bus that only a callback has: it opens and settles scenes.

use scenecast_redis::Redis;
use scenecast_scene::{Cause, NewScene, SceneId, SceneSnapshot, Settled, Transition};

use crate::{error::BusError, memory::MemoryScenes, redis::writer::RedisWriter};

/// Opens and settles scenes. Clones are the same one.
#[derive(Debug, Clone)]
pub struct SceneWriter(WriterBackend);

#[derive(Debug, Clone)]
enum WriterBackend {
    Memory(MemoryScenes),
    Redis(RedisWriter),
}

impl SceneWriter {
    pub fn over(redis: &Redis) -> Self {
        Self(WriterBackend::Redis(RedisWriter::new(redis.clone())))
    }

    pub(crate) fn in_memory(scenes: MemoryScenes) -> Self {
        Self(WriterBackend::Memory(scenes))
    }

    /// Creates the scene for its life. An existing scene isn't changed. Returns whether this call created it. If Redis's
    /// answer was lost and the call was sent again, it returns `false` although the first attempt created the scene.
    pub async fn open(&self, scene: SceneId, opening: &NewScene) -> Result<bool, BusError> {
        match &self.0 {
            WriterBackend::Memory(scenes) => Ok(scenes.open(scene, opening)),
            WriterBackend::Redis(redis) => redis.open(scene, opening).await,
        }
    }

    /// Changes the scene, stores the event and tells its watchers: all of it in one step, or nothing. Over Redis it
    /// is done when the replicas that may be promoted have it.
    pub async fn settle(&self, scene: SceneId, cause: &Cause, transition: &Transition) -> Result<Settled, BusError> {
        let step = transition.step();
        match &self.0 {
            WriterBackend::Memory(scenes) => Ok(scenes.settle(scene, cause, &step)),
            WriterBackend::Redis(redis) => redis.settle(scene, cause, &step).await,
        }
    }

    /// The scene as it is stored, with what only those who settle may know.
    pub async fn snapshot(&self, scene: SceneId) -> Result<Option<SceneSnapshot>, BusError> {
        match &self.0 {
            WriterBackend::Memory(scenes) => Ok(scenes.snapshot(scene)),
            WriterBackend::Redis(redis) => redis.snapshot(scene).await,
        }
    }
}
