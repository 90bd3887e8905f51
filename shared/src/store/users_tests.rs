//! What each thing that happens to somebody changes.

use super::*;

fn user() -> User {
    User::seen(1_000)
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
    user.profile_told(Some("union".into()), profile, 2_000);
    user
}

#[test]
fn somebody_new_is_nothing_yet() {
    let user = user();
    assert_eq!((user.first_seen, user.follow, user.registered, user.logins), (1_000, None, false, 0));
    assert_eq!((user.last_login, user.unionid, user.told), (None, None, None));
}

#[test]
fn an_older_message_changes_nothing() {
    let mut user = known();
    user.unfollowed(20);
    user.followed(10);
    assert_eq!(follows(&user), Some(false), "unfollow came first");
    user.followed(30);
    user.unfollowed(20);
    assert_eq!(follows(&user), Some(true), "a redelivery");
    let mut known = known();
    known.followed(30);
    known.unfollowed(20);
    assert!(known.told.is_some() && known.unionid.is_some(), "an old unfollow deletes nothing");
}

#[test]
fn within_one_second_the_order_of_arrival_does_not_matter() {
    let (mut one, mut other) = (known(), known());
    one.followed(10);
    one.unfollowed(10);
    other.unfollowed(10);
    other.followed(10);
    assert_eq!(one, other);
    assert_eq!(follows(&one), Some(false));
}

#[test]
fn who_unfollows_is_deleted_but_for_what_the_site_needs() {
    let mut user = known();
    user.followed(10);
    user.registered(true);
    user.logged_in(delivery(1), 3_000);
    user.unfollowed(20);
    assert_eq!((&user.told, &user.unionid), (&None, &None));
    assert_eq!((user.first_seen, user.registered, user.logins), (1_000, true, 1));
}

#[test]
fn what_wechat_tells_of_who_has_left_is_not_kept() {
    let mut user = user();
    user.unfollowed(20);
    user.profile_told(Some("union".into()), Profile::default(), 2_000);
    assert_eq!((&user.told, &user.unionid), (&None, &None));
    user.followed(30);
    user.profile_told(Some("union".into()), Profile::default(), 2_000);
    assert_eq!(user.unionid.as_deref(), Some("union"));
}

#[test]
fn a_unionid_outlives_an_answer_without_one() {
    let mut user = known();
    user.profile_told(None, Profile::default(), 3_000);
    assert_eq!(user.unionid.as_deref(), Some("union"));
    assert_eq!(user.told, Some(Told { profile: Profile::default(), at: 3_000 }));
}

#[test]
fn a_delivery_counts_once_and_has_the_same_answer_each_time() {
    let mut user = user();
    assert_eq!(user.logged_in(delivery(1), 2_000), 1);
    assert_eq!(user.logged_in(delivery(2), 3_000), 2);
    assert_eq!(user.logged_in(delivery(1), 4_000), 1);
    assert_eq!(user.logged_in(delivery(2), 5_000), 2);
    assert_eq!((user.logins, user.last_login), (2, Some(3_000)));
}

#[test]
fn somebody_who_logs_in_for_years_does_not_grow() {
    let mut user = user();
    for n in 1..=1_000 {
        assert_eq!(user.logged_in(delivery(n), n), n);
        assert_eq!(user.logged_in(delivery(n.saturating_sub(7).max(1)), n), n.saturating_sub(7).max(1));
    }
    assert_eq!(user.counted.len(), REMEMBERED);
    assert!(written(&user).len() < 400, "{}", written(&user));
}

#[test]
fn what_is_written_is_read_and_nonsense_is_not_taken_for_nobody() {
    let mut user = known();
    user.followed(10);
    user.logged_in(delivery(1), 2_000);
    assert_eq!(read(Some(&written(&user))), Ok(Some(user)));
    assert_eq!(read(None), Ok(None));
    for nonsense in ["", "{}", "null", "[]"] {
        assert!(read(Some(nonsense)).is_err(), "{nonsense}");
    }
}
