//! A webhook event as an HTTP request. No I/O.

use scenecast_scene::{OpenId, Profile};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::settings::{Endpoint, WebhookTarget};
use crate::{
    people::rfc3339,
    stores::{WebhookEvent, WebhookEventKind},
};

/// One request, without its signature.
#[derive(Debug)]
pub(super) struct WebhookRequest<'a> {
    pub(super) to: &'a Endpoint,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// What a form needs of an event's data.
#[derive(Deserialize)]
struct FormData {
    openid: OpenId,
    profile: Option<Profile>,
    scene: Option<String>,
}

/// An event, encoded for a site.
#[derive(Debug)]
pub(super) enum EncodedEvent<'a> {
    /// The request that delivers it.
    Request(WebhookRequest<'a>),
    /// The site doesn't want events of this kind (any more).
    NotWanted,
    /// The event's data has another form than this version writes.
    Unreadable,
}

/// Encodes an event for this target.
pub(super) fn encode<'a>(target: &'a WebhookTarget, event: &WebhookEvent) -> EncodedEvent<'a> {
    match target {
        WebhookTarget::Json(to) => {
            let body = json!({
                "type": format!("user.{}", event.kind.as_str()),
                "timestamp": rfc3339(event.created),
                "data": event.body,
            });
            EncodedEvent::Request(WebhookRequest { to, content_type: "application/json", body: body.to_string() })
        }
        WebhookTarget::Form { followed, unfollowed } => {
            let Ok(data) = FormData::deserialize(&event.body) else { return EncodedEvent::Unreadable };
            let (to, body) = match event.kind {
                WebhookEventKind::Followed => (followed, follow_form(&data)),
                WebhookEventKind::Unfollowed => (unfollowed, unfollow_form(&data)),
                WebhookEventKind::LoggedIn => return EncodedEvent::NotWanted,
            };
            EncodedEvent::Request(WebhookRequest { to, content_type: "application/x-www-form-urlencoded", body })
        }
    }
}

/// The fields that hand-made backends know.
fn follow_form(data: &FormData) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("phoneIme", data.openid.as_str())
        .append_pair("state", "1")
        // Country, province and city, which WeChat has left blank since 2021-10-20.
        .append_pair("location", "--")
        .append_pair("realName", data.profile.as_ref().map_or("", |profile| &profile.name))
        .append_pair("equipmentType", data.scene.as_deref().unwrap_or("0"))
        .finish()
}

fn unfollow_form(data: &FormData) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("phoneIme", data.openid.as_str())
        .append_pair("state", "0")
        .finish()
}

#[cfg(test)]
mod tests {
    use scenecast_scene::DeliveryId;
    use serde_json::{Value, json};

    use super::*;

    fn endpoint(path: &str) -> Endpoint {
        format!("https://www.example.com/{path}").try_into().unwrap()
    }

    fn form() -> WebhookTarget {
        WebhookTarget::Form { followed: endpoint("update"), unfollowed: endpoint("answer") }
    }

    fn event(kind: WebhookEventKind, body: Value) -> WebhookEvent {
        let delivery = DeliveryId::of(&["1"]);
        WebhookEvent { account: "demo".parse().unwrap(), kind, delivery, created: 1_800_000_000_000, body }
    }

    fn encoded(target: &WebhookTarget, event: &WebhookEvent) -> (String, String) {
        match encode(target, event) {
            EncodedEvent::Request(WebhookRequest { to, body, .. }) => (to.url().path().to_owned(), body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn json_has_the_kind_the_time_and_the_person() {
        let event = event(WebhookEventKind::LoggedIn, json!({ "openid": "oAnn", "profile": { "name": "安 😀" } }));
        let (path, body) = encoded(&WebhookTarget::Json(endpoint("hook?key=1")), &event);
        assert_eq!(path, "/hook");
        let expected = json!({
            "type": "user.logged_in",
            "timestamp": "2027-01-15T08:00:00Z",
            "data": { "openid": "oAnn", "profile": { "name": "安 😀" } },
        });
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    }

    #[test]
    fn a_form_has_the_fields_that_hand_made_backends_know() {
        let ann = json!({ "openid": "oAnn", "profile": { "name": "A&n=n 安", "avatar": "" }, "scene": "1489132234" });
        assert_eq!(
            encoded(&form(), &event(WebhookEventKind::Followed, ann.clone())),
            (
                "/update".to_owned(),
                "phoneIme=oAnn&state=1&location=--&realName=A%26n%3Dn+%E5%AE%89&equipmentType=1489132234".to_owned()
            )
        );
        let no_scene = json!({ "openid": "oAnn", "profile": null, "scene": null });
        assert!(
            encoded(&form(), &event(WebhookEventKind::Followed, no_scene)).1.ends_with("realName=&equipmentType=0")
        );
        assert_eq!(
            encoded(&form(), &event(WebhookEventKind::Unfollowed, ann)),
            ("/answer".to_owned(), "phoneIme=oAnn&state=0".to_owned())
        );
    }

    #[test]
    fn a_login_is_not_sent_as_a_form_and_data_without_a_person_is_unreadable() {
        let login = event(WebhookEventKind::LoggedIn, json!({ "openid": "oAnn" }));
        assert!(matches!(encode(&form(), &login), EncodedEvent::NotWanted));
        for body in [json!(null), json!("x"), json!({}), json!({ "openid": "not one" })] {
            assert!(matches!(encode(&form(), &event(WebhookEventKind::Followed, body)), EncodedEvent::Unreadable));
        }
    }
}
