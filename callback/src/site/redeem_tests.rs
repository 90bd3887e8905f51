//! What a settled redeem means for the site, and which calls are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

fn grant() -> Grant {
    Grant::issue("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap())
}

fn snapshot(state: SceneState, account: &str, grant: &Grant, remaining: u64) -> SceneSnapshot {
    let facts = [(SceneField::Account, account.to_owned()), (SceneField::Grant, grant.digest().to_string())];
    SceneSnapshot { state, remaining: Duration::from_secs(remaining), fields: BTreeMap::from(facts) }
}

#[test]
fn only_a_site_with_the_grant_is_told_what_became_of_it() {
    let (its, made_up) = (grant(), grant());
    let refused =
        |state, account, grant| Settled::Refused(SettleRefusal::State(state), snapshot(state, account, grant, 0));
    for (settled, expected) in [
        (refused(SceneState::Redeemed, "demo", &its), RedeemError::Used),
        (refused(SceneState::Expired, "demo", &its), RedeemError::Expired),
        (refused(SceneState::Redeemed, "demo", &made_up), RedeemError::Unknown),
        (refused(SceneState::Expired, "demo", &made_up), RedeemError::Unknown),
        (refused(SceneState::Redeemed, "other", &its), RedeemError::Unknown),
        (refused(SceneState::Open, "demo", &made_up), RedeemError::NotYet),
        (refused(SceneState::Scanned, "demo", &made_up), RedeemError::NotYet),
        (refused(SceneState::Scanned, "other", &made_up), RedeemError::Unknown),
        (Settled::Unknown, RedeemError::Unknown),
    ] {
        assert_eq!(outcome(settled, &account("demo"), its.digest()), Err(expected));
    }
    for (field, expected) in [
        (SceneField::Account, RedeemError::Unknown),
        (SceneField::Grant, RedeemError::Unknown),
        (SceneField::Binding, RedeemError::StateMismatch),
    ] {
        let settled = Settled::Refused(SettleRefusal::Guard(field), snapshot(SceneState::Confirmed, "demo", &its, 9));
        assert_eq!(outcome(settled, &account("demo"), its.digest()), Err(expected));
    }
}

#[test]
fn a_repeated_call_gets_the_same_answer_until_the_grant_expires() {
    let its = grant();
    let repeated = |remaining| {
        let snapshot = snapshot(SceneState::Redeemed, "demo", &its, remaining);
        outcome(Settled::Repeated(snapshot), &account("demo"), its.digest()).map(|_| ())
    };
    assert_eq!(repeated(1), Ok(()));
    assert_eq!(repeated(0), Err(RedeemError::Expired));
}

#[test]
fn the_account_is_the_named_one_or_the_only_one_of_the_key() {
    let (one, two) = (BTreeSet::from([account("a")]), BTreeSet::from([account("a"), account("b")]));
    let of = |accounts, named: Option<&str>| {
        account_of(ApiCaller { name: "shop", accounts }, named.map(account)).map_err(|problem| problem.code)
    };
    assert_eq!(of(&one, None), Ok(account("a")));
    assert_eq!(of(&two, Some("b")), Ok(account("b")));
    assert_eq!(of(&two, None), Err("bad_request"));
    assert_eq!(of(&one, Some("b")), Err("grant_unknown"));
}

#[test]
fn only_the_same_call_has_the_same_delivery_id() {
    let (accounts, grant) = (BTreeSet::new(), grant());
    let of = |name, key: Option<&str>, named, grant: &Grant, state: &str| {
        let headers = key.map(|key| ("idempotency-key".parse().unwrap(), key.parse().unwrap()));
        let (headers, caller) = (HeaderMap::from_iter(headers), ApiCaller { name, accounts: &accounts });
        delivery(&headers, caller, &account(named), grant, Some(Binding::of(state))).map_err(|problem| problem.code)
    };
    let first = of("shop", Some("k"), "a", &grant, "s");
    assert_eq!(first, of("shop", Some("k"), "a", &grant, "s"));
    for other in [
        of("blog", Some("k"), "a", &grant, "s"),
        of("shop", Some("l"), "a", &grant, "s"),
        of("shop", Some("k"), "b", &grant, "s"),
        of("shop", Some("k"), "a", &self::grant(), "s"),
        of("shop", Some("k"), "a", &grant, "t"),
    ] {
        assert!(other.is_ok() && other != first);
    }
    let without_key = || of("shop", None, "a", &grant, "s");
    assert_ne!(without_key(), without_key(), "each call is its own");
    for key in ["", "a b", "é", &"x".repeat(129)] {
        assert_eq!(of("shop", Some(key), "a", &grant, "s"), Err("bad_request"), "{key}");
    }
}
