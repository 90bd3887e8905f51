//! The JSON document about a person, the same in answers to the site and in webhooks. No I/O.

use scenecast_scene::{AccountName, Language, OpenId, Profile};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::profile::stored_profile;
use crate::stores::User;

/// What a site is told about a person.
#[derive(Serialize)]
pub(crate) struct UserDocument<'a> {
    account: &'a AccountName,
    openid: &'a OpenId,
    unionid: Option<&'a str>,
    /// As pages show the person; `null` after the person has unfollowed.
    profile: Option<Profile>,
    /// `null` if WeChat hasn't said whether the person follows.
    following: Option<bool>,
    registered: bool,
    logins: u64,
    first_seen: String,
    last_login: Option<String>,
}

impl<'a> UserDocument<'a> {
    pub(crate) fn new(account: &'a AccountName, openid: &'a OpenId, user: &'a User, language: Language) -> Self {
        let following = user.follow.map(|follow| follow.follows);
        Self {
            account,
            openid,
            unionid: user.unionid.as_deref(),
            profile: (following != Some(false)).then(|| stored_profile(openid, Some(user), language)),
            following,
            registered: user.registered,
            logins: user.logins,
            first_seen: rfc3339(user.first_seen),
            last_login: user.last_login.map(rfc3339),
        }
    }
}

/// A unix time in milliseconds as RFC 3339 writes it; empty if no calendar has it.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(user: &User) -> serde_json::Value {
        let (account, openid) = ("demo".parse().unwrap(), "oAnn".parse().unwrap());
        serde_json::to_value(UserDocument::new(&account, &openid, user, Language::En)).unwrap()
    }

    #[test]
    fn a_new_person_has_a_generated_profile_and_nothing_else() {
        let document = document(&User::first_seen(1_800_000_000_123));
        assert!(document["profile"]["name"].as_str().unwrap().starts_with("WeChat user "));
        assert_eq!(document["first_seen"], "2027-01-15T08:00:00.123Z");
        assert_eq!((&document["following"], &document["unionid"]), (&json!(null), &json!(null)));
        assert_eq!((&document["registered"], &document["logins"]), (&json!(false), &json!(0)));
        assert_eq!(document["last_login"], json!(null));
    }

    #[test]
    fn what_wechat_told_is_shown_until_the_person_unfollows() {
        let mut user = User::first_seen(0);
        let told = Profile { name: "Ann".into(), avatar: "https://a.cn/ann".into() };
        user.set_profile(Some("union".into()), told.clone(), 0);
        user.set_followed(10);
        assert_eq!(document(&user)["profile"], json!(told));
        assert_eq!((&document(&user)["following"], &document(&user)["unionid"]), (&json!(true), &json!("union")));
        user.set_unfollowed(20);
        assert_eq!((&document(&user)["following"], &document(&user)["unionid"]), (&json!(false), &json!(null)));
        assert_eq!(document(&user)["profile"], json!(null));
    }

    #[test]
    fn a_time_that_no_calendar_has_is_an_empty_text() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(u64::MAX), "");
    }
}
