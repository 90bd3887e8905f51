//! Texts that a stranger chose, as people see them: pages, phones and sites get the same. Nothing in them is invisible,
//! turns the text around it, breaks the line or covers the lines beside it. No I/O.
//!
//! | what | what becomes of it |
//! |---|---|
//! | blanks and line breaks of every kind, one or many | one blank |
//! | directions, zero-width characters, tags, controls, private characters | left out |
//! | the joiners and selectors of an emoji, the tags of a flag, the joiners of a script that needs them | kept there, and only there |
//! | marks above and below a character | the first four; none without a character to stand on |
//!
//! See docs/decisions/057-one-filter-for-the-texts-of-strangers.md.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier, ExtendedPictographic,
        GeneralCategory, NoncharacterCodePoint,
    },
};
use unicode_segmentation::UnicodeSegmentation;

/// No language writes more marks on one character (Unicode Technical Standard 39, 5.4).
const MAX_MARKS: usize = 4;

/// A phone shows no longer text in one line or two.
const MAX_LINE_BYTES: usize = 128;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
/// The flags of England, Scotland and Wales: a black flag, and a name in tags. There are no other such flags.
const FLAGS_OF_TAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// The text as people see it; empty if they would see nothing.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = ShownText::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let taken = match FLAGS_OF_TAGS.into_iter().find(|flag| rest.starts_with(flag)) {
            Some(flag) => shown.push_flag(flag),
            None => shown.push(c, &rest[c.len_utf8()..]),
        };
        rest = &rest[taken..];
    }
    shown.text.truncate(shown.text.trim_end().len());
    shown.text
}

/// The beginning of a text: at most so many characters as people count them, and so many bytes. An emoji of several
/// parts is one character, and is not cut.
pub(crate) fn beginning(text: &str, max_characters: usize, max_bytes: usize) -> &str {
    let ends = text.grapheme_indices(true).map(|(start, character)| start + character.len());
    &text[..ends.take(max_characters).take_while(|end| *end <= max_bytes).last().unwrap_or(0)]
}

/// A text of which only one line is shown, of at most 128 bytes; `None` if people would see nothing.
pub(crate) fn line(text: &str) -> Option<String> {
    let text = visible(text);
    let line = beginning(&text, MAX_LINE_BYTES, MAX_LINE_BYTES).trim_end();
    (!line.is_empty()).then(|| line.to_owned())
}

/// What a person meant to type: without what keyboards, chats and pages add to a text that is copied. That is what
/// nobody can see, and blanks, quotes, brackets and the ends of sentences around it. Empty for a text of more than 256
/// bytes, which is neither a code nor an answer.
///
/// Question marks stay: “yes?” is no answer. So do `]` and `>`, which may be left of a message that somebody broke.
pub(crate) fn meant(typed: &str) -> String {
    const MAX_BYTES: usize = 256;
    if typed.len() > MAX_BYTES {
        return String::new();
    }
    let is_around = |c: char| {
        c.is_whitespace()
            || ".,!;:。，！；：．、｡､…~～·•\"'`“”‘’„«»‹›「」『』﹁﹂《》〈〉＂＇()（）【】〔〕［］".contains(c)
    };
    // The parts of a keycap, such as 1️⃣, that aren't its digit.
    let is_of_keycap = |c: char| matches!(c, '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}');
    visible(typed).replace(is_of_keycap, "").trim_matches(is_around).to_owned()
}

/// What is shown so far.
#[derive(Default)]
struct ShownText {
    text: String,
    /// The last character that isn't a selector, a modifier or a joiner of the one before it.
    base: Option<char>,
    /// How many marks stand on it.
    marks: usize,
}

impl ShownText {
    /// Shows a character, or leaves it out; `rest` comes after it. Returns the bytes that it has in the original.
    fn push(&mut self, c: char, rest: &str) -> usize {
        match Role::of(c) {
            Role::Blank => self.push_blank(),
            Role::Selector if self.text.ends_with(is_emoji) => self.text.push(c),
            Role::Joiner if self.joins(c, rest.chars().next()) => self.text.push(c),
            Role::Modifier if self.base.is_some_and(is_pictograph) => self.text.push(c),
            Role::Invisible | Role::Selector | Role::Joiner => {}
            Role::Mark => self.push_mark(c),
            Role::Modifier | Role::Character => self.push_base(c),
        }
        c.len_utf8()
    }

    fn push_flag(&mut self, flag: &str) -> usize {
        self.text.push_str(flag);
        self.base = flag.chars().next();
        self.marks = 0;
        flag.len()
    }

    fn push_base(&mut self, c: char) {
        self.text.push(c);
        self.base = Some(c);
        self.marks = 0;
    }

    fn push_blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
        self.base = None;
    }

    fn push_mark(&mut self, c: char) {
        self.marks += 1;
        if self.base.is_some() && self.marks <= MAX_MARKS {
            self.text.push(c);
        }
    }

    /// Whether a joiner here joins two emoji, or shapes a letter of an Indic script.
    fn joins(&self, joiner: char, next: Option<char>) -> bool {
        let joins_emoji = joiner == ZERO_WIDTH_JOINER
            && !self.text.ends_with(joiner)
            && self.base.is_some_and(is_pictograph)
            && next.is_some_and(is_pictograph);
        joins_emoji || self.text.ends_with(is_virama)
    }
}

/// What a character does to the text.
enum Role {
    Blank,
    Invisible,
    /// Chooses between two looks of an emoji.
    Selector,
    Joiner,
    /// The colour of a person's skin.
    Modifier,
    /// Takes no place of its own.
    Mark,
    Character,
}

impl Role {
    fn of(c: char) -> Self {
        match c {
            // Braille without dots and a note without a head look like blanks.
            '\u{2800}' | '\u{1d159}' => return Self::Blank,
            c if c.is_whitespace() => return Self::Blank,
            c if c.is_ascii_graphic() => return Self::Character,
            '\u{fe0e}' | '\u{fe0f}' => return Self::Selector,
            ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER => return Self::Joiner,
            // It stands in for something that isn't in the text.
            '\u{fffc}' => return Self::Invisible,
            _ => {}
        }
        let is_invisible = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
            || CodePointSetData::new::<NoncharacterCodePoint>().contains(c);
        match CodePointMapData::<GeneralCategory>::new().get(c) {
            _ if is_invisible => Self::Invisible,
            GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::PrivateUse => Self::Invisible,
            GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => Self::Mark,
            _ if CodePointSetData::new::<EmojiModifier>().contains(c) => Self::Modifier,
            _ => Self::Character,
        }
    }
}

fn is_emoji(c: char) -> bool {
    CodePointSetData::new::<Emoji>().contains(c)
}

fn is_pictograph(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_typed_text_is_left_out() {
        for typed in [
            "1234",
            " 1234\n",
            "1234。",
            "“1234”",
            "「1234」！",
            "'1234'",
            "（1234）",
            "【1234】，",
            "\u{feff}1234",
            "12\u{200b}34\u{200d}",
            "\u{2068}1234\u{2069}",
            "1234\u{0}",
            "1\u{fe0f}\u{20e3}2\u{fe0f}\u{20e3}34",
            "1\u{ad}234",
        ] {
            assert_eq!(meant(typed), "1234", "{typed:?}");
        }
        for typed in ["1234?", "1234？", "1234]]>", "+1234", "a1234", "12。34", "<1234>"] {
            assert_eq!(meant(typed), typed);
        }
        for typed in ["", "。", "\u{200b}", &"1".repeat(257)] {
            assert_eq!(meant(typed), "", "{typed:?}");
        }
    }

    #[test]
    fn names_and_emoji_stay_as_they_are() {
        for text in [
            "Ann",
            "安 😀",
            "Ngô Thị Ánh",
            "Ngo\u{302} Thi\u{323} A\u{301}nh",
            "שָׁלוֹם",
            "محمد",
            "สมชาย ที่รัก",
            "क्षत्रिय",
            "ශ්\u{200d}රී ලංකා",
            "ক্\u{200c}ষ",
            "བསྒྲུབས",
            "👩\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🧑🏽\u{200d}🚀",
            "🧑🏻\u{200d}🤝\u{200d}🧑🏿",
            "🏳\u{fe0f}\u{200d}🌈",
            "🏴\u{200d}☠\u{fe0f}",
            "🇨🇳🇩🇪",
            FLAGS_OF_TAGS[1],
            "1\u{fe0f}\u{20e3}#\u{fe0f}\u{20e3}",
            "❤\u{fe0f}❤\u{fe0e}",
            "👍🏽",
            "<b>&\"\\",
            "①㊙️™",
            "ｗｉｄｅ",
        ] {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn nothing_invisible_is_left() {
        for (text, shown) in [
            ("evil\u{202e}nnA", "evilnnA"),
            ("\u{2066}\u{2067}\u{2068}A\u{2069}\u{202a}\u{202b}\u{202c}\u{202d}\u{200e}\u{200f}\u{61c}", "A"),
            ("A\u{200b}n\u{2060}n\u{feff}\u{ad}\u{180e}\u{34f}", "Ann"),
            ("A\u{200d}n\u{200c}n\u{200d}", "Ann"),
            ("A\u{e0001}\u{e0041}\u{e006e}\u{e007f}", "A"),
            ("🏴\u{e0041}\u{e006e}\u{e007f}", "🏴"),
            ("😀\u{e0041}\u{e0042}", "😀"),
            ("A\u{fe0f}\u{fe0f}n\u{fe00}\u{fe01}\u{e0100}n\u{e01ef}", "Ann"),
            ("😀\u{fe0f}\u{fe0f}\u{fe0f}\u{fe0e}", "😀\u{fe0f}"),
            ("😀\u{200d}\u{200d}😀\u{200d}", "😀\u{200d}😀"),
            ("😀\u{200d}A", "😀A"),
            ("\u{3164}\u{115f}\u{1160}\u{ffa0}", ""),
            ("\u{2800}\u{2800}", ""),
            ("\u{1d159}\u{1d159}", ""),
            ("A\u{fff9}n\u{fffa}n\u{fffb}\u{fffc}", "Ann"),
            ("A\u{e000}\u{f8ff}\u{100000}\u{fdd0}\u{ffff}\u{10ffff}", "A"),
            ("A\u{0}\u{7}\u{1b}[31m\u{7f}\u{9b}", "A[31m"),
            ("\u{17b4}\u{17b5}\u{206a}\u{206f}\u{1d173}", ""),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn blanks_and_line_breaks_are_one_blank() {
        for (text, shown) in [
            ("  A \t\r\n n\u{b}\u{c}n \n", "A n n"),
            ("A\u{85}n\u{2028}n\u{2029}", "A n n"),
            ("A\u{3000}\u{2003}\u{a0}\u{202f}n", "A n"),
            ("A\u{2800}n", "A n"),
            ("A \u{200b} n", "A n"),
            (" \u{200b}\u{3000}", ""),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn marks_do_not_cover_the_lines_beside_them() {
        let flood = |mark: char| mark.to_string().repeat(200);
        for mark in ['\u{301}', '\u{323}', '\u{338}', '\u{20dd}', '\u{489}'] {
            let marks = mark.to_string().repeat(MAX_MARKS);
            assert_eq!(visible(&format!("A{}n", flood(mark))), format!("A{marks}n"), "{mark:?}");
            assert_eq!(visible(&flood(mark)), "", "{mark:?} stands on what was there before");
            assert_eq!(visible(&format!("A {}n", flood(mark))), "A n", "{mark:?}");
        }
        assert_eq!(
            visible("A\u{301}\u{200b}\u{301}\u{202e}\u{301}\u{200d}\u{301}\u{301}"),
            "A\u{301}\u{301}\u{301}\u{301}"
        );
    }

    #[test]
    fn a_text_is_cut_between_characters_as_people_count_them() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        assert_eq!(beginning(&family.repeat(5), 2, 1000), family.repeat(2));
        assert_eq!(beginning(&family.repeat(5), 9, family.len() * 2 + 3), family.repeat(2));
        assert_eq!(beginning("e\u{301}e\u{301}", 1, 100), "e\u{301}");
        assert_eq!(beginning("🇨🇳🇩🇪", 1, 100), "🇨🇳");
        assert_eq!(beginning("安安", 5, 4), "安");
        assert_eq!(beginning("安", 5, 2), "");
        assert_eq!(beginning("", 5, 2), "");
    }

    #[test]
    fn any_text_becomes_visible_or_empty() {
        bolero::check!().with_type().for_each(|text: &String| {
            let shown = visible(text);
            assert_eq!(visible(&shown), shown, "what is visible stays");
            assert!(shown.len() <= text.len() && shown.trim() == shown && !shown.contains(char::is_control));
            assert!(!shown.contains(['\u{202e}', '\u{200b}', '\u{2028}', '\n']));
            assert!(shown.starts_with(beginning(&shown, 8, 32)) && beginning(&shown, 8, 32).len() <= 32);
        });
    }
}
