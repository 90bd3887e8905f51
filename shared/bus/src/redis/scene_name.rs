//! What a scene is called in Redis.

use std::{fmt, str::FromStr};

use scenecast_redis::Slot;
use scenecast_scene::{IdError, SceneId};

/// The name of a scene's hash and of its channel: one name, so that both are in the same slot. `wx` is for Weixin
/// (微信), as WeChat is called in China. The ACL rules let gateways read `wx:*`, so the prefix can't change.
#[derive(Clone, Copy)]
pub(crate) struct SceneName(pub(crate) SceneId);

impl SceneName {
    /// The slot of the scene's hash and channel.
    pub(crate) fn slot(self) -> Slot {
        Slot::of(&self.to_string())
    }
}

impl fmt::Display for SceneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wx:{}", self.0)
    }
}

impl FromStr for SceneName {
    type Err = IdError;

    fn from_str(name: &str) -> Result<Self, IdError> {
        name.strip_prefix("wx:").unwrap_or_default().parse().map(Self)
    }
}
