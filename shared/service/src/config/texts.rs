//! Checks that any text of the configuration has to pass, whatever it is for. No I/O.

use toml::{Table, Value};

use super::{place::join, placeholder::is_placeholder};

/// The table of an account's own words, `accounts.<name>.texts`. Braces and blanks mean something else there, and the
/// words are checked where they are read. An account, a mini program or a site may have this name, too.
const WORDS: (&str, &str) = ("accounts.", ".texts");

/// A text that can't be meant, such as `bus.url` with a line break at its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadText {
    /// The place of the text.
    pub(super) place: String,
    /// Why it can't be used. The text isn't shown: it may be a secret.
    pub(super) problem: &'static str,
}

/// All texts that can't be meant.
pub(super) fn bad_texts(settings: &Table) -> Vec<BadText> {
    let mut found = vec![];
    find_below("", settings, &mut found);
    found
}

/// `above` is the table's place.
fn find_below(above: &str, settings: &Table, found: &mut Vec<BadText>) {
    for (name, value) in settings {
        find_in(&join(above, name), value, found);
    }
}

fn find_in(place: &str, value: &Value, found: &mut Vec<BadText>) {
    match value {
        Value::Table(_) if has_words(place) => {}
        Value::Table(settings) => find_below(place, settings, found),
        Value::Array(values) => values.iter().for_each(|value| find_in(place, value, found)),
        Value::String(text) => {
            found.extend(problem(text).map(|problem| BadText { place: place.to_owned(), problem }));
        }
        _ => {}
    }
}

fn has_words(place: &str) -> bool {
    let account = place.strip_prefix(WORDS.0).and_then(|rest| rest.strip_suffix(WORDS.1));
    account.is_some_and(|account| !account.contains('.'))
}

fn problem(text: &str) -> Option<&'static str> {
    if is_placeholder(text) {
        return Some("still has the placeholder of a template or an example; put the real value in its place");
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Some("is not UTF-8");
    }
    if text.starts_with(is_blank) || text.ends_with(is_blank) {
        return Some(
            "begins or ends with a blank or a line break, which editors and `echo` add; take it away (`printf %s` and \
             `echo -n` add none)",
        );
    }
    if text.contains(char::is_control) {
        return Some("has a line break or another control character in it");
    }
    let is_quoted = |mark| text.len() > 1 && text.starts_with(mark) && text.ends_with(mark);
    if is_quoted('"') || is_quoted('\'') {
        return Some("has quotation marks around it, which are a part of the value here; take them away");
    }
    None
}

/// Whether nobody sees this character: a blank, a line break, or one of no width.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(toml: &str) -> Vec<(String, &'static str)> {
        bad_texts(&toml::from_str(toml).unwrap()).into_iter().map(|bad| (bad.place, bad.problem)).collect()
    }

    #[test]
    fn what_files_editors_and_shells_add_to_a_value_is_found_wherever_it_is() {
        for (text, said) in [
            ("hush\\n", "line break"),
            ("hush\\r\\n", "line break"),
            (" hush", "blank"),
            ("hush ", "blank"),
            ("hush\\t", "blank"),
            (" ", "blank"),
            ("hush\\u00a0", "blank"),
            ("\\ufeffhush", "blank"),
            ("hush\\u200b", "blank"),
            ("hu\\nsh", "control"),
            ("hu\\u0000sh", "control"),
            ("hu\\ufffdsh", "UTF-8"),
            ("\\\"hush\\\"", "quotation marks"),
            ("'hush'", "quotation marks"),
        ] {
            for (place, toml) in [
                ("app_id", format!("app_id = \"{text}\"")),
                ("accounts.texts.token.previous", format!("[accounts.texts.token]\nprevious = \"{text}\"")),
                ("origins", format!("origins = [\"https://a.cn\", \"{text}\"]")),
            ] {
                let found = found(&toml);
                assert!(matches!(&*found, [(at, why)] if at == place && why.contains(said)), "{toml}: {found:?}");
            }
        }
        assert!(found("[accounts.demo.texts]\nwelcome = \" Hi!\\n{{name}} <b>\"").is_empty());
        assert!(found("a = 'hush hush'\nb = ''\nc = '\"'\nd = \"it's 'so'\"").is_empty());
    }

    #[test]
    fn all_of_them_are_found() {
        let places: Vec<_> = found("a = 'x '\n[b]\nc = '${X}'\nd = 5").into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["a", "b.c"]);
    }
}
