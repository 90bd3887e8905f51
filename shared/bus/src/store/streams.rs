//! Streams, over Redis or inside one process. An entry is appended, read by one pod, claimed again if that pod doesn't
//! remove it, and removed.

use std::time::Duration;

use crate::store::key_value::{Store, StoreBackend, StoreError};
use scenecast_redis::{PendingEntry, StreamEntry};

impl Store {
    /// Appends an entry if the stream has fewer than `room` entries. Returns whether it had.
    pub async fn append_if_room(&self, stream: &str, text: String, room: usize) -> Result<bool, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => Ok(memory.stream(stream, |stream| {
                let has_room = stream.length() < room;
                if has_room {
                    stream.append(&text);
                }
                has_room
            })),
            StoreBackend::Redis(redis, scripts) => {
                let args = vec![text, room.to_string()];
                let (appended, written) = redis.write(&scripts.append, stream, &args).await?;
                let has_room = appended.as_u64() == Some(1);
                if has_room {
                    redis.wait_for_replicas(&written).await?;
                }
                Ok(has_room)
            }
        }
    }

    /// Appends an entry, and removes the oldest ones, so that about `at_most` are left.
    pub async fn append(&self, stream: &str, text: &str, at_most: usize) -> Result<(), StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => memory.stream(stream, |stream| {
                stream.append(text);
                stream.trim(at_most);
            }),
            StoreBackend::Redis(redis, _) => redis.append(stream, text, at_most).await?,
        }
        Ok(())
    }

    /// How many entries the stream has, pending or not.
    pub async fn length(&self, stream: &str) -> Result<u64, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => Ok(memory.stream(stream, |stream| stream.length() as u64)),
            StoreBackend::Redis(redis, _) => Ok(redis.length(stream).await?),
        }
    }

    /// Reads entries that no pod has read yet. From then on they are pending.
    pub async fn read_new(&self, stream: &str, at_most: usize) -> Result<Vec<StreamEntry>, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => Ok(memory.stream(stream, |stream| stream.read_new(at_most))),
            StoreBackend::Redis(redis, _) => Ok(redis.read_new(stream, at_most).await?),
        }
    }

    /// The pending entries after this one: read by a pod, and not removed.
    pub async fn pending(
        &self,
        stream: &str,
        after: Option<&str>,
        at_most: usize,
    ) -> Result<Vec<PendingEntry>, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => Ok(memory.stream(stream, |stream| stream.pending(after, at_most))),
            StoreBackend::Redis(redis, _) => Ok(redis.pending(stream, after, at_most).await?),
        }
    }

    /// Claims each of these pending entries again, if nobody has claimed it for at least the given time.
    pub async fn claim_pending(
        &self,
        stream: &str,
        overdue: &[(String, Duration)],
    ) -> Result<Vec<StreamEntry>, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => Ok(memory.stream(stream, |stream| stream.claim_pending(overdue))),
            StoreBackend::Redis(redis, _) => Ok(redis.claim_pending(stream, overdue).await?),
        }
    }

    pub async fn remove(&self, stream: &str, id: &str) -> Result<(), StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => memory.stream(stream, |stream| stream.remove(id)),
            StoreBackend::Redis(redis, _) => redis.remove(stream, id).await?,
        }
        Ok(())
    }
}
