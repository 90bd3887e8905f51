//! What is posted to a site for a letter. No I/O.

use scenecast_shared::{
    scene::{OpenId, Profile},
    store::{Letter, LetterKind},
};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::known::rfc3339;
use crate::config::{Endpoint, Target};

/// One request.
#[derive(Debug)]
pub(super) struct Post<'a> {
    pub(super) to: &'a Endpoint,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// What a letter's body has to have for a form.
#[derive(Deserialize)]
struct Person {
    openid: OpenId,
    profile: Option<Profile>,
    scene: Option<String>,
}

/// What becomes of a letter.
#[derive(Debug)]
pub(super) enum Posting<'a> {
    /// It is posted.
    Post(Post<'a>),
    /// This site isn't told such things any more.
    Nothing,
    /// It was written by a version that writes others than this.
    Unreadable,
}

/// What is posted there for this letter.
pub(super) fn posting<'a>(target: &'a Target, letter: &Letter) -> Posting<'a> {
    match target {
        Target::Json(to) => {
            let body = json!({
                "type": format!("user.{}", letter.kind.word()),
                "timestamp": rfc3339(letter.created),
                "data": letter.body,
            });
            Posting::Post(Post { to, content_type: "application/json", body: body.to_string() })
        }
        Target::Form { followed, unfollowed } => {
            let Ok(person) = Person::deserialize(&letter.body) else { return Posting::Unreadable };
            let (to, body) = match letter.kind {
                LetterKind::Followed => (followed, follow_form(&person)),
                LetterKind::Unfollowed => (unfollowed, unfollow_form(&person)),
                LetterKind::LoggedIn => return Posting::Nothing,
            };
            Posting::Post(Post { to, content_type: "application/x-www-form-urlencoded", body })
        }
    }
}

/// The fields as hand-made backends know them.
fn follow_form(person: &Person) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("phoneIme", person.openid.as_str())
        .append_pair("state", "1")
        // Country, province and city, which WeChat has left blank since 2021-10-20.
        .append_pair("location", "--")
        .append_pair("realName", person.profile.as_ref().map_or("", |profile| &profile.name))
        .append_pair("equipmentType", person.scene.as_deref().unwrap_or("0"))
        .finish()
}

fn unfollow_form(person: &Person) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("phoneIme", person.openid.as_str())
        .append_pair("state", "0")
        .finish()
}

#[cfg(test)]
mod tests {
    use scenecast_shared::scene::DeliveryId;
    use serde_json::{Value, json};

    use super::*;

    fn endpoint(path: &str) -> Endpoint {
        format!("https://www.example.com/{path}").try_into().unwrap()
    }

    fn form() -> Target {
        Target::Form { followed: endpoint("update"), unfollowed: endpoint("answer") }
    }

    fn letter(kind: LetterKind, body: Value) -> Letter {
        let delivery = DeliveryId::of(&["1"]);
        Letter { account: "demo".parse().unwrap(), kind, delivery, created: 1_800_000_000_000, body }
    }

    fn post(target: &Target, letter: &Letter) -> (String, String) {
        match posting(target, letter) {
            Posting::Post(Post { to, body, .. }) => (to.url().path().to_owned(), body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn json_says_what_when_and_who() {
        let letter = letter(LetterKind::LoggedIn, json!({ "openid": "oAnn", "profile": { "name": "安 😀" } }));
        let (path, body) = post(&Target::Json(endpoint("hook?key=1")), &letter);
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
            post(&form(), &letter(LetterKind::Followed, ann.clone())),
            (
                "/update".to_owned(),
                "phoneIme=oAnn&state=1&location=--&realName=A%26n%3Dn+%E5%AE%89&equipmentType=1489132234".to_owned()
            )
        );
        let no_scene = json!({ "openid": "oAnn", "profile": null, "scene": null });
        assert!(post(&form(), &letter(LetterKind::Followed, no_scene)).1.ends_with("realName=&equipmentType=0"));
        assert_eq!(
            post(&form(), &letter(LetterKind::Unfollowed, ann)),
            ("/answer".to_owned(), "phoneIme=oAnn&state=0".to_owned())
        );
    }

    #[test]
    fn what_a_form_does_not_tell_is_not_posted_and_what_is_no_person_is_unreadable() {
        let login = letter(LetterKind::LoggedIn, json!({ "openid": "oAnn" }));
        assert!(matches!(posting(&form(), &login), Posting::Nothing));
        for body in [json!(null), json!("x"), json!({}), json!({ "openid": "not one" })] {
            assert!(matches!(posting(&form(), &letter(LetterKind::Followed, body)), Posting::Unreadable));
        }
    }
}
