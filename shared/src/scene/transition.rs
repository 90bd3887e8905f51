//! The states of a scene and the steps between them, as data.
//!
//! A [`Transition`] says what somebody wants; [`Transition::step`] turns it into a [`Step`]: plain
//! data that every backend of the bus carries out in the same way.

use std::time::Duration;

use super::{AccountName, Binding, Grant, GrantDigest, Happening, Login, Number, Numbers, OpenId, Person, Scan};

/// Where a scene stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Shown, and not scanned yet.
    Open,
    /// Scanned by somebody who has yet to confirm.
    Scanned,
    /// Logged in; the grant waits for the site's backend.
    Confirmed,
    /// The grant was redeemed.
    Redeemed,
    /// Whoever scanned said no.
    Declined,
    /// The page gave up.
    Cancelled,
    /// Its time ended first. Never stored: it follows from the clock.
    Expired,
}

impl State {
    const ALL: [Self; 7] =
        [Self::Open, Self::Scanned, Self::Confirmed, Self::Redeemed, Self::Declined, Self::Cancelled, Self::Expired];

    /// Its word, as stored, logged and counted.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Scanned => "scanned",
            Self::Confirmed => "confirmed",
            Self::Redeemed => "redeemed",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether time can still change it.
    pub fn can_expire(self) -> bool {
        matches!(self, Self::Open | Self::Scanned | Self::Confirmed)
    }
}

/// A fact stored with a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The account that it belongs to.
    Account,
    /// The browser that it is tied to; empty if none.
    Binding,
    /// What is known of its page, as JSON.
    Page,
    /// The openid of whoever scanned first.
    Who,
    /// The number that the page shows, where the phone has to pick it.
    Number,
    /// What the phone may pick.
    Choices,
    /// The grant's digest.
    Grant,
    /// Who logged in, as JSON.
    Person,
}

impl Field {
    /// All of them, in the order in which scripts return them.
    pub const ALL: [Self; 8] =
        [Self::Account, Self::Binding, Self::Page, Self::Who, Self::Number, Self::Choices, Self::Grant, Self::Person];

    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Binding => "binding",
            Self::Page => "page",
            Self::Who => "who",
            Self::Number => "number",
            Self::Choices => "choices",
            Self::Grant => "grant",
            Self::Person => "person",
        }
    }
}

/// A login that somebody consented to.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Who logs in.
    pub person: Person,
    /// What the page is handed.
    pub grant: Grant,
    /// How long the grant can be redeemed.
    pub life: Duration,
    /// Whether the page's code was typed.
    pub typed: bool,
    /// Whether the site knows this person.
    pub registered: bool,
}

/// What somebody wants of a scene.
#[derive(Debug, Clone)]
pub enum Transition {
    /// A phone scanned it, and is going to be asked.
    Scan {
        /// The account that the scan came through.
        account: AccountName,
        /// Who holds the phone.
        person: Person,
        /// What the phone has to pick from, if it has to.
        numbers: Option<Numbers>,
    },
    /// A phone scanned it, and that is consent enough (confirmation `none`).
    LogIn {
        /// The account that the scan came through.
        account: AccountName,
        /// Who logs in.
        login: Acceptance,
    },
    /// Whoever scanned said yes.
    Confirm {
        /// The account that the answer came through.
        account: AccountName,
        /// Who logs in: the one who scanned, or nobody.
        login: Acceptance,
        /// What the phone picked: the number that the page shows, or nothing where none is.
        picked: Option<Number>,
    },
    /// Whoever scanned said no.
    Decline {
        /// The account that the answer came through.
        account: AccountName,
        /// The one who scanned.
        who: OpenId,
    },
    /// The page gives up.
    Cancel,
    /// The site's backend trades the grant for who logged in.
    Redeem {
        /// The grant's digest.
        grant: GrantDigest,
        /// The account that the caller says the scene belongs to.
        account: AccountName,
        /// The browser that the caller says the scene is tied to.
        binding: Option<Binding>,
    },
}

/// A transition as plain data: from which states, to which, under which conditions, and what is
/// written and told.
#[derive(Debug, Clone)]
pub struct Step {
    /// The states that it starts from.
    pub from: &'static [State],
    /// The state that it leads to.
    pub to: State,
    /// What has to be so already; an absent field counts as empty.
    pub guards: Vec<(Field, String)>,
    /// What is written.
    pub sets: Vec<(Field, String)>,
    /// How long the new state lasts, where that changes.
    pub life: Option<Duration>,
    /// What the page is told, if anything.
    pub tells: Option<Happening>,
}

impl Transition {
    /// This transition as data.
    pub fn step(&self) -> Step {
        let confirmed = |from, guards, login: &Acceptance| Step {
            from,
            to: State::Confirmed,
            guards,
            sets: vec![
                (Field::Who, login.person.openid.to_string()),
                (Field::Grant, login.grant.digest().to_string()),
                (Field::Person, person(&login.person)),
            ],
            life: Some(login.life),
            tells: Some(Happening::Confirmed(Login {
                profile: login.person.profile.clone(),
                grant: login.grant.clone(),
                typed: login.typed,
                registered: login.registered,
            })),
        };
        // Whoever owns one account can sign any message of it, so no message may touch another account's scenes.
        let of = |account: &AccountName| (Field::Account, account.to_string());
        let ended = |from, to, guards, tells| Step { from, to, guards, sets: vec![], life: None, tells };
        match self {
            Self::Scan { account, person: scanned, numbers } => {
                let mut sets = vec![(Field::Who, scanned.openid.to_string()), (Field::Person, person(scanned))];
                if let Some(numbers) = numbers {
                    sets.push((Field::Number, numbers.right.to_string()));
                    sets.push((Field::Choices, numbers.text()));
                }
                let number = numbers.as_ref().map(|numbers| numbers.right);
                Step {
                    from: &[State::Open],
                    to: State::Scanned,
                    guards: vec![of(account)],
                    sets,
                    life: None,
                    tells: Some(Happening::Scanned(Scan { profile: scanned.profile.clone(), number })),
                }
            }
            Self::LogIn { account, login } => confirmed(&[State::Open], vec![of(account)], login),
            Self::Confirm { account, login, picked } => {
                let guards = vec![
                    of(account),
                    (Field::Who, login.person.openid.to_string()),
                    (Field::Number, picked.map(|number| number.to_string()).unwrap_or_default()),
                ];
                confirmed(&[State::Scanned], guards, login)
            }
            Self::Decline { account, who } => ended(
                &[State::Scanned],
                State::Declined,
                vec![of(account), (Field::Who, who.to_string())],
                Some(Happening::Declined),
            ),
            Self::Cancel => ended(&[State::Open, State::Scanned], State::Cancelled, vec![], Some(Happening::Cancelled)),
            Self::Redeem { grant, account, binding } => ended(
                &[State::Confirmed],
                State::Redeemed,
                vec![
                    of(account),
                    (Field::Grant, grant.to_string()),
                    (Field::Binding, binding.map(|binding| binding.to_string()).unwrap_or_default()),
                ],
                None,
            ),
        }
    }
}

fn person(person: &Person) -> String {
    serde_json::to_string(person).expect("a person has string keys only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_word_of_its_own() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("nonsense"), None);
    }
}
