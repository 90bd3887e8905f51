//! What is known of the page that shows a scene. The person is told before they confirm the login.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::checked_text;

/// The language of texts for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Zh,
    En,
}

impl Language {
    /// The language for a BCP 47 tag or a POSIX locale: Chinese for `zh`, English for all others.
    pub fn from_locale(locale: &str) -> Self {
        let language = locale.split(['-', '_', '.']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") { Self::Zh } else { Self::En }
    }
}

checked_text! {
    /// The id that a page of the compatible routes chose for its scene. It is only echoed to the site, and never used to
    /// find a scene.
    ChosenId, "a chosen id (1 to 64 visible ASCII characters)", |text| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    }
}

impl std::fmt::Debug for ChosenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The page that shows a scene, as its gateway saw it. Everything but the address is the browser's claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageInfo {
    /// The host of its origin, such as `www.example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The address of the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Browser and operating system, such as `Chrome, Windows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The language of the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// The id that the page chose (compatible routes only).
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
            assert_eq!(Language::from_locale(locale), language, "{locale}");
        }
    }

    #[test]
    fn a_page_of_which_nothing_is_known_is_an_empty_object() {
        assert_eq!(serde_json::to_string(&PageInfo::default()).unwrap(), "{}");
    }

    #[test]
    fn fields_of_a_newer_version_are_ignored() {
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
