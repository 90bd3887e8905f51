//! The calls that we make for one Official Account.

use std::time::Duration;

use scenecast_scene::{OpenId, SceneId};
use scenecast_wechat::{ApiError, CallbackIps, QrCode, UserInfo, parse_answer};
use serde_json::json;
use tokio::time::Instant;

use super::{
    account_calls::{AccountCalls, call_deadline},
    client::{ApiCall, CallError, CallSubject, ResponseFormat},
};

/// The call that makes a QR code. It has its own quota.
pub(crate) const QR_CODE: &str = "/cgi-bin/qrcode/create";
/// The shortest life of a QR code that WeChat documents, in seconds. A scene may end earlier.
const MIN_CODE_LIFE_SECS: u64 = 60;
/// Much longer than the addresses in WeChat's codes, and still easy to scan.
const MAX_URL_BYTES: usize = 256;

/// The calls of one account. Clones share its token and circuit.
#[derive(Clone)]
pub(crate) struct OfficialAccountApi(AccountCalls);

impl OfficialAccountApi {
    pub(crate) fn new(calls: AccountCalls) -> Self {
        Self(calls)
    }

    /// Fails if WeChat makes no QR codes now, as far as can be known without asking for one. Gets the access token.
    pub(crate) async fn prepare_qr_code(&self, by: Instant) -> Result<(), CallError> {
        self.0.prepare(QR_CODE, by).await
    }

    /// Makes a QR code. WeChat delivers the scene to us when a person scans it.
    pub(crate) async fn qr_code(&self, scene: SceneId, life: Duration, by: Instant) -> Result<QrCode, CallError> {
        let seconds = life.as_millis().div_ceil(1000).max(MIN_CODE_LIFE_SECS.into());
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let ask: ApiCall<QrCode> = ApiCall {
            path: QR_CODE,
            subject: CallSubject::Account,
            query: vec![],
            body: Some(json!({
                "expire_seconds": seconds,
                "action_name": "QR_STR_SCENE",
                "action_info": { "scene": { "scene_str": scene.to_string() } },
            })),
            format: ResponseFormat::json(|answer| drawable_code(&answer)),
        };
        self.0.call(&ask, by).await
    }

    /// The addresses from which WeChat delivers.
    pub(crate) async fn callback_ips(&self) -> Result<CallbackIps, CallError> {
        let ask = ApiCall {
            path: "/cgi-bin/getcallbackip",
            subject: CallSubject::Account,
            query: vec![],
            body: None,
            format: ResponseFormat::JSON,
        };
        self.0.call(&ask, call_deadline()).await
    }

    /// What WeChat tells about a follower.
    pub(crate) async fn user_info(&self, openid: &OpenId) -> Result<UserInfo, CallError> {
        let ask = ApiCall {
            path: "/cgi-bin/user/info",
            subject: CallSubject::Person,
            query: vec![("openid", openid.to_string()), ("lang", "zh_CN".to_owned())],
            body: None,
            format: ResponseFormat::JSON,
        };
        self.0.call(&ask, call_deadline()).await
    }
}

/// The QR code in this answer, if its content is one that WeChat may have made.
fn drawable_code(answer: &[u8]) -> Result<QrCode, ApiError> {
    let code: QrCode = parse_answer(answer)?;
    let drawable = code.url.starts_with("http") && code.url.len() <= MAX_URL_BYTES;
    if drawable { Ok(code) } else { Err(ApiError::Malformed(answer.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_cannot_be_drawn_is_no_answer() {
        let read = |url: &str| drawable_code(format!(r#"{{"ticket":"t","url":"{url}"}}"#).as_bytes());
        assert_eq!(read("http://weixin.qq.com/q/02").unwrap().url, "http://weixin.qq.com/q/02");
        for odd in ["", "weixin://q/02", &format!("http://{}", "q".repeat(MAX_URL_BYTES))] {
            assert!(matches!(read(odd), Err(ApiError::Malformed(_))), "{odd}");
        }
    }
}
