//! An account's own words, by phrase and language.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use scenecast_scene::Language;
use serde::{Deserialize, de};

use super::{
    phrase::Phrase,
    template::{Placeholder, Template, TemplateError},
};

/// The phrases for which an account has its own words. For the others we use ours.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "BTreeMap<Phrase, TextSetting>")]
pub struct Texts(BTreeMap<(Phrase, Language), Template>);

/// An account's words that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", phrase.as_str())]
pub struct TextError {
    phrase: Phrase,
    source: TemplateError,
}

/// How a text is written in the configuration: one text for all languages, or a text for each of some languages.
enum TextSetting {
    All(String),
    Each(BTreeMap<Language, String>),
}

impl TryFrom<BTreeMap<Phrase, TextSetting>> for Texts {
    type Error = String;

    fn try_from(written: BTreeMap<Phrase, TextSetting>) -> Result<Self, String> {
        let mut texts = Self::default();
        let mut problems = BTreeSet::new();
        for (phrase, written) in written {
            let each = match written {
                TextSetting::All(text) => [Language::Zh, Language::En].map(|language| (language, text.clone())).into(),
                TextSetting::Each(each) => each,
            };
            for (language, text) in each {
                match texts.clone().with(phrase, language, &text) {
                    Ok(with) => texts = with,
                    Err(error) => drop(problems.insert(error.to_string())),
                }
            }
        }
        if problems.is_empty() { Ok(texts) } else { Err(problems.into_iter().collect::<Vec<_>>().join("; ")) }
    }
}

impl Texts {
    /// Adds these words for a phrase in a language.
    pub fn with(mut self, phrase: Phrase, language: Language, text: &str) -> Result<Self, TextError> {
        let template = Template::parse(text, phrase.placeholders()).map_err(|source| TextError { phrase, source })?;
        self.0.insert((phrase, language), template);
        Ok(self)
    }

    /// The phrase in the account's words, or in ours if the account has none or nothing is left of its words; `None` if
    /// there are no words at all.
    pub(crate) fn say(
        &self,
        phrase: Phrase,
        language: Language,
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> Option<String> {
        let own = self.0.get(&(phrase, language)).and_then(|template| template.fill(&value));
        own.or_else(|| our_words(phrase, language)?.fill(&value))
    }
}

fn our_words(phrase: Phrase, language: Language) -> Option<Template> {
    let words = phrase.words(language)?;
    Some(Template::parse(words, phrase.placeholders()).expect("a test reads all of our own words"))
}

// Hand-written, because serde's error message for an untagged enum doesn't say what is expected.
impl<'de> Deserialize<'de> for TextSetting {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> de::Visitor<'de> for TextVisitor {
            type Value = TextSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or texts by language (zh, en)")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TextSetting, E> {
                Ok(TextSetting::All(text.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TextSetting, A::Error> {
                BTreeMap::deserialize(de::value::MapAccessDeserializer::new(map)).map(TextSetting::Each)
            }
        }

        from.deserialize_any(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    const LANGUAGES: [Language; 2] = [Language::Zh, Language::En];

    fn texts(json: &str) -> Result<Texts, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn named(open: Placeholder) -> Option<String> {
        (open == Placeholder::Name).then(|| "安".to_owned())
    }

    #[test]
    fn our_words_say_something_even_if_no_placeholder_has_a_value() {
        for (phrase, language) in Phrase::VARIANTS.iter().copied().flat_map(|phrase| LANGUAGES.map(|it| (phrase, it))) {
            let said = Texts::default().say(phrase, language, |_| None);
            assert_eq!(said.is_none(), phrase == Phrase::AutoReply, "{phrase:?}");
            assert!(said.is_none_or(|said| !said.contains(['{', '}'])), "{phrase:?}");
        }
    }

    #[test]
    fn each_phrase_has_the_same_word_in_the_configuration() {
        for phrase in Phrase::VARIANTS.iter().copied() {
            let read: Phrase = serde_json::from_value(phrase.as_str().into()).unwrap();
            assert_eq!(read, phrase);
        }
    }

    #[test]
    fn a_text_is_for_all_languages_or_for_one() {
        let texts = texts(r#"{"welcome": "Hi {name}", "taken": {"en": "Too late."}}"#).unwrap();
        for language in LANGUAGES {
            assert_eq!(texts.say(Phrase::Welcome, language, named).unwrap(), "Hi 安");
        }
        assert_eq!(texts.say(Phrase::Taken, Language::En, named).unwrap(), "Too late.");
        assert!(texts.say(Phrase::Taken, Language::Zh, named).unwrap().contains("他人"));
    }

    #[test]
    fn our_words_are_used_if_nothing_is_left_of_the_accounts_words() {
        let texts = texts(r#"{"welcome": "{site}"}"#).unwrap();
        assert_eq!(texts.say(Phrase::Welcome, Language::En, named).unwrap(), "Welcome!");
    }

    #[test]
    fn an_error_names_the_words_that_cannot_be_used() {
        for (json, named) in [
            (r#"{"welcome": "{nmae}"}"#, "welcome: there is no placeholder {nmae}"),
            (r#"{"welcome": "{logins}"}"#, "welcome: {logins} is not known when this is said"),
            (r#"{"taken": {"en": "{address}"}}"#, "taken: {address} is not known when this is said"),
            (r#"{"welcome": ""}"#, "welcome: must not be empty"),
            (r#"{"confirm": "{"}"#, "confirm: has a single brace; write {{ or }} for one that is to be shown"),
            (r#"{"hello": "x"}"#, "hello"),
            (r#"{"welcome": 7}"#, "a text, or texts by language (zh, en)"),
            (r#"{"welcome": {"fr": "x"}}"#, "fr"),
        ] {
            let error = texts(json).unwrap_err();
            assert!(error.contains(named), "{json}: {error}");
        }
    }
}
