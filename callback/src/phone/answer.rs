//! What people answer to a question on the phone: how typed answers are read, and links in a reply that send an answer.
//! No I/O.

use scenecast_scene::{Language, Number, SceneId};

use crate::visible_text::meant;

/// The answer of a person who was asked about a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginAnswer {
    /// The person wants to log in.
    Yes,
    /// The person doesn't want to log in.
    No,
    /// The page shows this number, the person says.
    Pick(Number),
}

impl LoginAnswer {
    /// Reads an answer as people type it, in either language; `None` for every other text.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        let typed: String = meant(typed).chars().map(narrow).collect();
        match typed.to_lowercase().as_str() {
            "1" | "y" | "yes" | "ok" | "是" | "是的" | "是我" | "确认" | "同意" | "确认登录" | "confirm" => {
                Some(Self::Yes)
            }
            "0" | "2" | "n" | "no" | "不" | "不是" | "否" | "取消" | "拒绝" | "不是我" | "decline" => {
                Some(Self::No)
            }
            digits if digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().map(Self::Pick)
            }
            _ => None,
        }
    }

    /// The text that its link shows and sends. It has no spaces, since an address may not have any.
    fn label(self, language: Language) -> String {
        match (self, language) {
            (Self::Yes, Language::Zh) => "确认登录".to_owned(),
            (Self::Yes, Language::En) => "Confirm".to_owned(),
            (Self::No, Language::Zh) => "不是我".to_owned(),
            (Self::No, Language::En) => "Decline".to_owned(),
            (Self::Pick(number), _) => number.to_string(),
        }
    }

    /// A link that sends this answer about a scene when the person touches it. WeChat documents such links for menu
    /// messages (`msgmenu`), and shows them in text replies too.
    pub(crate) fn link(self, scene: SceneId, language: Language) -> String {
        let label = self.label(language);
        format!("<a href=\"weixin://bizmsgmenu?msgmenucontent={label}&msgmenuid={scene}\">{label}</a>")
    }
}

/// The half-width form of a full-width letter or digit.
fn narrow(c: char) -> char {
    match c {
        '！'..='～' => char::from_u32(u32::from(c) - u32::from('！') + u32::from('!')).unwrap_or(c),
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 2] = [Language::Zh, Language::En];

    fn number(number: u8) -> Number {
        number.try_into().unwrap()
    }

    #[test]
    fn an_answer_is_read_as_people_type_it() {
        for (typed, answer) in [
            ("1", LoginAnswer::Yes),
            (" １ ", LoginAnswer::Yes),
            ("是", LoginAnswer::Yes),
            ("YES!", LoginAnswer::Yes),
            ("ｙｅｓ", LoginAnswer::Yes),
            ("确认。", LoginAnswer::Yes),
            ("0", LoginAnswer::No),
            ("2", LoginAnswer::No),
            ("不", LoginAnswer::No),
            ("No.", LoginAnswer::No),
            ("“是”", LoginAnswer::Yes),
            ("\u{200b}是\u{feff}，", LoginAnswer::Yes),
            ("「57」", LoginAnswer::Pick(number(57))),
            ("5\u{fe0f}\u{20e3}7\u{fe0f}\u{20e3}", LoginAnswer::Pick(number(57))),
            ("不是我", LoginAnswer::No),
            ("57", LoginAnswer::Pick(number(57))),
            ("５７\n", LoginAnswer::Pick(number(57))),
        ] {
            assert_eq!(LoginAnswer::read(typed), Some(answer), "{typed}");
        }
    }

    #[test]
    fn other_texts_are_not_answers() {
        for typed in [
            "",
            "!",
            "3",
            "09",
            "007",
            "057",
            "100",
            "+57",
            "-57",
            "5 7",
            "yes please",
            "是？",
            "yes?",
            "1]]>",
            "你好",
            "1\n2",
            &"1".repeat(60_000),
        ] {
            assert_eq!(LoginAnswer::read(typed), None, "{typed:.20}");
        }
    }

    #[test]
    fn a_link_sends_its_answer() {
        let scene: SceneId = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        for answer in [LoginAnswer::Yes, LoginAnswer::No, LoginAnswer::Pick(number(42))] {
            for language in LANGUAGES {
                assert_eq!(LoginAnswer::read(&answer.label(language)), Some(answer));
                let link = answer.link(scene, language);
                assert!(link.contains("&msgmenuid=AAAAAAAAAAAAAAAAAAAAAA\""), "{link}");
            }
        }
        assert_eq!(
            LoginAnswer::No.link(scene, Language::Zh),
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=不是我&msgmenuid=AAAAAAAAAAAAAAAAAAAAAA\">不是我</a>"
        );
    }
}
