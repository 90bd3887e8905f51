//! An account's own words, by phrase and language.

use std::{collections::BTreeMap, fmt};

use scenecast_shared::scene::Language;
use serde::{Deserialize, de};

use crate::{
    phrase::Phrase,
    template::{BadTemplate, Placeholder, Template},
};

/// What an account says in words of its own; what isn't there is said in ours.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "BTreeMap<Phrase, Written>")]
pub struct Texts(BTreeMap<(Phrase, Language), Template>);

/// Why an account's words can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", phrase.word())]
pub struct BadText {
    phrase: Phrase,
    why: BadTemplate,
}

/// One text for all languages, or one each for some.
enum Written {
    All(String),
    Each(BTreeMap<Language, String>),
}

impl TryFrom<BTreeMap<Phrase, Written>> for Texts {
    type Error = BadText;

    fn try_from(written: BTreeMap<Phrase, Written>) -> Result<Self, BadText> {
        let mut texts = Self::default();
        for (phrase, written) in written {
            let each = match written {
                Written::All(text) => [Language::Zh, Language::En].map(|language| (language, text.clone())).into(),
                Written::Each(each) => each,
            };
            for (language, text) in each {
                texts = texts.with(phrase, language, &text)?;
            }
        }
        Ok(texts)
    }
}

impl Texts {
    /// The same, with these words for a phrase in a language.
    pub fn with(mut self, phrase: Phrase, language: Language, text: &str) -> Result<Self, BadText> {
        let template = Template::parse(text, phrase.placeholders()).map_err(|why| BadText { phrase, why })?;
        self.0.insert((phrase, language), template);
        Ok(self)
    }

    /// The phrase in these words, or in ours where nothing is left of them; `None` where there are none.
    pub(crate) fn say(
        &self,
        phrase: Phrase,
        language: Language,
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> Option<String> {
        let own = self.0.get(&(phrase, language)).and_then(|template| template.fill(&value));
        own.or_else(|| ours(phrase, language)?.fill(&value))
    }
}

fn ours(phrase: Phrase, language: Language) -> Option<Template> {
    let words = phrase.words(language)?;
    Some(Template::parse(words, phrase.placeholders()).expect("a test reads all of our own words"))
}

// By hand, because serde's own message for an untagged enum doesn't say what is expected.
impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> de::Visitor<'de> for Text {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or texts by language (zh, en)")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
                Ok(Written::All(text.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                BTreeMap::deserialize(de::value::MapAccessDeserializer::new(map)).map(Written::Each)
            }
        }

        from.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 2] = [Language::Zh, Language::En];

    fn texts(json: &str) -> Result<Texts, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn named(open: Placeholder) -> Option<String> {
        (open == Placeholder::Name).then(|| "安".to_owned())
    }

    #[test]
    fn all_of_our_own_words_say_something_even_if_nothing_is_known() {
        for (phrase, language) in Phrase::ALL.into_iter().flat_map(|phrase| LANGUAGES.map(|it| (phrase, it))) {
            let said = Texts::default().say(phrase, language, |_| None);
            assert_eq!(said.is_none(), phrase == Phrase::AutoReply, "{phrase:?}");
            assert!(said.is_none_or(|said| !said.contains(['{', '}'])), "{phrase:?}");
        }
    }

    #[test]
    fn each_phrase_has_a_word_that_the_settings_know_it_by() {
        for phrase in Phrase::ALL {
            let read: Phrase = serde_json::from_value(phrase.word().into()).unwrap();
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
    fn words_of_which_nothing_is_left_are_said_in_ours() {
        let texts = texts(r#"{"welcome": "{site}"}"#).unwrap();
        assert_eq!(texts.say(Phrase::Welcome, Language::En, named).unwrap(), "Welcome!");
    }

    #[test]
    fn words_that_cannot_be_used_are_named() {
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
