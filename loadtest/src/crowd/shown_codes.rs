//! The codes that pages show, for people to scan.

use parking_lot::Mutex;
use scenecast_scene::SceneId;
use tokio::sync::watch;

/// A code that a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShownCode {
    pub(super) scene: SceneId,
    /// The content of the code.
    pub(super) url: String,
}

/// The codes that all pages show now.
#[derive(Debug, Default)]
pub(super) struct ShownCodes {
    codes: Mutex<Vec<ShownCode>>,
    count: watch::Sender<usize>,
}

impl ShownCodes {
    pub(super) fn add(&self, code: ShownCode) {
        self.change(|codes| codes.push(code));
    }

    pub(super) fn remove(&self, scene: SceneId) {
        self.change(|codes| codes.retain(|code| code.scene != scene));
    }

    /// Removes a random code, so that nobody else scans it; `None` if no page shows one.
    pub(super) fn take_any(&self) -> Option<ShownCode> {
        self.change(|codes| {
            if codes.is_empty() {
                return None;
            }
            Some(codes.swap_remove(rand::random_range(0..codes.len())))
        })
    }

    /// Waits until pages show at least this many codes.
    pub(super) async fn wait_for(&self, codes: usize) {
        self.count.subscribe().wait_for(|count| *count >= codes).await.expect("self keeps the sender");
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<ShownCode>) -> T) -> T {
        let mut codes = self.codes.lock();
        let result = change(&mut codes);
        self.count.send_replace(codes.len());
        result
    }
}
