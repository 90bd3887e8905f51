//! The codes that pages show, where a page may ask again for the code of the same scene. It gets the same one: a second
//! code would cost one more of the day's QR codes.

use std::time::Duration;

use scenecast_bus::{Store, StoreError};
use scenecast_scene::{SceneId, internal::OpenedHandle};

/// How long one call may take to make a code before another one tries.
const MAKING_LIFE: Duration = Duration::from_secs(5);
/// Before the random part of what is stored while a code is being made. No JSON begins so.
const MAKING: &str = "making:";

/// What is stored of a scene's code.
#[derive(Debug)]
pub enum KeptCode {
    /// The page shows this one.
    Made(OpenedHandle),
    /// Another call is making it.
    BeingMade,
    /// There is none. The caller makes it, and then puts it or gives it up.
    Missing(MakingLease),
}

/// The right to make a scene's code. It ends after five seconds.
#[derive(Debug)]
pub struct MakingLease(String);

/// The codes by scene. Clones share them.
#[derive(Debug, Clone)]
pub struct KeptCodes(Store);

impl KeptCodes {
    /// The codes in this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// The code of this scene, or the right to make it.
    pub async fn find_or_lease(&self, scene: SceneId) -> Result<KeptCode, StoreError> {
        let mine = format!("{MAKING}{}", hex::encode(rand::random::<[u8; 8]>()));
        let Some(stored) = self.0.put_if_absent(&key(scene), &mine, MAKING_LIFE).await? else {
            return Ok(KeptCode::Missing(MakingLease(mine)));
        };
        if stored.starts_with(MAKING) {
            return Ok(KeptCode::BeingMade);
        }
        serde_json::from_str(&stored).map(KeptCode::Made).map_err(|_| StoreError::malformed("shown code"))
    }

    /// Keeps the code that was made for this scene, for the rest of the scene's life.
    pub async fn put(&self, scene: SceneId, code: &OpenedHandle, life: Duration) -> Result<(), StoreError> {
        let text = serde_json::to_string(code).expect("a handle has string keys only");
        self.0.put(&key(scene), text, life).await
    }

    /// Gives the right back, without a code.
    pub async fn give_up(&self, scene: SceneId, lease: MakingLease) -> Result<(), StoreError> {
        self.0.release(&key(scene), &lease.0).await
    }
}

fn key(scene: SceneId) -> String {
    format!("kept-code:{scene}")
}
