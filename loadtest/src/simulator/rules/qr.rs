//! What may be asked of `qrcode/create`.
//!
//! Facts: "Create QR code" of developers.weixin.qq.com.

use std::time::Duration;

use serde::Deserialize;

use super::refusal::Refusal;

const DEFAULT_LIFE_SECS: u64 = 60;
const MAX_LIFE_SECS: u64 = 2_592_000;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedQr {
    /// The scene, as events name it.
    pub(crate) scene: String,
    /// Permanent if `None`.
    pub(crate) life: Option<Duration>,
}

impl WantedQr {
    /// Reads the body of `qrcode/create`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Body {
            expire_seconds: Option<u64>,
            action_name: String,
            action_info: ActionInfo,
        }
        #[derive(Deserialize)]
        struct ActionInfo {
            scene: Option<Scene>,
        }
        #[derive(Default, Deserialize)]
        struct Scene {
            scene_id: Option<u64>,
            scene_str: Option<String>,
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| Refusal::DATA_FORMAT)?;
        let scene = body.action_info.scene.unwrap_or_default();
        let number = |most: u64| {
            let id = scene.scene_id.filter(|id| (1..=most).contains(id));
            id.map(|id| id.to_string()).ok_or(Refusal::ACTION_INFO)
        };
        let text = || {
            let text = scene.scene_str.clone().filter(|text| (1..=64).contains(&text.chars().count()));
            text.ok_or(Refusal::ACTION_INFO)
        };
        let (scene, temporary) = match body.action_name.as_str() {
            "QR_SCENE" => (number(u32::MAX.into())?, true),
            "QR_STR_SCENE" => (text()?, true),
            "QR_LIMIT_SCENE" => (number(100_000)?, false),
            "QR_LIMIT_STR_SCENE" => (text()?, false),
            _ => return Err(Refusal::ACTION_NAME),
        };
        let life = body.expire_seconds.unwrap_or(DEFAULT_LIFE_SECS);
        if temporary && !(1..=MAX_LIFE_SECS).contains(&life) {
            return Err(Refusal::DATA_FORMAT);
        }
        Ok(Self { scene, life: temporary.then(|| Duration::from_secs(life)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(scene: &str, life: Option<u64>) -> WantedQr {
        WantedQr { scene: scene.to_owned(), life: life.map(Duration::from_secs) }
    }

    fn body(action: &str, scene: &str, rest: &str) -> String {
        format!(r#"{{"action_name":"{action}","action_info":{{"scene":{scene}}}{rest}}}"#)
    }

    #[test]
    fn what_is_asked_for_is_checked() {
        let long = format!(r#"{{"scene_str":"{}"}}"#, "景".repeat(64));
        let too_long = format!(r#"{{"scene_str":"{}"}}"#, "x".repeat(65));
        for (body, expected) in [
            (body("QR_STR_SCENE", r#"{"scene_str":"abc"}"#, r#","expire_seconds":120"#), Ok(wanted("abc", Some(120)))),
            (body("QR_STR_SCENE", r#"{"scene_str":"abc"}"#, ""), Ok(wanted("abc", Some(60)))),
            (body("QR_STR_SCENE", &long, ""), Ok(wanted(&"景".repeat(64), Some(60)))),
            (body("QR_SCENE", r#"{"scene_id":4294967295}"#, ""), Ok(wanted("4294967295", Some(60)))),
            (body("QR_LIMIT_SCENE", r#"{"scene_id":100000}"#, ""), Ok(wanted("100000", None))),
            (body("QR_LIMIT_STR_SCENE", r#"{"scene_str":"a"}"#, ""), Ok(wanted("a", None))),
            (
                body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":2592000"#),
                Ok(wanted("a", Some(2_592_000))),
            ),
            (body("QR_STR_SCENE", &too_long, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_STR_SCENE", r#"{"scene_str":""}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_STR_SCENE", r#"{"scene_id":1}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_STR_SCENE", "null", ""), Err(Refusal::ACTION_INFO)),
            (body("QR_SCENE", r#"{"scene_id":0}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_SCENE", r#"{"scene_id":4294967296}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_LIMIT_SCENE", r#"{"scene_id":100001}"#, ""), Err(Refusal::ACTION_INFO)),
            (body("QR_CODE", r#"{"scene_str":"a"}"#, ""), Err(Refusal::ACTION_NAME)),
            (body("QR_STR_SCENE", r#"{"scene_str":1}"#, ""), Err(Refusal::DATA_FORMAT)),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":2592001"#), Err(Refusal::DATA_FORMAT)),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":0"#), Err(Refusal::DATA_FORMAT)),
            (body("QR_STR_SCENE", r#"{"scene_str":"a"}"#, r#","expire_seconds":"60""#), Err(Refusal::DATA_FORMAT)),
            (r#"{"action_name":"QR_STR_SCENE"}"#.to_owned(), Err(Refusal::DATA_FORMAT)),
            ("{'action_name':'QR_SCENE'}".to_owned(), Err(Refusal::DATA_FORMAT)),
            (String::new(), Err(Refusal::DATA_FORMAT)),
        ] {
            assert_eq!(WantedQr::parse(body.as_bytes()), expected, "{body}");
        }
    }
}
