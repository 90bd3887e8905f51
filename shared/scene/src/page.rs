//! What is known of the page that shows a scene: whoever holds the phone is told before they say yes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::name;

/// A language that people are spoken to in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

impl Language {
    /// The language for a BCP 47 tag or POSIX locale: Chinese for Chinese, English for all others.
    pub fn of(locale: &str) -> Self {
        let language = locale.split(['-', '_', '.']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") { Self::Zh } else { Self::En }
    }
}

name! {
    /// What a page that chose its scene's name itself calls it (compatible routes only). Never trusted
    /// to find a scene.
    ChosenId, "a chosen id (1 to 64 visible ASCII characters)", |text| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    }
}

impl std::fmt::Debug for ChosenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The page that shows a scene, as its gateway saw it. All of it is what a browser says, but for the
/// address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageInfo {
    /// The host of its origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where its connection came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Its browser and system in two words, such as `Chrome, Windows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The language that it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// What it calls its scene.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen_id: Option<ChosenId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_chinese_or_english() {
        for (locale, language) in [
            ("zh-CN", Language::Zh),
            ("zh_TW.UTF-8", Language::Zh),
            ("ZH", Language::Zh),
            ("en-GB", Language::En),
            ("zhx", Language::En),
            ("", Language::En),
        ] {
            assert_eq!(Language::of(locale), language, "{locale}");
        }
    }

    #[test]
    fn a_page_of_which_nothing_is_known_is_short() {
        assert_eq!(serde_json::to_string(&PageInfo::default()).unwrap(), "{}");
    }

    #[test]
    fn what_a_newer_version_knows_of_a_page_is_passed_over() {
        let page: PageInfo = serde_json::from_str(r#"{"host":"a.cn","newer":1}"#).unwrap();
        assert_eq!(page, PageInfo { host: Some("a.cn".to_owned()), ..PageInfo::default() });
    }

    #[test]
    fn a_chosen_id_is_checked() {
        assert!("scene-1700000000123".parse::<ChosenId>().is_ok());
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<ChosenId>().is_err(), "{bad:?}");
        }
    }
}
