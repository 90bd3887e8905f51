//! Reads mailboxes from Redis.

use scenecast_redis::Redis;
use scenecast_scene::SceneId;

use crate::{
    error::BusError,
    mailbox::Mailbox,
    redis::{
        hash::{MAILBOX_FIELDS, mailbox},
        scene_name::SceneName,
    },
};

/// Reads mailboxes. Clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct Mailboxes(Redis);

impl Mailboxes {
    pub(crate) fn new(redis: Redis) -> Self {
        Self(redis)
    }

    pub(crate) async fn read(&self, scene: SceneId) -> Result<Option<Mailbox>, BusError> {
        self.read_all(&[scene]).await.pop().unwrap_or(Err(BusError::malformed("no answer")))
    }

    /// The mailboxes of these scenes, in their order. One that can't be read doesn't keep the others from being read.
    pub(crate) async fn read_all(&self, scenes: &[SceneId]) -> Vec<Result<Option<Mailbox>, BusError>> {
        let names: Vec<_> = scenes.iter().map(|scene| SceneName(*scene).to_string()).collect();
        let hashes = self.0.hashes(&names, &MAILBOX_FIELDS).await;
        let read = |hash| {
            let (fields, life_ms): (Vec<_>, _) = hash?;
            mailbox(&fields, life_ms)
        };
        hashes.into_iter().map(read).collect()
    }
}
