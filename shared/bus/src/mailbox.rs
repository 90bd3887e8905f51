//! A scene's stored state, as a watcher may know it.

use std::{sync::Arc, time::Duration};

use scenecast_scene::{Event, SceneState};

/// What a read of a scene returns.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Its state, by the bus's clock.
    pub state: SceneState,
    /// How long the scene still lasts in that state.
    pub remaining: Duration,
    /// What has happened, oldest first.
    pub events: Vec<Arc<Event>>,
}
