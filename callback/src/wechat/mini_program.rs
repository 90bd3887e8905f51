//! What the callback asks of WeChat for one mini program.

use scenecast_shared::{
    scene::SceneId,
    wechat::{Picture, Session},
};
use serde_json::json;

use super::{
    calls::Calls,
    client::{Answer, ApiCall, CallError},
    token::Credentials,
};
use crate::config::{EnvVersion, MiniProgramSettings};

/// The narrowest code that WeChat draws, in pixels: it travels to each page inside a frame.
const WIDTH: u16 = 280;

/// The calls of one mini program. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct MiniProgramApi {
    calls: Calls,
    credentials: Credentials,
}

impl MiniProgramApi {
    pub(crate) fn new(calls: Calls, credentials: Credentials) -> Self {
        Self { calls, credentials }
    }

    /// A code that opens the mini program's login page with this scene. WeChat lets it never end; the
    /// scene does.
    pub(crate) async fn code(&self, scene: SceneId, settings: &MiniProgramSettings) -> Result<Picture, CallError> {
        let ask = ApiCall {
            path: "/wxa/getwxacodeunlimit",
            query: vec![],
            body: Some(json!({
                "scene": scene.to_string(),
                "page": settings.page,
                // WeChat knows the pages of what is released only.
                "check_path": settings.env_version == EnvVersion::Release,
                "env_version": settings.env_version,
                "width": WIDTH,
            })),
            answer: Answer::PICTURE,
        };
        self.calls.call(&ask).await
    }

    /// Who sent this `js_code`. WeChat answers it once.
    pub(crate) async fn session(&self, js_code: &str) -> Result<Session, CallError> {
        let Credentials { app_id, secret } = &self.credentials;
        let ask = ApiCall {
            path: "/sns/jscode2session",
            query: vec![
                ("appid", app_id.clone()),
                ("secret", secret.text().to_owned()),
                ("js_code", js_code.to_owned()),
                ("grant_type", "authorization_code".to_owned()),
            ],
            body: None,
            answer: Answer::JSON,
        };
        self.calls.call_for_somebody(&ask).await
    }
}
