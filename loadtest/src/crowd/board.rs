//! The codes that pages show, for people to scan.

use std::sync::{Mutex, PoisonError};

use scenecast_shared::scene::SceneId;
use tokio::sync::watch;

/// A page's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Which scene it leads to.
    pub(super) scene: SceneId,
    /// What it says.
    pub(super) url: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Board {
    codes: Mutex<Vec<Shown>>,
    count: watch::Sender<usize>,
}

impl Board {
    /// A page shows a new code.
    pub(super) fn show(&self, code: Shown) {
        self.change(|codes| codes.push(code));
    }

    /// A page shows this scene's code no more.
    pub(super) fn remove(&self, scene: SceneId) {
        self.change(|codes| codes.retain(|code| code.scene != scene));
    }

    /// Somebody scans any of them, which nobody else will; none if there is none.
    pub(super) fn take(&self) -> Option<Shown> {
        self.change(|codes| {
            let nth = (!codes.is_empty()).then(|| rand::random_range(0..codes.len()));
            nth.map(|nth| codes.swap_remove(nth))
        })
    }

    /// Done when there are so many.
    pub(super) async fn has(&self, codes: usize) {
        self.count.subscribe().wait_for(|count| *count >= codes).await.expect("its sender is ours");
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Shown>) -> T) -> T {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = change(&mut codes);
        self.count.send_replace(codes.len());
        answer
    }
}
