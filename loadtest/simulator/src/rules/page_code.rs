//! The request of `getwxacodeunlimit`.
//!
//! Source: "Get unlimited QR code" of developers.weixin.qq.com.

use serde::Deserialize;
use serde_json::{Map, Value};
use strum::{Display, EnumString};

use super::refusal::ApiRefusal;

const SCENE_LENGTH: std::ops::RangeInclusive<usize> = 1..=32;
const SCENE_MARKS: &[u8] = b"!#$&'()*+,/:;=?@-._~";
const WIDTH: std::ops::RangeInclusive<u32> = 280..=1280;
const DEFAULT_WIDTH: u32 = 430;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageCodeRequest {
    /// The scene that the page receives.
    pub(crate) scene: String,
    /// The path of the page.
    pub(crate) page: String,
    pub(crate) version: MiniProgramVersion,
    /// The width of the picture, in pixels.
    pub(crate) width: u32,
    /// Whether the background is transparent.
    pub(crate) transparent: bool,
}

/// A version of a mini program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, Display)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum MiniProgramVersion {
    Release,
    Trial,
    Develop,
}

impl PageCodeRequest {
    /// Parses the body of a call for a mini program with these released pages.
    pub(crate) fn parse(body: &[u8], pages: &[String]) -> Result<Self, ApiRefusal> {
        #[derive(Deserialize)]
        struct PageCodeBody {
            #[serde(default)]
            scene: String,
            #[serde(default)]
            page: String,
            check_path: Option<bool>,
            env_version: Option<String>,
            width: Option<i64>,
            is_hyaline: Option<bool>,
            // The simulator draws black codes only, but the colours have to be well-formed.
            #[serde(rename = "auto_color")]
            _auto_color: Option<bool>,
            #[serde(rename = "line_color")]
            _line_color: Option<Map<String, Value>>,
        }
        let body: PageCodeBody = serde_json::from_slice(body).map_err(|_| ApiRefusal::DATA_FORMAT)?;
        if !SCENE_LENGTH.contains(&body.scene.chars().count()) {
            return Err(ApiRefusal::SCENE_LENGTH);
        }
        if !body.scene.bytes().all(|byte| byte.is_ascii_alphanumeric() || SCENE_MARKS.contains(&byte)) {
            return Err(ApiRefusal::SCENE);
        }
        let page = if body.page.is_empty() { pages.first().cloned().unwrap_or_default() } else { body.page };
        let released = || pages.contains(&page);
        if page.starts_with('/') || page.contains('?') || body.check_path.unwrap_or(true) && !released() {
            return Err(ApiRefusal::PAGE);
        }
        let version = body.env_version.as_deref().map_or(Ok(MiniProgramVersion::Release), str::parse);
        let width = u32::try_from(body.width.unwrap_or(DEFAULT_WIDTH.into())).ok();
        Ok(Self {
            scene: body.scene,
            page,
            version: version.map_err(|_| ApiRefusal::ARGUMENT)?,
            width: width.filter(|width| WIDTH.contains(width)).ok_or(ApiRefusal::ARGUMENT)?,
            transparent: body.is_hyaline.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<PageCodeRequest, ApiRefusal> {
        let pages = ["pages/index/index", "pages/login/login"].map(ToOwned::to_owned);
        PageCodeRequest::parse(body.to_string().as_bytes(), &pages)
    }

    fn request(scene: &str) -> PageCodeRequest {
        PageCodeRequest {
            scene: scene.to_owned(),
            page: "pages/index/index".to_owned(),
            version: MiniProgramVersion::Release,
            width: 430,
            transparent: false,
        }
    }

    #[test]
    fn a_scene_is_enough_and_opens_the_home_page() {
        let marks = "!#$&'()*+,/:;=?@-._~";
        for scene in ["a", "Zm9vYmFyLWJheg_-012345", &"x".repeat(32), marks] {
            assert_eq!(parse(&json!({ "scene": scene })), Ok(request(scene)));
        }
    }

    #[test]
    fn all_other_parameters_can_be_chosen() {
        let body = json!({
            "scene": "a", "page": "pages/login/login", "env_version": "trial", "width": 280, "is_hyaline": true,
            "auto_color": false, "line_color": { "r": 0, "g": 0, "b": "0" }, "check_path": true,
        });
        let page = "pages/login/login".to_owned();
        let chosen =
            PageCodeRequest { page, version: MiniProgramVersion::Trial, width: 280, transparent: true, ..request("a") };
        assert_eq!(parse(&body), Ok(chosen));
        let unreleased = json!({ "scene": "a", "page": "pages/next", "check_path": false, "width": 1280 });
        assert_eq!(
            parse(&unreleased),
            Ok(PageCodeRequest { page: "pages/next".to_owned(), width: 1280, ..request("a") })
        );
    }

    #[test]
    fn a_bad_request_gets_wechats_error() {
        for (change, refusal) in [
            (json!({ "scene": "" }), ApiRefusal::SCENE_LENGTH),
            (json!({ "scene": "0b2b0b4e-3f0a-4c3c-9c5e-0f0a4c3c9c5e" }), ApiRefusal::SCENE_LENGTH),
            (json!({ "scene": "%20" }), ApiRefusal::SCENE),
            (json!({ "scene": "a b" }), ApiRefusal::SCENE),
            (json!({ "scene": "登录" }), ApiRefusal::SCENE),
            (json!({ "scene": 7 }), ApiRefusal::DATA_FORMAT),
            (json!({ "page": "/pages/index/index" }), ApiRefusal::PAGE),
            (json!({ "page": "/pages/index/index", "check_path": false }), ApiRefusal::PAGE),
            (json!({ "page": "pages/index/index?a=b", "check_path": false }), ApiRefusal::PAGE),
            (json!({ "page": "pages/next" }), ApiRefusal::PAGE),
            (json!({ "env_version": "beta" }), ApiRefusal::ARGUMENT),
            (json!({ "width": 279 }), ApiRefusal::ARGUMENT),
            (json!({ "width": 1281 }), ApiRefusal::ARGUMENT),
            (json!({ "width": -1 }), ApiRefusal::ARGUMENT),
            (json!({ "width": "430" }), ApiRefusal::DATA_FORMAT),
            (json!({ "is_hyaline": 1 }), ApiRefusal::DATA_FORMAT),
            (json!({ "line_color": "#000" }), ApiRefusal::DATA_FORMAT),
        ] {
            let mut body = json!({ "scene": "a" });
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert_eq!(parse(&body), Err(refusal), "{body}");
        }
        assert_eq!(PageCodeRequest::parse(b"scene=a", &[]), Err(ApiRefusal::DATA_FORMAT));
        assert_eq!(PageCodeRequest::parse(b"{}", &[]), Err(ApiRefusal::SCENE_LENGTH));
        assert_eq!(PageCodeRequest::parse(br#"{"scene":"a"}"#, &[]), Err(ApiRefusal::PAGE), "nothing is released");
    }
}
