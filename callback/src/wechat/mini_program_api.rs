//! The calls that we make for one mini program.

use scenecast_scene::SceneId;
use scenecast_wechat::{CodeImage, JsCodeSession};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{
    access_token::Credentials,
    account_calls::AccountCalls,
    client::{ApiCall, CallError, CallSubject, ResponseFormat},
};

/// The narrowest code that WeChat draws, in pixels. It is small because each page gets it inside a frame.
const WIDTH: u16 = 280;

/// A version of a mini program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvVersion {
    /// The version that everybody has.
    #[default]
    Release,
    /// The version that testers have.
    Trial,
    /// The version that developers have.
    Develop,
}

/// The calls of one mini program. Clones share its token and circuit.
#[derive(Clone)]
pub(crate) struct MiniProgramApi {
    calls: AccountCalls,
    credentials: Credentials,
}

impl MiniProgramApi {
    pub(crate) fn new(calls: AccountCalls, credentials: Credentials) -> Self {
        Self { calls, credentials }
    }

    /// Makes a code that opens this page of the mini program with this scene. WeChat's code never expires; the scene
    /// does.
    pub(crate) async fn code(
        &self,
        scene: SceneId,
        page: &str,
        env_version: EnvVersion,
        by: Instant,
    ) -> Result<CodeImage, CallError> {
        let ask = ApiCall {
            path: "/wxa/getwxacodeunlimit",
            subject: CallSubject::Account,
            query: vec![],
            body: Some(json!({
                "scene": scene.to_string(),
                "page": page,
                // WeChat knows only the pages of the released version.
                "check_path": env_version == EnvVersion::Release,
                "env_version": env_version,
                "width": WIDTH,
            })),
            format: ResponseFormat::PICTURE,
        };
        self.calls.call(&ask, by).await
    }

    /// Who sent this `js_code`. WeChat answers this once for each `js_code`.
    pub(crate) async fn session(&self, js_code: &str) -> Result<JsCodeSession, CallError> {
        let Credentials { app_id, secret } = &self.credentials;
        let ask = ApiCall {
            path: "/sns/jscode2session",
            subject: CallSubject::Person,
            query: vec![
                ("appid", app_id.clone()),
                ("secret", secret.text().to_owned()),
                ("js_code", js_code.to_owned()),
                ("grant_type", "authorization_code".to_owned()),
            ],
            body: None,
            format: ResponseFormat::JSON,
        };
        self.calls.call_without_token(&ask).await
    }
}
