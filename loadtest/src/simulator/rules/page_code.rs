//! What may be asked of `getwxacodeunlimit`.
//!
//! Facts: "Get unlimited QR code" of developers.weixin.qq.com.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::refusal::Refusal;

const SCENE_LENGTH: std::ops::RangeInclusive<usize> = 1..=32;
const SCENE_MARKS: &[u8] = b"!#$&'()*+,/:;=?@-._~";
const WIDTH: std::ops::RangeInclusive<u32> = 280..=1280;
const DEFAULT_WIDTH: u32 = 430;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedPage {
    /// What the page is told.
    pub(crate) scene: String,
    /// The page.
    pub(crate) page: String,
    /// Which version of the mini program.
    pub(crate) version: Version,
    /// How wide the picture is, in pixels.
    pub(crate) width: u32,
    /// Whether it has no background.
    pub(crate) transparent: bool,
}

/// A version of a mini program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Release,
    Trial,
    Develop,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "release" => Some(Self::Release),
            "trial" => Some(Self::Trial),
            "develop" => Some(Self::Develop),
            _ => None,
        }
    }

    /// As the API spells it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Trial => "trial",
            Self::Develop => "develop",
        }
    }
}

impl WantedPage {
    /// Reads the body of a call for a mini program with these released pages.
    pub(crate) fn parse(body: &[u8], pages: &[String]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            scene: String,
            #[serde(default)]
            page: String,
            check_path: Option<bool>,
            env_version: Option<String>,
            width: Option<i64>,
            is_hyaline: Option<bool>,
            // A picture has no colours here, but they have to be well-formed.
            #[serde(rename = "auto_color")]
            _auto_color: Option<bool>,
            #[serde(rename = "line_color")]
            _line_color: Option<Map<String, Value>>,
        }
        let body: Body = serde_json::from_slice(body).map_err(|_| Refusal::DATA_FORMAT)?;
        if !SCENE_LENGTH.contains(&body.scene.chars().count()) {
            return Err(Refusal::SCENE_LENGTH);
        }
        if !body.scene.bytes().all(|byte| byte.is_ascii_alphanumeric() || SCENE_MARKS.contains(&byte)) {
            return Err(Refusal::SCENE);
        }
        let page = if body.page.is_empty() { pages.first().cloned().unwrap_or_default() } else { body.page };
        let released = || pages.contains(&page);
        if page.starts_with('/') || page.contains('?') || body.check_path.unwrap_or(true) && !released() {
            return Err(Refusal::PAGE);
        }
        let version = body.env_version.as_deref().map_or(Some(Version::Release), Version::parse);
        let width = u32::try_from(body.width.unwrap_or(DEFAULT_WIDTH.into())).ok();
        Ok(Self {
            scene: body.scene,
            page,
            version: version.ok_or(Refusal::ARGUMENT)?,
            width: width.filter(|width| WIDTH.contains(width)).ok_or(Refusal::ARGUMENT)?,
            transparent: body.is_hyaline.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Result<WantedPage, Refusal> {
        let pages = ["pages/index/index", "pages/login/login"].map(ToOwned::to_owned);
        WantedPage::parse(body.to_string().as_bytes(), &pages)
    }

    fn wanted(scene: &str) -> WantedPage {
        WantedPage {
            scene: scene.to_owned(),
            page: "pages/index/index".to_owned(),
            version: Version::Release,
            width: 430,
            transparent: false,
        }
    }

    #[test]
    fn a_scene_is_enough_and_opens_the_home_page() {
        let marks = "!#$&'()*+,/:;=?@-._~";
        for scene in ["a", "Zm9vYmFyLWJheg_-012345", &"x".repeat(32), marks] {
            assert_eq!(parse(&json!({ "scene": scene })), Ok(wanted(scene)));
        }
    }

    #[test]
    fn everything_else_can_be_chosen() {
        let body = json!({
            "scene": "a", "page": "pages/login/login", "env_version": "trial", "width": 280, "is_hyaline": true,
            "auto_color": false, "line_color": { "r": 0, "g": 0, "b": "0" }, "check_path": true,
        });
        let page = "pages/login/login".to_owned();
        let chosen = WantedPage { page, version: Version::Trial, width: 280, transparent: true, ..wanted("a") };
        assert_eq!(parse(&body), Ok(chosen));
        let unreleased = json!({ "scene": "a", "page": "pages/next", "check_path": false, "width": 1280 });
        assert_eq!(parse(&unreleased), Ok(WantedPage { page: "pages/next".to_owned(), width: 1280, ..wanted("a") }));
    }

    #[test]
    fn a_bad_wish_is_refused_as_wechat_does() {
        for (change, refusal) in [
            (json!({ "scene": "" }), Refusal::SCENE_LENGTH),
            (json!({ "scene": "0b2b0b4e-3f0a-4c3c-9c5e-0f0a4c3c9c5e" }), Refusal::SCENE_LENGTH),
            (json!({ "scene": "%20" }), Refusal::SCENE),
            (json!({ "scene": "a b" }), Refusal::SCENE),
            (json!({ "scene": "登录" }), Refusal::SCENE),
            (json!({ "scene": 7 }), Refusal::DATA_FORMAT),
            (json!({ "page": "/pages/index/index" }), Refusal::PAGE),
            (json!({ "page": "/pages/index/index", "check_path": false }), Refusal::PAGE),
            (json!({ "page": "pages/index/index?a=b", "check_path": false }), Refusal::PAGE),
            (json!({ "page": "pages/next" }), Refusal::PAGE),
            (json!({ "env_version": "beta" }), Refusal::ARGUMENT),
            (json!({ "width": 279 }), Refusal::ARGUMENT),
            (json!({ "width": 1281 }), Refusal::ARGUMENT),
            (json!({ "width": -1 }), Refusal::ARGUMENT),
            (json!({ "width": "430" }), Refusal::DATA_FORMAT),
            (json!({ "is_hyaline": 1 }), Refusal::DATA_FORMAT),
            (json!({ "line_color": "#000" }), Refusal::DATA_FORMAT),
        ] {
            let mut body = json!({ "scene": "a" });
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert_eq!(parse(&body), Err(refusal), "{body}");
        }
        assert_eq!(WantedPage::parse(b"scene=a", &[]), Err(Refusal::DATA_FORMAT));
        assert_eq!(WantedPage::parse(b"{}", &[]), Err(Refusal::SCENE_LENGTH));
        assert_eq!(WantedPage::parse(br#"{"scene":"a"}"#, &[]), Err(Refusal::PAGE), "nothing is released");
    }
}
