//! The reply to one message: nothing but an acknowledgement, or a phrase in the account's words and the page's
//! language.

use scenecast_scene::{Language, SceneId, SceneSnapshot};
use time::OffsetDateTime;

use super::{answer::LoginAnswer, geo::GeoDatabase, phrase::Phrase, template::Placeholder, texts::Texts};
use crate::clock::CHINA;

/// The reply to a message.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// The phone shows a text.
    Say { phrase: Phrase, text: String },
    /// WeChat hears that we have the message, and the phone shows nothing.
    Acknowledge,
}

impl Reply {
    /// Its word in logs and metrics.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Say { phrase, .. } => phrase.as_str(),
            Self::Acknowledge => "acknowledged",
        }
    }
}

/// What a text may tell about the login.
#[derive(Clone, Copy, Default)]
pub(crate) struct ReplyFacts<'a> {
    /// The scene, and its state. The caller leaves it out if the person may not learn about the page.
    pub(crate) scene: Option<(SceneId, &'a SceneSnapshot)>,
    /// How often the person has logged in, with this time.
    pub(crate) logins: Option<u64>,
}

/// Writes the replies to one message.
#[derive(Clone, Copy)]
pub(crate) struct ReplyWriter<'a> {
    pub(crate) texts: &'a Texts,
    /// The account's language, for messages without a page, and for pages that have none.
    pub(crate) language: Language,
    /// The site's name, as the account has it.
    pub(crate) site: Option<&'a str>,
    pub(crate) geo_database: Option<&'a GeoDatabase>,
    /// The message's `CreateTime`, in unix seconds.
    pub(crate) sent: u64,
}

impl ReplyWriter<'_> {
    /// Writes this phrase. The reply only acknowledges where there are no words for it. `name` is how the person is
    /// shown; it is asked only if the text needs it.
    pub(crate) fn write(self, phrase: Phrase, facts: &ReplyFacts<'_>, name: impl Fn() -> String) -> Reply {
        let page = facts.scene.map(|(_, snapshot)| snapshot.page()).unwrap_or_default();
        let language = page.language.unwrap_or(self.language);
        // Who hides something of a page has the phone say so. A line that is missing would not be noticed.
        let of_page = |value: Option<String>| value.or_else(|| facts.scene.map(|_| unknown(language).to_owned()));
        let link = |answer: LoginAnswer| facts.scene.map(|(scene, _)| answer.link(scene, language));
        let text = self.texts.say(phrase, language, |placeholder| match placeholder {
            Placeholder::Name => Some(name()),
            Placeholder::Site => self.site.map(str::to_owned).or_else(|| of_page(page.host.clone())),
            Placeholder::Time => Some(time_of_day(self.sent, language)),
            Placeholder::Host => of_page(page.host.clone()),
            Placeholder::Address => of_page(page.address.map(|address| address.to_canonical().to_string())),
            Placeholder::Place => self.geo_database?.place(page.address?, language),
            Placeholder::Browser => of_page(page.browser.clone()),
            Placeholder::Logins => facts.logins.map(|logins| logins.to_string()),
            Placeholder::Confirm => link(LoginAnswer::Yes),
            Placeholder::Decline => link(LoginAnswer::No),
            Placeholder::Choices => {
                let links = facts.scene?.1.choices()?.map(|number| link(LoginAnswer::Pick(number)));
                links.into_iter().collect::<Option<Vec<_>>>().map(|links| links.join("\n\n"))
            }
        });
        text.map_or(Reply::Acknowledge, |text| Reply::Say { phrase, text })
    }
}

/// What is said of a page's site, address or browser that isn't known.
fn unknown(language: Language) -> &'static str {
    match language {
        Language::Zh => "未知",
        Language::En => "unknown",
    }
}

/// The time of day in China, where most of WeChat's users are. A time that no calendar has is shown as that of
/// 1970-01-01 in UTC.
fn time_of_day(unix: u64, language: Language) -> String {
    let at = i64::try_from(unix).ok().and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok());
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH).to_offset(CHINA);
    let (hour, minute) = (at.hour(), at.minute());
    match language {
        Language::Zh => format!("{hour:02}:{minute:02}（北京时间）"),
        Language::En => format!("{hour:02}:{minute:02} (UTC+8)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_chinas_and_the_text_says_so() {
        for (unix, clock) in
            [(0, "08:00"), (57_599, "23:59"), (57_600, "00:00"), (1_800_000_000, "16:00"), (u64::MAX, "08:00")]
        {
            assert_eq!(time_of_day(unix, Language::En), format!("{clock} (UTC+8)"));
            assert_eq!(time_of_day(unix, Language::Zh), format!("{clock}（北京时间）"));
        }
    }
}
