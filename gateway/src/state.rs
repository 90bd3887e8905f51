//! What all connections of a gateway share.

use std::sync::Arc;

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

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }
}
