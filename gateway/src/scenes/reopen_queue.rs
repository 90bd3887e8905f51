//! The scenes that wait to be opened again by a callback. While no callback answers they pile up, so each scene waits
//! once, whoever asks for it and how often, and only so many scenes wait.
//!
//! ```text
//! push ──waits already──▶ Joined
//!   ├────no room────────▶ QueueFull
//!   └──▶ Queued ──▶ next_batch ──▶ the call to the callback ──▶ finish
//! ```

use std::{collections::HashSet, sync::Arc, time::Instant};

use parking_lot::Mutex;
use scenecast_scene::{Claims, PageInfo, SceneId, internal};
use tokio::sync::mpsc;

/// A scene that Redis doesn't have, though its page is there.
#[derive(Debug)]
pub(super) struct MissingScene {
    pub(super) claims: Claims,
    pub(super) page: PageInfo,
    /// The code that its page shows, if it has to be typed and this gateway knows it.
    pub(super) typed_code: Option<String>,
    pub(super) ends: Instant,
}

/// What became of a scene that was to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits from now on.
    Queued,
    /// It waits already.
    Joined,
}

/// As many scenes wait as may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many scenes wait to be opened again")]
pub(super) struct QueueFull;

/// The end at which scenes are pushed. Clones push to the same queue.
#[derive(Debug, Clone)]
pub(super) struct ReopenQueue {
    /// Those in the channel, and those in the batch that is under way.
    waiting: Arc<Mutex<HashSet<SceneId>>>,
    sender: mpsc::Sender<MissingScene>,
}

/// The end at which scenes are taken.
#[derive(Debug)]
pub(super) struct ReopenReceiver {
    waiting: Arc<Mutex<HashSet<SceneId>>>,
    receiver: mpsc::Receiver<MissingScene>,
}

/// A queue in which at most so many scenes wait.
pub(super) fn reopen_queue(capacity: usize) -> (ReopenQueue, ReopenReceiver) {
    let waiting = Arc::new(Mutex::new(HashSet::new()));
    let (sender, receiver) = mpsc::channel(capacity);
    (ReopenQueue { waiting: waiting.clone(), sender }, ReopenReceiver { waiting, receiver })
}

impl ReopenQueue {
    /// Whether this scene waits.
    pub(super) fn contains(&self, scene: SceneId) -> bool {
        self.waiting.lock().contains(&scene)
    }

    /// Has this scene wait, unless it does already.
    pub(super) fn push(&self, missing: MissingScene) -> Result<Pushed, QueueFull> {
        let scene = missing.claims.scene;
        let mut waiting = self.waiting.lock();
        if waiting.contains(&scene) {
            return Ok(Pushed::Joined);
        }
        // Those in the batch that is under way count, too.
        if waiting.len() >= self.sender.max_capacity() {
            return Err(QueueFull);
        }
        // The channel has room for as many. It fails only when the process ends.
        self.sender.try_send(missing).map_err(|_| QueueFull)?;
        waiting.insert(scene);
        Ok(Pushed::Queued)
    }
}

impl ReopenReceiver {
    /// The scenes of the next call, as soon as one waits. Empty when the process ends.
    pub(super) async fn next_batch(&mut self) -> Vec<MissingScene> {
        let mut batch = Vec::new();
        self.receiver.recv_many(&mut batch, internal::MAX_REOPEN_BATCH).await;
        batch
    }

    /// These scenes no longer wait.
    pub(super) fn finish(&self, batch: &[MissingScene]) {
        let mut waiting = self.waiting.lock();
        for missing in batch {
            waiting.remove(&missing.claims.scene);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use scenecast_scene::{KeyRing, Rotating};

    use super::*;

    fn missing() -> MissingScene {
        let keys = KeyRing::new(Rotating::fixed("what-gateways-sign-their-keys-with"));
        let life = Duration::from_secs(120);
        let (_, claims) = keys.issue(&"demo".parse().unwrap(), None, life, SystemTime::now());
        MissingScene { claims, page: PageInfo::default(), typed_code: None, ends: Instant::now() + life }
    }

    fn again(scene: &MissingScene) -> MissingScene {
        MissingScene { claims: scene.claims.clone(), page: PageInfo::default(), typed_code: None, ends: scene.ends }
    }

    #[tokio::test]
    async fn a_scene_waits_once_until_its_call_is_over() {
        let (queue, mut receiver) = reopen_queue(8);
        let scene = missing();
        assert_eq!(queue.push(again(&scene)), Ok(Pushed::Queued));
        assert_eq!(queue.push(again(&scene)), Ok(Pushed::Joined));
        let batch = receiver.next_batch().await;
        assert_eq!(batch.len(), 1);
        assert_eq!(queue.push(again(&scene)), Ok(Pushed::Joined), "its call is under way");
        receiver.finish(&batch);
        assert_eq!(queue.push(again(&scene)), Ok(Pushed::Queued), "it was lost again");
    }

    #[test]
    fn only_so_many_scenes_wait() {
        let (queue, _receiver) = reopen_queue(2);
        let pushed: Vec<_> = (0..4).map(|_| queue.push(missing())).collect();
        assert_eq!(pushed, [Ok(Pushed::Queued), Ok(Pushed::Queued), Err(QueueFull), Err(QueueFull)]);
        assert_eq!(queue.waiting.lock().len(), 2, "nothing is kept of those that were refused");
    }
}
