//! Who logs in, and how: for tests.

use std::time::Duration;

use crate::{
    event::{Person, Profile},
    id::AccountName,
    numbers::{Number, NumberChallenge},
    secret::Grant,
    transition::{Acceptance, Transition},
};

/// The life of each grant that is made here.
pub const GRANT_LIFE: Duration = Duration::from_secs(60);

/// The account of everybody here.
pub fn account() -> AccountName {
    "demo".parse().expect("an account's name")
}

/// The person with this name. The openid is the name after an `o`.
pub fn person(name: &str) -> Person {
    let profile = Profile { name: name.to_owned(), avatar: "data:,".to_owned() };
    let openid = format!("o{name}").parse().expect("an openid");
    Person { account: account(), openid, unionid: None, profile }
}

/// This person is logged in by this grant.
pub fn acceptance(grant: &Grant, who: &str) -> Acceptance {
    Acceptance { person: person(who), grant: grant.clone(), life: GRANT_LIFE, typed: false, registered: false }
}

/// This person scans.
pub fn scan(who: &str) -> Transition {
    Transition::Scan { account: account(), person: person(who), numbers: None }
}

/// This person scans, and has to pick `right`, which the page shows.
pub fn scan_with_number(who: &str, right: Number) -> Transition {
    let numbers = Some(NumberChallenge { right, choices: [right; 3] });
    Transition::Scan { account: account(), person: person(who), numbers }
}

/// This person says yes after the scan.
pub fn confirm(grant: &Grant, who: &str) -> Transition {
    Transition::Confirm { account: account(), login: acceptance(grant, who), picked: None }
}

/// This person picks a number after the scan.
pub fn confirm_with_number(grant: &Grant, who: &str, picked: Number) -> Transition {
    Transition::Confirm { account: account(), login: acceptance(grant, who), picked: Some(picked) }
}

/// This person scans, and is logged in by that.
pub fn log_in(grant: &Grant, who: &str) -> Transition {
    Transition::LogIn { account: account(), login: acceptance(grant, who) }
}
