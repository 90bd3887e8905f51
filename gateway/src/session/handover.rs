//! Logins that were sent to their page. That a page was sent its login doesn't say that it has it: its connection may be
//! dead though nobody has closed it. So a login counts as handed over once its page acknowledges it.
//!
//! See docs/decisions/043-handed-over-is-what-the-page-acknowledged.md.

use scenecast_scene::SceneId;

use super::machine::Handover;
use crate::state::GatewayState;

/// A login that was sent on a connection that can acknowledge it.
#[must_use]
pub(crate) struct SentLogin {
    state: GatewayState,
    scene: SceneId,
}

impl SentLogin {
    /// The login of this scene. None if the site has redeemed its grant before: then the page has had it.
    pub(super) fn new(state: &GatewayState, scene: SceneId, handover: Handover) -> Option<Self> {
        (handover != Handover::Again).then(|| Self { state: state.clone(), scene })
    }

    /// Says whether the page has acknowledged the login.
    pub(crate) fn resolve(self, is_acknowledged: bool) {
        if is_acknowledged {
            return acknowledged(&self.state, self.scene);
        }
        tracing::info!(
            scene = %self.scene,
            "a page did not acknowledge its login; its connection may be dead; it gets the login when it comes back"
        );
    }
}

/// The page of this scene has its login.
pub(super) fn acknowledged(state: &GatewayState, scene: SceneId) {
    if state.metrics().count_handed_over(scene) {
        tracing::info!(%scene, "a page acknowledged its login");
    }
}
