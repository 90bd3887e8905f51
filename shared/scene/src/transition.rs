//! The states of a scene and the steps between them, as data.
//!
//! A [`Transition`] says what somebody wants; [`Transition::step`] turns it into a [`Step`]: plain
//! data that every backend of the bus carries out in the same way.

use std::time::Duration;

use crate::{
    event::{EventKind, Login, Person, Scan},
    id::{AccountName, OpenId},
    numbers::{Number, NumberChallenge},
    secret::{Binding, Grant, GrantDigest},
};

/// The state of a scene. Its text is what is stored, logged and counted.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum SceneState {
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

impl SceneState {
    /// Whether time can still change it.
    pub fn can_expire(self) -> bool {
        matches!(self, Self::Open | Self::Scanned | Self::Confirmed)
    }
}

/// A fact stored with a scene.
///
/// The variants are in the order in which `settle.lua` returns them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum SceneField {
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

impl SceneField {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        self.into()
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
        numbers: Option<NumberChallenge>,
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
    pub from: &'static [SceneState],
    /// The state that it leads to.
    pub to: SceneState,
    /// What has to be so already; an absent field counts as empty.
    pub guards: Vec<(SceneField, String)>,
    /// What is written.
    pub sets: Vec<(SceneField, String)>,
    /// How long the new state lasts, where that changes.
    pub life: Option<Duration>,
    /// What the page is told, if anything.
    pub tells: Option<EventKind>,
}

impl Transition {
    /// This transition as data.
    pub fn step(&self) -> Step {
        let confirmed = |from, guards, login: &Acceptance| Step {
            from,
            to: SceneState::Confirmed,
            guards,
            sets: vec![
                (SceneField::Who, login.person.openid.to_string()),
                (SceneField::Grant, login.grant.digest().to_string()),
                (SceneField::Person, person(&login.person)),
            ],
            life: Some(login.life),
            tells: Some(EventKind::Confirmed(Login {
                profile: login.person.profile.clone(),
                grant: login.grant.clone(),
                typed: login.typed,
                registered: login.registered,
            })),
        };
        // Whoever owns one account can sign any message of it, so no message may touch another account's scenes.
        let of = |account: &AccountName| (SceneField::Account, account.to_string());
        let ended = |from, to, guards, tells| Step { from, to, guards, sets: vec![], life: None, tells };
        match self {
            Self::Scan { account, person: scanned, numbers } => {
                let mut sets =
                    vec![(SceneField::Who, scanned.openid.to_string()), (SceneField::Person, person(scanned))];
                if let Some(numbers) = numbers {
                    sets.push((SceneField::Number, numbers.right.to_string()));
                    sets.push((SceneField::Choices, numbers.text()));
                }
                let number = numbers.as_ref().map(|numbers| numbers.right);
                Step {
                    from: &[SceneState::Open],
                    to: SceneState::Scanned,
                    guards: vec![of(account)],
                    sets,
                    life: None,
                    tells: Some(EventKind::Scanned(Scan { profile: scanned.profile.clone(), number })),
                }
            }
            Self::LogIn { account, login } => confirmed(&[SceneState::Open], vec![of(account)], login),
            Self::Confirm { account, login, picked } => {
                let guards = vec![
                    of(account),
                    (SceneField::Who, login.person.openid.to_string()),
                    (SceneField::Number, picked.map(|number| number.to_string()).unwrap_or_default()),
                ];
                confirmed(&[SceneState::Scanned], guards, login)
            }
            Self::Decline { account, who } => ended(
                &[SceneState::Scanned],
                SceneState::Declined,
                vec![of(account), (SceneField::Who, who.to_string())],
                Some(EventKind::Declined),
            ),
            Self::Cancel => ended(
                &[SceneState::Open, SceneState::Scanned],
                SceneState::Cancelled,
                vec![],
                Some(EventKind::Cancelled),
            ),
            Self::Redeem { grant, account, binding } => ended(
                &[SceneState::Confirmed],
                SceneState::Redeemed,
                vec![
                    of(account),
                    (SceneField::Grant, grant.to_string()),
                    (SceneField::Binding, binding.map(|binding| binding.to_string()).unwrap_or_default()),
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
    use strum::VariantArray;

    use super::*;

    #[test]
    fn each_state_has_a_text_of_its_own() {
        let texts = ["open", "scanned", "confirmed", "redeemed", "declined", "cancelled", "expired"];
        assert_eq!(SceneState::VARIANTS.len(), texts.len());
        for (state, text) in SceneState::VARIANTS.iter().zip(texts) {
            assert_eq!((state.to_string().as_str(), text.parse()), (text, Ok(*state)));
        }
        assert!("nonsense".parse::<SceneState>().is_err());
    }

    #[test]
    fn each_field_has_the_name_that_the_script_knows() {
        let names = ["account", "binding", "page", "who", "number", "choices", "grant", "person"];
        assert_eq!(SceneField::VARIANTS.iter().map(|field| field.name()).collect::<Vec<_>>(), names);
    }
}
