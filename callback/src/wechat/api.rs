//! What the callback asks of WeChat for one Official Account.

use std::time::Duration;

use scenecast_shared::{
    scene::{OpenId, SceneId},
    wechat::{ApiError, CallbackIps, QrCode, UserInfo},
};
use serde_json::json;

use super::{
    calls::Calls,
    client::{Answer, ApiCall, CallError},
};

/// The call that makes a QR code; it has a quota of its own.
pub(crate) const QR_CODE: &str = "/cgi-bin/qrcode/create";
/// The shortest life of a QR code that WeChat has documented; a scene that ends before it says so.
const SHORTEST_CODE: u64 = 60;
/// Much longer than what WeChat's codes say, and still easy to scan.
const LONGEST_URL: usize = 256;

/// The calls of one account. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Api(Calls);

impl Api {
    pub(crate) fn new(calls: Calls) -> Self {
        Self(calls)
    }

    /// Whether WeChat has said nothing that keeps this account from QR codes now.
    pub(crate) fn gives_qr_codes(&self) -> Result<(), CallError> {
        self.0.check(QR_CODE)
    }

    /// A QR code that brings this scene back.
    pub(crate) async fn qr_code(&self, scene: SceneId, life: Duration) -> Result<QrCode, CallError> {
        let seconds = life.as_millis().div_ceil(1000).max(SHORTEST_CODE.into());
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let ask: ApiCall<QrCode> = ApiCall {
            path: QR_CODE,
            query: vec![],
            body: Some(json!({
                "expire_seconds": seconds,
                "action_name": "QR_STR_SCENE",
                "action_info": { "scene": { "scene_str": scene.to_string() } },
            })),
            answer: Answer::JSON,
        };
        let code = self.0.call(&ask).await?;
        let drawable = code.url.starts_with("http") && code.url.len() <= LONGEST_URL;
        if drawable { Ok(code) } else { Err(ApiError::Nonsense(code.url.len()).into()) }
    }

    /// The addresses that WeChat's webhooks come from.
    pub(crate) async fn callback_ips(&self) -> Result<CallbackIps, CallError> {
        let ask = ApiCall { path: "/cgi-bin/getcallbackip", query: vec![], body: None, answer: Answer::JSON };
        self.0.call(&ask).await
    }

    /// What WeChat tells of a follower.
    pub(crate) async fn user_info(&self, openid: &OpenId) -> Result<UserInfo, CallError> {
        let ask = ApiCall {
            path: "/cgi-bin/user/info",
            query: vec![("openid", openid.to_string()), ("lang", "zh_CN".to_owned())],
            body: None,
            answer: Answer::JSON,
        };
        self.0.call(&ask).await
    }
}
