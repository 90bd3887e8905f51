//! Answers on the phone: links in a reply that send one, and what counts as one when it is typed.
//! No I/O.

use scenecast_shared::scene::{Language, Number, SceneId};

/// What somebody answers who was asked about a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is them.
    Yes,
    /// It isn't them.
    No,
    /// This is the number that the page shows.
    Pick(Number),
}

impl Answer {
    /// Reads an answer as people type it, in either language; `None` for all other texts.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        // No answer is longer, and a text may be.
        if typed.len() > 64 {
            return None;
        }
        let ends = |c: char| c.is_whitespace() || matches!(c, '.' | '!' | '。' | '！' | '．');
        let typed: String = typed.trim_matches(ends).chars().map(narrow).collect();
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

    /// What its link shows, and sends. It has no spaces, which an address may not have.
    fn label(self, language: Language) -> String {
        match (self, language) {
            (Self::Yes, Language::Zh) => "确认登录".to_owned(),
            (Self::Yes, Language::En) => "Confirm".to_owned(),
            (Self::No, Language::Zh) => "不是我".to_owned(),
            (Self::No, Language::En) => "Decline".to_owned(),
            (Self::Pick(number), _) => number.to_string(),
        }
    }

    /// A link that sends this answer about a scene when it is touched. WeChat documents such links for
    /// menu messages (`msgmenu`), and shows them in text replies too.
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
            ("1", Answer::Yes),
            (" １ ", Answer::Yes),
            ("是", Answer::Yes),
            ("YES!", Answer::Yes),
            ("ｙｅｓ", Answer::Yes),
            ("确认。", Answer::Yes),
            ("0", Answer::No),
            ("2", Answer::No),
            ("不", Answer::No),
            ("No.", Answer::No),
            ("不是我", Answer::No),
            ("57", Answer::Pick(number(57))),
            ("５７\n", Answer::Pick(number(57))),
        ] {
            assert_eq!(Answer::read(typed), Some(answer), "{typed}");
        }
    }

    #[test]
    fn other_texts_are_no_answers() {
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
            "你好",
            "1\n2",
            &"1".repeat(60_000),
        ] {
            assert_eq!(Answer::read(typed), None, "{typed:.20}");
        }
    }

    #[test]
    fn what_a_link_sends_is_that_answer() {
        let scene: SceneId = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        for answer in [Answer::Yes, Answer::No, Answer::Pick(number(42))] {
            for language in LANGUAGES {
                assert_eq!(Answer::read(&answer.label(language)), Some(answer));
                let link = answer.link(scene, language);
                assert!(link.contains("&msgmenuid=AAAAAAAAAAAAAAAAAAAAAA\""), "{link}");
            }
        }
        assert_eq!(
            Answer::No.link(scene, Language::Zh),
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=不是我&msgmenuid=AAAAAAAAAAAAAAAAAAAAAA\">不是我</a>"
        );
    }
}
