//! Events of a scene, as they are stored in its mailbox and published on its channel.

use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountName, DeliveryId, OpenId},
    numbers::Number,
    secret::Grant,
};

/// An event of a scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's number: microseconds of Redis's clock, but at least one more than the number of the event before. It grows
    /// with each event of a scene, across failovers too, and fits a JavaScript number.
    #[serde(skip)]
    pub seq: u64,
    /// The delivery that caused it.
    pub delivery: DeliveryId,
    /// When the cause reached a pod, in unix milliseconds of that pod's clock.
    pub received_at: u64,
    /// The W3C trace context of the cause, if traces are exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    pub what: EventKind,
}

impl Event {
    /// This event as JSON, without `seq`. The bus stores `seq`, a space and this body as one line.
    pub fn body(&self) -> String {
        serde_json::to_string(self).expect("an event serializes: it has no maps")
    }

    /// Reads a line: `seq`, a space and the body. `None` if it is something else.
    pub fn parse(line: &str) -> Option<Self> {
        let (seq, body) = line.split_once(' ')?;
        let mut event: Self = serde_json::from_str(body).ok()?;
        event.seq = seq.parse().ok()?;
        Some(event)
    }
}

/// What happened, with what the page is told. An openid is never part of it: only callback and site may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A phone scanned the code; the login isn't confirmed yet.
    Scanned(Scan),
    /// The person confirmed the login; the page gets the grant.
    Confirmed(Login),
    Declined,
    /// The page gave up.
    Cancelled,
}

/// What a page is told of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The person, as the page shows them.
    pub profile: Profile,
    /// The number that the page shows, if number matching is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Number>,
}

/// How the page shows a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The name to show. A page never gets an empty name.
    pub name: String,
    /// An `https:` or `data:` URL of a picture; empty if there is none.
    pub avatar: String,
}

/// What the page of a confirmed scene gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The person, as the page shows them.
    pub profile: Profile,
    /// The site's backend redeems it.
    pub grant: Grant,
    /// Whether the code was typed. Somebody may have typed the code of another person's page by mistake, so the page asks
    /// before it continues.
    #[serde(default)]
    pub typed: bool,
    /// Whether the site has marked this person as registered.
    #[serde(default)]
    pub registered: bool,
}

/// Who scanned or logged in. Only for the site's backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The account that the openid belongs to: the scene's account, or the mini program that is used in its place.
    pub account: AccountName,
    /// The person's id in this account.
    pub openid: OpenId,
    /// The person's id in all accounts of one Open Platform, if WeChat tells it.
    pub unionid: Option<String>,
    /// How to show the person.
    pub profile: Profile,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SceneId;

    /// The line that is stored.
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
                        let typed = number.is_some();
                        EventKind::Confirmed(Login { profile, grant: Grant::issue(scene), typed, registered: !typed })
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
