//! What all connections of a gateway share.

use std::sync::Arc;

use scenecast_scene::SceneId;
use scenecast_service::shutdown::Shutdown;

use crate::{drain::DrainQueue, metrics::GatewayMetrics, scenes::SceneService};

/// The shared state. Clones are the same one, and each costs a pointer.
#[derive(Clone)]
pub(crate) struct GatewayState(Arc<StateInner>);

struct StateInner {
    scenes: SceneService,
    drain: DrainQueue,
    metrics: Arc<GatewayMetrics>,
    shutdown: Shutdown,
}

impl GatewayState {
    pub(crate) fn new(
        scenes: SceneService,
        drain: DrainQueue,
        metrics: Arc<GatewayMetrics>,
        shutdown: Shutdown,
    ) -> Self {
        Self(Arc::new(StateInner { scenes, drain, metrics, shutdown }))
    }

    pub(crate) fn scenes(&self) -> &SceneService {
        &self.0.scenes
    }

    pub(crate) fn drain(&self) -> &DrainQueue {
        &self.0.drain
    }

    pub(crate) fn metrics(&self) -> &Arc<GatewayMetrics> {
        &self.0.metrics
    }

    /// Has a scene cancelled whose page is gone and can't come back. Doesn't wait for that; shutdown does.
    ///
    /// See docs/decisions/044-a-page-that-is-left-gives-its-scene-up.md.
    pub(crate) fn abandon(&self, scene: SceneId) {
        let state = self.clone();
        self.shutdown().spawn(async move { state.scenes().abandon(scene).await });
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }
}
