//! What people answer to a question on the phone: how typed answers are read, and links in a reply that send an answer.
//! No I/O.

use icu_normalizer::ComposingNormalizer;
use scenecast_scene::{Language, Number, SceneId};

use crate::visible_text::meant;

/// Words for yes, in simplified and traditional characters.
const YES: &str = "1 一 y yes ok okay confirm 是 是的 是我 好 好的 对 对的 同意 确认 确定 确认登录 确定登录 \
    對 對的 確認 確定 確認登錄 確定登錄 確認登入 確定登入";
/// The same for no.
const NO: &str = "0 零 〇 2 二 n no decline cancel 不 不是 不是我 不对 不要 否 取消 拒绝 不同意 不确认 不登录 \
    不對 拒絕 不確認 不登錄 不登入";

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
    /// Reads an answer as people type it, in either language, in simplified or traditional characters, and with digits of
    /// every form; `None` for every other text.
    pub(crate) fn read(typed: &str) -> Option<Self> {
        let typed = plain(typed).to_lowercase();
        let is_among = |words: &str| words.split(' ').any(|word| word == typed);
        match typed.as_str() {
            _ if is_among(YES) => Some(Self::Yes),
            _ if is_among(NO) => Some(Self::No),
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

/// What a person meant to type, in the plain form of each character: full-width, circled, bracketed and with a full stop
/// are forms of a digit (Unicode's compatibility forms, NFKC).
fn plain(typed: &str) -> String {
    let typed: String = meant(typed).chars().map(digit_in_black_circle).collect();
    meant(&ComposingNormalizer::new_nfkc().normalize(&typed))
}

/// Some circled digits are no compatibility forms.
fn digit_in_black_circle(c: char) -> char {
    let first = match c {
        '❶'..='❾' => '❶',
        '➀'..='➈' => '➀',
        '➊'..='➒' => '➊',
        '⓵'..='⓽' => '⓵',
        '⓿' => return '0',
        _ => return c,
    };
    char::from_digit(u32::from(c) - u32::from(first) + 1, 10).unwrap_or(c)
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
    fn an_answer_is_read_in_traditional_characters_and_with_digits_of_every_form() {
        let yes = "确定 確定 確認 确认登录 確認登入 好的 好 對 是的。 ① ❶ ➀ ➊ ⓵ ⑴ ⒈ (1) 1️⃣ １． 𝟏 ㊀ 一 ＯＫ Ｙ";
        let no = "不對 拒絕 不要 不同意 ⓪ ⓿ 〇 零 ② ❷ ⑵ ⒉ ２。 二 Ｎｏ CANCEL";
        let pick = "⑤⑦ ❺❼ ５７ 5７ 𝟓𝟕 「⑤⑦」。";
        for (typed, answer) in [(yes, LoginAnswer::Yes), (no, LoginAnswer::No), (pick, LoginAnswer::Pick(number(57)))] {
            for typed in typed.split(' ') {
                assert_eq!(LoginAnswer::read(typed), Some(answer), "{typed}");
            }
        }
    }

    #[test]
    fn other_texts_are_not_answers() {
        for typed in [
            "",
            "yes ok",
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
            "好吗",
            "好的？",
            "不好",
            "③",
            "½",
            "确认不是我",
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
