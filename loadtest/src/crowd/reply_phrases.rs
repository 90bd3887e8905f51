//! How a phone's user understands the account's replies.

use scenecast_simulator::{MenuLink, PhoneScreen, menu_links};
use serde::Deserialize;

/// Phrases by which a phone understands the account's replies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyPhrases {
    /// Phrases that say that the user is logged in.
    pub accepted: Vec<String>,
    /// Phrases that ask the user to do the same again.
    pub again: Vec<String>,
}

impl Default for ReplyPhrases {
    /// Phrases of the product's own English texts.
    fn default() -> Self {
        Self {
            accepted: ["You are logged in.", "You have already logged in with this code."].map(str::to_owned).into(),
            again: ["Please scan again.", "Please send it again."].map(str::to_owned).into(),
        }
    }
}

/// What a reply of the account means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReplyMeaning {
    /// The user is logged in.
    Accepted,
    /// The account asks a question. These links answer it; there is at least one, and yes comes before no.
    Question(Vec<MenuLink>),
    /// The user has to do the same again.
    Again,
    /// Another text.
    Refused,
    /// No text of the account.
    Nothing,
}

impl ReplyPhrases {
    /// What the phone's user understands.
    pub(crate) fn understand(&self, screen: &PhoneScreen) -> ReplyMeaning {
        let PhoneScreen::Reply(text) = screen else { return ReplyMeaning::Nothing };
        let has_any = |phrases: &[String]| phrases.iter().any(|phrase| text.contains(phrase));
        if has_any(&self.accepted) {
            return ReplyMeaning::Accepted;
        }
        if has_any(&self.again) {
            return ReplyMeaning::Again;
        }
        match menu_links(text) {
            links if links.is_empty() => ReplyMeaning::Refused,
            links => ReplyMeaning::Question(links),
        }
    }
}
