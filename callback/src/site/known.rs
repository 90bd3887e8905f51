//! What a site is told of somebody, alike in answers and in webhooks. No I/O.

use scenecast_shared::{
    scene::{AccountName, Language, OpenId, Profile},
    store::User,
};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::profile::profile_on_record;

/// What is known of somebody.
#[derive(Serialize)]
pub(crate) struct Known<'a> {
    account: &'a AccountName,
    openid: &'a OpenId,
    unionid: Option<&'a str>,
    /// As pages show them; none of who doesn't follow any more.
    profile: Option<Profile>,
    /// Nothing where WeChat hasn't said.
    following: Option<bool>,
    registered: bool,
    logins: u64,
    first_seen: String,
    last_login: Option<String>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(account: &'a AccountName, openid: &'a OpenId, user: &'a User, language: Language) -> Self {
        let following = user.follow.map(|follow| follow.follows);
        Self {
            account,
            openid,
            unionid: user.unionid.as_deref(),
            profile: (following != Some(false)).then(|| profile_on_record(openid, Some(user), language)),
            following,
            registered: user.registered,
            logins: user.logins,
            first_seen: rfc3339(user.first_seen),
            last_login: user.last_login.map(rfc3339),
        }
    }
}

/// Unix milliseconds as RFC 3339 writes them.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known(user: &User) -> serde_json::Value {
        let (account, openid) = ("demo".parse().unwrap(), "oAnn".parse().unwrap());
        serde_json::to_value(Known::new(&account, &openid, user, Language::En)).unwrap()
    }

    #[test]
    fn somebody_new_has_a_generated_profile_and_no_more() {
        let known = known(&User::seen(1_800_000_000_123));
        assert!(known["profile"]["name"].as_str().unwrap().starts_with("WeChat user "));
        assert_eq!(known["first_seen"], "2027-01-15T08:00:00.123Z");
        assert_eq!((&known["following"], &known["unionid"]), (&json!(null), &json!(null)));
        assert_eq!((&known["registered"], &known["logins"]), (&json!(false), &json!(0)));
        assert_eq!(known["last_login"], json!(null));
    }

    #[test]
    fn what_wechat_told_is_shown_until_they_leave() {
        let mut user = User::seen(0);
        let told = Profile { name: "Ann".into(), avatar: "https://a.cn/ann".into() };
        user.profile_told(Some("union".into()), told.clone(), 0);
        user.followed(10);
        assert_eq!(known(&user)["profile"], json!(told));
        assert_eq!((&known(&user)["following"], &known(&user)["unionid"]), (&json!(true), &json!("union")));
        user.unfollowed(20);
        assert_eq!((&known(&user)["following"], &known(&user)["unionid"]), (&json!(false), &json!(null)));
        assert_eq!(known(&user)["profile"], json!(null));
    }

    #[test]
    fn a_time_that_no_calendar_has_is_empty() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(u64::MAX), "");
    }
}
