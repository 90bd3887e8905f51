//! What each message and each answer changes in a person's record.

use super::*;

fn user() -> User {
    User::first_seen(1_000)
}

fn follows(user: &User) -> Option<bool> {
    user.follow.map(|follow| follow.follows)
}

fn delivery(n: u64) -> DeliveryId {
    DeliveryId::of(&[&n.to_string()])
}

fn known() -> User {
    let mut user = user();
    let profile = Profile { name: "Ann".into(), avatar: "https://a.cn/ann".into() };
    user.set_profile(Some("union".into()), profile, 2_000);
    user
}

#[test]
fn a_new_record_is_empty() {
    let user = user();
    assert_eq!((user.first_seen, user.follow, user.registered, user.logins), (1_000, None, false, 0));
    assert_eq!((user.last_login, user.unionid, user.wechat_profile), (None, None, None));
}

#[test]
fn an_older_message_changes_nothing() {
    let mut user = known();
    user.set_unfollowed(20);
    user.set_followed(10);
    assert_eq!(follows(&user), Some(false), "unfollow came first");
    user.set_followed(30);
    user.set_unfollowed(20);
    assert_eq!(follows(&user), Some(true), "a redelivery");
    let mut known = known();
    known.set_followed(30);
    known.set_unfollowed(20);
    assert!(known.wechat_profile.is_some() && known.unionid.is_some(), "an old unfollow deletes nothing");
}

#[test]
fn within_one_second_the_order_of_arrival_does_not_matter() {
    let (mut one, mut other) = (known(), known());
    one.set_followed(10);
    one.set_unfollowed(10);
    other.set_unfollowed(10);
    other.set_followed(10);
    assert_eq!(one, other);
    assert_eq!(follows(&one), Some(false));
}

#[test]
fn an_unfollow_deletes_the_profile_and_keeps_what_the_site_needs() {
    let mut user = known();
    user.set_followed(10);
    user.set_registered(true);
    user.count_login(delivery(1), 3_000);
    user.set_unfollowed(20);
    assert_eq!((&user.wechat_profile, &user.unionid), (&None, &None));
    assert_eq!((user.first_seen, user.registered, user.logins), (1_000, true, 1));
}

#[test]
fn a_profile_that_arrives_after_an_unfollow_is_not_kept() {
    let mut user = user();
    user.set_unfollowed(20);
    user.set_profile(Some("union".into()), Profile::default(), 2_000);
    assert_eq!((&user.wechat_profile, &user.unionid), (&None, &None));
    user.set_followed(30);
    user.set_profile(Some("union".into()), Profile::default(), 2_000);
    assert_eq!(user.unionid.as_deref(), Some("union"));
}

#[test]
fn a_unionid_is_kept_when_wechat_answers_without_one() {
    let mut user = known();
    user.set_profile(None, Profile::default(), 3_000);
    assert_eq!(user.unionid.as_deref(), Some("union"));
    assert_eq!(user.wechat_profile, Some(WechatProfile { profile: Profile::default(), at: 3_000 }));
}

#[test]
fn a_delivery_counts_once_and_has_the_same_answer_each_time() {
    let mut user = user();
    assert_eq!(user.count_login(delivery(1), 2_000), 1);
    assert_eq!(user.count_login(delivery(2), 3_000), 2);
    assert_eq!(user.count_login(delivery(1), 4_000), 1);
    assert_eq!(user.count_login(delivery(2), 5_000), 2);
    assert_eq!((user.logins, user.last_login), (2, Some(3_000)));
}

#[test]
fn a_record_does_not_grow_with_many_logins() {
    let mut user = user();
    for n in 1..=1_000 {
        assert_eq!(user.count_login(delivery(n), n), n);
        assert_eq!(user.count_login(delivery(n.saturating_sub(7).max(1)), n), n.saturating_sub(7).max(1));
    }
    assert_eq!(user.counted.len(), REMEMBERED);
    assert!(to_text(&user).len() < 400, "{}", to_text(&user));
}

#[test]
fn a_written_record_is_read_back_and_nonsense_is_an_error() {
    let mut user = known();
    user.set_followed(10);
    user.count_login(delivery(1), 2_000);
    assert_eq!(User::from_text(Some(&to_text(&user))), Ok(Some(user)));
    assert_eq!(User::from_text(None), Ok(None));
    for nonsense in ["", "{}", "null", "[]"] {
        assert!(User::from_text(Some(nonsense)).is_err(), "{nonsense}");
    }
}

#[test]
fn a_record_of_an_older_version_is_read() {
    let stored = r#"{"first_seen":1000,"follow":{"follows":true,"since":10},"registered":true,"logins":2,"last_login":2000,
        "unionid":"union","told":{"profile":{"name":"Ann","avatar":""},"at":1500},"counted":[]}"#;
    let user = User::from_text(Some(stored)).unwrap().unwrap();
    assert_eq!((user.first_seen, user.registered, user.logins, user.last_login), (1_000, true, 2, Some(2_000)));
    assert_eq!((follows(&user), user.unionid.as_deref()), (Some(true), Some("union")));
    assert_eq!(user.wechat_profile.unwrap().profile.name, "Ann");
}
