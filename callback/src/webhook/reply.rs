//! What is answered: nothing, or a phrase in the account's words and the page's language.

use std::time::Duration;

use scenecast_shared::scene::{Language, SceneId, Standing};

use super::delivery::Delivery;
use crate::{menu::Answer, phrase::Phrase, template::Placeholder};

/// What a message is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// A text.
    Say {
        /// What is said.
        phrase: Phrase,
        /// In which words.
        text: String,
    },
    /// That it was received.
    Acknowledge,
}

/// What a text may tell of.
#[derive(Default)]
pub(super) struct Facts<'a> {
    /// The scene, and how it stands.
    pub(super) scene: Option<(SceneId, &'a Standing)>,
    /// How often they have logged in.
    pub(super) logins: Option<u64>,
}

impl Reply {
    /// This phrase; nothing is said where there are no words for it.
    pub(super) fn of(phrase: Phrase, delivery: &Delivery<'_>, facts: &Facts<'_>) -> Self {
        let settings = &delivery.account.settings;
        let page = facts.scene.map(|(_, standing)| standing.page()).unwrap_or_default();
        let language = page.language.unwrap_or(settings.language);
        let link = |answer: Answer| facts.scene.map(|(scene, _)| answer.link(scene, language));
        let text = settings.texts.say(phrase, language, |placeholder| match placeholder {
            Placeholder::Name => Some(name(delivery, facts)),
            Placeholder::Site => settings.site.clone().or_else(|| page.host.clone()),
            Placeholder::Time => Some(time(Duration::from_secs(delivery.message.created), language)),
            Placeholder::Host => page.host.clone(),
            Placeholder::Address => page.address.map(|address| address.to_canonical().to_string()),
            Placeholder::Place => delivery.app.geo_database.as_ref()?.place(page.address?, language),
            Placeholder::Browser => page.browser.clone(),
            Placeholder::Logins => facts.logins.map(|logins| logins.to_string()),
            Placeholder::Confirm => link(Answer::Yes),
            Placeholder::Decline => link(Answer::No),
            Placeholder::Choices => {
                let links = facts.scene?.1.choices()?.map(|number| link(Answer::Pick(number)));
                links.into_iter().collect::<Option<Vec<_>>>().map(|links| links.join("\n\n"))
            }
        });
        text.map_or(Self::Acknowledge, |text| Self::Say { phrase, text })
    }

    /// Its word in logs and metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Say { phrase, .. } => phrase.word(),
            Self::Acknowledge => "acknowledged",
        }
    }
}

/// Their name as the page shows it, which stays the same when a message is delivered again.
fn name(delivery: &Delivery<'_>, facts: &Facts<'_>) -> String {
    let person = facts.scene.and_then(|(_, standing)| standing.person());
    let person = person.filter(|person| person.openid == *delivery.openid());
    person.map_or_else(|| delivery.shown().name, |person| person.profile.name)
}

/// The time of day in China, where WeChat's people mostly are.
fn time(unix: Duration, language: Language) -> String {
    const EAST: u64 = 8 * 60;
    let minutes = (unix.as_secs() / 60 + EAST) % (24 * 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    match language {
        Language::Zh => format!("{hours:02}:{minutes:02}（北京时间）"),
        Language::En => format!("{hours:02}:{minutes:02} (UTC+8)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_chinas_and_says_so() {
        for (unix, clock) in [(0, "08:00"), (57_599, "23:59"), (57_600, "00:00"), (1_800_000_000, "16:00")] {
            assert_eq!(time(Duration::from_secs(unix), Language::En), format!("{clock} (UTC+8)"));
            assert_eq!(time(Duration::from_secs(unix), Language::Zh), format!("{clock}（北京时间）"));
        }
    }
}
