//! What the calls of mini programs need.

use std::time::Duration;

use prometheus::IntCounterVec;
use scenecast_bus::SceneWriter;
use scenecast_metrics::Stages;
use scenecast_scene::Rotating;

use crate::{
    accounts::AccountRegistry,
    stores::{JsCodes, Users},
};

/// What a mini program posts when its page was opened by a code, …
pub(super) const SCAN_PATH: &str = "/v1/miniapp/scan";
/// … and when the person has answered.
pub(super) const CONFIRM_PATH: &str = "/v1/miniapp/confirm";
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024;
/// How long settling may take. The phone may repeat the call.
pub(super) const SETTLE_TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct MiniProgramState {
    pub(crate) accounts: AccountRegistry,
    pub(crate) bus: SceneWriter,
    /// The deployment's secret, for grants and tickets.
    pub(crate) secret: Rotating,
    pub(crate) users: Users,
    pub(crate) js_codes: JsCodes,
    pub(crate) stages: Stages,
    /// By `call` and `outcome`.
    pub(crate) requests: IntCounterVec,
}
