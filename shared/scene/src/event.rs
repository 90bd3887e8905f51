//! What happens to a scene, as it is stored in the mailbox and rung on the channel.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountName, DeliveryId, OpenId},
    numbers::Number,
    secret::Grant,
};

/// One thing that happened to a scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Grows with each event of a scene, across failovers too: microseconds of Redis's clock, or
    /// one more than the last. Fits a JavaScript number.
    #[serde(skip)]
    pub seq: u64,
    /// The delivery that caused it.
    pub delivery: DeliveryId,
    /// When the cause reached us, in unix milliseconds of the receiving pod's clock.
    pub received_at: u64,
    /// The W3C trace context of the cause, where traces are exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What happened.
    pub what: EventKind,
}

impl Event {
    /// The text of this event without its `seq`, which whoever stores it puts in front.
    pub fn body(&self) -> String {
        serde_json::to_string(self).expect("an event has string keys only")
    }

    /// Reads `seq`, a space and the body. `None` if it isn't that.
    pub fn parse(line: &str) -> Option<Self> {
        let (seq, body) = line.split_once(' ')?;
        let mut event: Self = serde_json::from_str(body).ok()?;
        event.seq = seq.parse().ok()?;
        Some(event)
    }
}

/// What happened, and what the page is told of it. Never who it was: an openid stays between
/// callback and site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Somebody scanned, and has yet to confirm.
    Scanned(Scan),
    /// The login is confirmed; the grant is the page's to redeem.
    Confirmed(Login),
    /// Whoever scanned said no.
    Declined,
    /// The page gave up.
    Cancelled,
}

/// What a page is told of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Who is shown.
    pub profile: Profile,
    /// What the page shows, where the phone has to pick it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
}

/// How somebody is shown on the page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// A name to show; never empty where it reaches a page.
    pub name: String,
    /// An `https:` or `data:` address of a picture.
    pub avatar: String,
}

/// What a confirmed scene hands to its page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Who is shown.
    pub profile: Profile,
    /// To be redeemed by the site's backend.
    pub grant: Grant,
    /// Whether somebody typed the page's code, perhaps another than their own page's: the page asks
    /// before it goes on.
    #[serde(default)]
    pub typed: bool,
    /// Whether the site has said before that this person is registered.
    #[serde(default)]
    pub registered: bool,
}

/// Who logged in: for the site's backend only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The account whose openid it is: the scene's, or the mini program that stands in for it.
    pub account: AccountName,
    /// Who that is to the account.
    pub openid: OpenId,
    /// Who that is across the accounts of one Open Platform, where WeChat tells.
    pub unionid: Option<String>,
    /// How to show them.
    pub profile: Profile,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SceneId;

    /// As it is stored.
    fn line(event: &Event) -> String {
        format!("{} {}", event.seq, event.body())
    }

    #[test]
    fn any_event_is_one_line_and_reads_back() {
        let scene: SceneId = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        bolero::check!().with_type().for_each(
            |(seq, name, avatar, number, what): &(u64, String, String, Option<u8>, u8)| {
                let profile = Profile { name: name.clone(), avatar: avatar.clone() };
                let number = number.and_then(|number| number.try_into().ok());
                let what = match what % 4 {
                    0 => EventKind::Scanned(Scan { profile, number }),
                    1 => {
                        let (grant, typed) = (Grant::issue(scene), number.is_some());
                        EventKind::Confirmed(Login { profile, grant, typed, registered: !typed })
                    }
                    2 => EventKind::Declined,
                    _ => EventKind::Cancelled,
                };
                let delivery = DeliveryId::of(&[name]);
                let traceparent = number.is_some().then(|| avatar.clone());
                let event = Event { seq: *seq, delivery, received_at: *seq, traceparent, what };
                assert_eq!(line(&event).lines().count(), 1);
                assert_eq!(Event::parse(&line(&event)), Some(event));
            },
        );
    }

    #[test]
    fn any_line_is_an_event_or_none() {
        bolero::check!().for_each(|bytes: &[u8]| {
            if let Some(event) = std::str::from_utf8(bytes).ok().and_then(Event::parse) {
                assert_eq!(Event::parse(&line(&event)), Some(event));
            }
        });
    }
}
