//! The request of `qrcode/create`.
//!
//! Source: "Create QR code" of developers.weixin.qq.com.

use std::time::Duration;

use serde::Deserialize;

use super::refusal::ApiRefusal;

const DEFAULT_LIFE_SECS: u64 = 60;
const MAX_LIFE_SECS: u64 = 2_592_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QrRequest {
    /// The scene, as events contain it.
    pub(crate) scene: String,
    /// How long the code is valid; `None` if it is permanent.
    pub(crate) life: Option<Duration>,
}

impl QrRequest {
    /// Parses the body of `qrcode/create`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiRefusal> {
        #[derive(Deserialize)]
        struct QrBody {
            expire_seconds: Option<u64>,
            action_name: String,
            action_info: ActionInfo,
        }
        #[derive(Deserialize)]
        struct ActionInfo {
            scene: Option<QrScene>,
        }
        #[derive(Default, Deserialize)]
        struct QrScene {
            scene_id: Option<u64>,
            scene_str: Option<String>,
        }
        let body: QrBody = serde_json::from_slice(body).map_err(|_| ApiRefusal::DATA_FORMAT)?;
        let scene = body.action_info.scene.unwrap_or_default();
        let number = |most: u64| {
            let id = scene.scene_id.filter(|id| (1..=most).contains(id));
            id.map(|id| id.to_string()).ok_or(ApiRefusal::ACTION_INFO)
        };
        let text = || {
            let text = scene.scene_str.clone().filter(|text| (1..=64).contains(&text.chars().count()));
            text.ok_or(ApiRefusal::ACTION_INFO)
        };
        let (scene, temporary) = match body.action_name.as_str() {
            "QR_SCENE" => (number(u32::MAX.into())?, true),
            "QR_STR_SCENE" => (text()?, true),
            "QR_LIMIT_SCENE" => (number(100_000)?, false),
            "QR_LIMIT_STR_SCENE" => (text()?, false),
            _ => return Err(ApiRefusal::ACTION_NAME),
        };
        let life = body.expire_seconds.unwrap_or(DEFAULT_LIFE_SECS);
        if temporary && !(1..=MAX_LIFE_SECS).contains(&life) {
            return Err(ApiRefusal::DATA_FORMAT);
        }
        Ok(Self { scene, life: temporary.then(|| Duration::from_secs(life)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(scene: &str, life: Option<u64>) -> QrRequest {
        QrRequest { scene: scene.to_owned(), life: life.map(Duration::from_secs) }
    }

    fn body(action: &str, scene: &str, rest: &str) -> String {
        format!(r#"{{"action_name":"{action}","action_info":{{"scene":{scene}}}{rest}}}"#)
    }

    #[test]
    fn requests_are_checked() {
        let long = format!(r#"{{"scene_str":"{}"}}"#, "景".repeat(64));
        let too_long = format!(r#"{{"scene_str":"{}"}}"#, "x".repeat(65));
        for (body, expected) in [
            (body("QR_STR_SCENE", r#"{"scene_str":"abc"}"#, r#","expire_seconds":120"#), Ok(request("abc", Some(120)))),
            (body("QR_STR_SCENE", r#"{"scene_str":"abc"}"#, ""), Ok(request("abc", Some(60)))),
            (body("QR_STR_SCENE", &long, ""), Ok(request(&"景".repeat(64), Some(60)))),
            (body("QR_SCENE", r#"{"scene_id":4294967295}"#, ""), Ok(request("4294967295", Some(60)))),
            (body("QR_LIMIT_SCENE", r#"{"scene_id":100000}"#, ""), Ok(request("100000", None))),
            (body("QR_LIMIT_STR_SCENE", r#"{"scene_str":"a"}"#, ""), Ok(request("a", None))),
            (
                body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":2592000"#),
                Ok(request("a", Some(2_592_000))),
            ),
            (body("QR_STR_SCENE", &too_long, ""), Err(ApiRefusal::ACTION_INFO)),
            (body("QR_STR_SCENE", r#"{"scene_str":""}"#, ""), Err(ApiRefusal::ACTION_INFO)),
            (body("QR_STR_SCENE", r#"{"scene_id":1}"#, ""), Err(ApiRefusal::ACTION_INFO)),
            (body("QR_STR_SCENE", "null", ""), Err(ApiRefusal::ACTION_INFO)),
            (body("QR_SCENE", r#"{"scene_id":0}"#, ""), Err(ApiRefusal::ACTION_INFO)),
            (body("QR_SCENE", r#"{"scene_id":4294967296}"#, ""), Err(ApiRefusal::ACTION_INFO)),
            (body("QR_LIMIT_SCENE", r#"{"scene_id":100001}"#, ""), Err(ApiRefusal::ACTION_INFO)),
            (body("QR_CODE", r#"{"scene_str":"a"}"#, ""), Err(ApiRefusal::ACTION_NAME)),
            (body("QR_STR_SCENE", r#"{"scene_str":1}"#, ""), Err(ApiRefusal::DATA_FORMAT)),
            (
                body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":2592001"#),
                Err(ApiRefusal::DATA_FORMAT),
            ),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":0"#), Err(ApiRefusal::DATA_FORMAT)),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":"60""#), Err(ApiRefusal::DATA_FORMAT)),
            (r#"{"action_name":"QR_STR_SCENE"}"#.to_owned(), Err(ApiRefusal::DATA_FORMAT)),
            ("{'action_name':'QR_SCENE'}".to_owned(), Err(ApiRefusal::DATA_FORMAT)),
            (String::new(), Err(ApiRefusal::DATA_FORMAT)),
        ] {
            assert_eq!(QrRequest::parse(body.as_bytes()), expected, "{body}");
        }
    }
}
