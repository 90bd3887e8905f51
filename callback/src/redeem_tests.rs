//! What a settled redeem means to the site.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

fn grant() -> Grant {
    Grant::issue("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap())
}

fn standing(state: SceneState, account: &str, grant: &Grant, remaining: u64) -> Standing {
    let facts = [(Field::Account, account.to_owned()), (Field::Grant, grant.digest().to_string())];
    Standing { state, remaining: Duration::from_secs(remaining), facts: BTreeMap::from(facts) }
}

#[test]
fn only_who_has_the_grant_is_told_what_became_of_it() {
    let (its, made_up) = (grant(), grant());
    let refused = |state, account, grant| Settled::Refused(Refusal::State(state), standing(state, account, grant, 0));
    for (settled, expected) in [
        (refused(SceneState::Redeemed, "demo", &its), NotRedeemed::Used),
        (refused(SceneState::Expired, "demo", &its), NotRedeemed::Expired),
        (refused(SceneState::Redeemed, "demo", &made_up), NotRedeemed::Unknown),
        (refused(SceneState::Expired, "demo", &made_up), NotRedeemed::Unknown),
        (refused(SceneState::Redeemed, "other", &its), NotRedeemed::Unknown),
        (refused(SceneState::Open, "demo", &made_up), NotRedeemed::NotYet),
        (refused(SceneState::Scanned, "demo", &made_up), NotRedeemed::NotYet),
        (refused(SceneState::Scanned, "other", &made_up), NotRedeemed::Unknown),
        (Settled::Unknown, NotRedeemed::Unknown),
    ] {
        assert_eq!(outcome(settled, &account("demo"), its.digest()), Err(expected));
    }
    for (field, expected) in [
        (Field::Account, NotRedeemed::Unknown),
        (Field::Grant, NotRedeemed::Unknown),
        (Field::Binding, NotRedeemed::StateMismatch),
    ] {
        let settled = Settled::Refused(Refusal::Guard(field), standing(SceneState::Confirmed, "demo", &its, 9));
        assert_eq!(outcome(settled, &account("demo"), its.digest()), Err(expected));
    }
}

#[test]
fn a_repeated_call_is_answered_alike_until_the_grant_ends() {
    let its = grant();
    let repeated = |remaining| {
        let standing = standing(SceneState::Redeemed, "demo", &its, remaining);
        outcome(Settled::Repeated(standing), &account("demo"), its.digest()).map(|_| ())
    };
    assert_eq!(repeated(1), Ok(()));
    assert_eq!(repeated(0), Err(NotRedeemed::Expired));
}

#[test]
fn the_account_is_the_named_one_or_the_only_one() {
    let (one, two) = (BTreeSet::from([account("a")]), BTreeSet::from([account("a"), account("b")]));
    let of = |accounts, named: Option<&str>| {
        account_of(Caller { name: "shop", accounts }, named.map(account)).map_err(|problem| problem.code)
    };
    assert_eq!(of(&one, None), Ok(account("a")));
    assert_eq!(of(&two, Some("b")), Ok(account("b")));
    assert_eq!(of(&two, None), Err("bad_request"));
    assert_eq!(of(&one, Some("b")), Err("grant_unknown"));
}

#[test]
fn a_delivery_is_the_same_for_the_same_call_only() {
    let (accounts, grant) = (BTreeSet::new(), grant());
    let of = |name, key: Option<&str>, named, grant: &Grant, state: &str| {
        let headers = key.map(|key| ("idempotency-key".parse().unwrap(), key.parse().unwrap()));
        let (headers, caller) = (HeaderMap::from_iter(headers), Caller { name, accounts: &accounts });
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
