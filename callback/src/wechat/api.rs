//! What the callback asks of WeChat for one account.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use scenecast_shared::{
    scene::{OpenId, SceneId},
    wechat::{ApiError, CallbackIps, Code, QrCode, UserInfo},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    client::{ApiCall, CallError, Client},
    token::AccessToken,
};

/// The call that makes a QR code; it has a quota of its own.
pub(crate) const QR_CODE: &str = "/cgi-bin/qrcode/create";
/// How long a call may take with its token and its repeats; a page waits for it.
const LIMIT: Duration = Duration::from_secs(4);
/// The shortest life of a QR code that WeChat has documented; a scene that ends before it says so.
const SHORTEST_CODE: u64 = 60;

/// Much longer than what WeChat's codes say, and still easy to scan.
const LONGEST_URL: usize = 256;

/// The calls of one account.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    token: AccessToken,
}

impl Api {
    pub(crate) fn new(client: Client, token: AccessToken) -> Self {
        Self { client, token }
    }

    /// A QR code that brings this scene back.
    pub(crate) async fn qr_code(&self, scene: SceneId, life: Duration) -> Result<QrCode, CallError> {
        let seconds = life.as_millis().div_ceil(1000).max(SHORTEST_CODE.into());
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let ask = ApiCall {
            path: QR_CODE,
            query: vec![],
            body: Some(json!({
                "expire_seconds": seconds,
                "action_name": "QR_STR_SCENE",
                "action_info": { "scene": { "scene_str": scene.to_string() } },
            })),
        };
        let code: QrCode = self.call(&ask).await?;
        let drawable = code.url.starts_with("http") && code.url.len() <= LONGEST_URL;
        if drawable { Ok(code) } else { Err(ApiError::Nonsense(code.url.len()).into()) }
    }

    /// The addresses that WeChat's webhooks come from.
    pub(crate) async fn callback_ips(&self) -> Result<CallbackIps, CallError> {
        self.call(&ApiCall { path: "/cgi-bin/getcallbackip", query: vec![], body: None }).await
    }

    /// What WeChat tells of a follower.
    pub(crate) async fn user_info(&self, openid: &OpenId) -> Result<UserInfo, CallError> {
        self.call(&ApiCall {
            path: "/cgi-bin/user/info",
            query: vec![("openid", openid.to_string()), ("lang", "zh_CN".to_owned())],
            body: None,
        })
        .await
    }

    async fn call<T: DeserializeOwned>(&self, ask: &ApiCall) -> Result<T, CallError> {
        // Boxed: what a call's futures need would be part of every webhook's otherwise.
        tokio::time::timeout(LIMIT, Box::pin(self.with_token(ask))).await.map_err(|_| CallError::TooSlow)?
    }

    async fn with_token<T: DeserializeOwned>(&self, ask: &ApiCall) -> Result<T, CallError> {
        let token = self.token.get().await?;
        match self.patiently(ask, &token).await {
            Err(error) if error.code() == Some(Code::StaleToken) => {
                tracing::info!(%error, "WeChat refuses the access token; replacing it");
                let token = self.token.replace(&token).await?;
                self.patiently(ask, &token).await
            }
            answered => answered,
        }
    }

    /// Again and a little later while WeChat says that it is busy.
    async fn patiently<T: DeserializeOwned>(&self, ask: &ApiCall, token: &str) -> Result<T, CallError> {
        let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(100)).with_jitter();
        (|| self.client.send(ask, Some(token)))
            .retry(pauses)
            .when(|error: &CallError| error.code() == Some(Code::Busy))
            .await
    }
}
