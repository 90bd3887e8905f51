//! The states of a scene and the steps between them, as data.
//!
//! A [`Transition`] says what somebody wants to do. [`Transition::step`] turns it into a [`Step`]: plain data that every
//! backend of the bus carries out in the same way (`Scene::settle` in memory, `settle.lua` in Redis).
//!
//! ```text
//!              Scan              Confirm                Redeem
//!   open ──────────────▶ scanned ─────────▶ confirmed ─────────▶ redeemed
//!     │                                        ▲
//!     └──────────────── LogIn ─────────────────┘
//!
//!   scanned ────── Decline, Confirm by a wrong number ──▶ declined
//!   open, scanned ─────────────── Cancel ────────▶ cancelled
//!   open, scanned, confirmed ──── life is over ──▶ expired
//! ```
//!
//! | transition | from | to | guards: these fields must be equal | page is told |
//! |---|---|---|---|---|
//! | `Scan` | open | scanned | account | `Scanned` |
//! | `LogIn` | open | confirmed | account | `Confirmed` |
//! | `Confirm` | scanned | confirmed | account, who, number | `Confirmed` |
//! | `Confirm` with a wrong number | scanned | declined | account, who | `Declined` |
//! | `Decline` | scanned | declined | account, who | `Declined` |
//! | `Cancel` | open, scanned | cancelled | – | `Cancelled` |
//! | `Redeem` | confirmed | redeemed | account, grant, binding | – |
//!
//! A confirmed scene has a new life, that of its grant.
//!
//! See docs/decisions/001-one-place-decides-what-a-scene-may-do.md and
//! docs/decisions/045-a-wrong-number-declines-in-the-same-step.md.

use std::time::Duration;

use crate::{
    event::{EventKind, Login, Person, Scan},
    id::{AccountName, OpenId},
    numbers::{Number, NumberChallenge},
    secret::{Binding, Grant, GrantDigest},
};

/// The state of a scene. Its text is stored, logged, and used as a label of metrics.
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
    /// Not scanned yet.
    Open,
    /// Scanned; the person hasn't confirmed yet.
    Scanned,
    /// Confirmed; the site's backend hasn't redeemed the grant yet.
    Confirmed,
    /// The site's backend redeemed the grant.
    Redeemed,
    Declined,
    /// The page gave up.
    Cancelled,
    /// Its life is over. This state is never stored: it follows from the clock.
    Expired,
}

impl SceneState {
    /// Whether a scene in this state expires at the end of its life.
    pub fn can_expire(self) -> bool {
        matches!(self, Self::Open | Self::Scanned | Self::Confirmed)
    }
}

/// A field of a stored scene. The variants are in the order in which `settle.lua` returns them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum SceneField {
    /// The account that the scene belongs to.
    Account,
    /// The browser that the scene is bound to; empty if there is none.
    Binding,
    /// The [`PageInfo`](crate::PageInfo), as JSON.
    Page,
    /// The openid of the person who scanned.
    Who,
    /// The number that the page shows, if number matching is used.
    Number,
    /// The three numbers to pick from.
    Choices,
    /// The digest of the grant.
    Grant,
    /// The [`Person`] who scanned, as JSON.
    Person,
    /// The W3C trace context of the call that opened the scene, if it is traced.
    OpenTrace,
    /// The W3C trace context of what confirmed the login, if it is traced.
    LoginTrace,
}

impl SceneField {
    /// Its name in Redis.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A login that the person confirmed.
#[derive(Debug, Clone)]
pub struct Acceptance {
    pub person: Person,
    /// The page gets it, and the site's backend redeems it.
    pub grant: Grant,
    /// How long the grant can be redeemed.
    pub life: Duration,
    /// Whether the person typed the page's code, instead of scanning it.
    pub typed: bool,
    /// Whether the site has marked this person as registered.
    pub registered: bool,
}

/// A change that somebody requests.
#[derive(Debug, Clone)]
pub enum Transition {
    /// A phone scanned the code. The person is asked to confirm.
    Scan {
        /// The account that was scanned with.
        account: AccountName,
        person: Person,
        /// The numbers to pick from, if number matching is used.
        numbers: Option<NumberChallenge>,
    },
    /// A phone scanned the code, and a scan is enough (confirmation `none`).
    LogIn {
        /// The account that was scanned with.
        account: AccountName,
        /// The person and the grant.
        login: Acceptance,
    },
    Confirm {
        /// The account that the answer was sent to.
        account: AccountName,
        /// The person and the grant. The step is refused unless this is the person who scanned.
        login: Acceptance,
        /// The number that the person picked: another one than the page shows declines the login. `None` if the person
        /// picked none; then the step is refused if number matching is used.
        picked: Option<Number>,
    },
    Decline {
        /// The account that the answer was sent to.
        account: AccountName,
        /// Who declined. The step is refused unless this is the person who scanned.
        who: OpenId,
    },
    /// The page gives up.
    Cancel,
    /// The site's backend redeems the grant.
    Redeem {
        grant: GrantDigest,
        /// The account that the caller names.
        account: AccountName,
        /// The browser that the caller names by its `state`.
        binding: Option<Binding>,
    },
}

/// A transition as plain data.
#[derive(Debug, Clone)]
pub struct Step {
    /// The step is refused in other states.
    pub from: &'static [SceneState],
    pub to: SceneState,
    /// The step is refused if a stored field has another value. An absent field counts as empty.
    pub guards: Vec<(SceneField, String)>,
    /// A guard that may be tried once, after the others.
    pub only_try: Option<OnlyTry>,
    pub sets: Vec<(SceneField, String)>,
    /// The life of the scene from now on. `None` leaves it as it is.
    pub life: Option<Duration>,
    /// The event for the page, if there is one.
    pub tells: Option<EventKind>,
}

/// A guard that may be tried once: a wrong value ends the scene, so that nobody finds the right one by trying. Where
/// nothing is stored there is nothing to try, and the step is refused as by any other guard.
#[derive(Debug, Clone)]
pub struct OnlyTry {
    pub field: SceneField,
    pub value: String,
    /// The state after a wrong value. Nothing is set then, and the life stays as it is.
    pub wrong_to: SceneState,
    /// The event for the page after a wrong value.
    pub wrong_tells: EventKind,
}

impl Step {
    /// What the page is told when this step has brought the scene to `state`.
    pub fn event_of(&self, state: SceneState) -> Option<&EventKind> {
        match &self.only_try {
            Some(only_try) if only_try.wrong_to == state => Some(&only_try.wrong_tells),
            _ => self.tells.as_ref(),
        }
    }
}

impl Transition {
    /// The step that carries out this transition.
    pub fn step(&self) -> Step {
        let confirmed_step = |from, guards, login: &Acceptance| Step {
            from,
            to: SceneState::Confirmed,
            guards,
            only_try: None,
            sets: vec![
                (SceneField::Who, login.person.openid.to_string()),
                (SceneField::Grant, login.grant.digest().to_string()),
                (SceneField::Person, person_json(&login.person)),
            ],
            life: Some(login.life),
            tells: Some(EventKind::Confirmed(Login {
                profile: login.person.profile.clone(),
                grant: login.grant.clone(),
                typed: login.typed,
                registered: login.registered,
            })),
        };
        // The owner of an account can sign any message to it. So a message may change only scenes of its own account.
        let account_guard = |account: &AccountName| (SceneField::Account, account.to_string());
        let final_step =
            |from, to, guards, tells| Step { from, to, guards, only_try: None, sets: vec![], life: None, tells };
        match self {
            Self::Scan { account, person: scanned, numbers } => {
                let mut sets =
                    vec![(SceneField::Who, scanned.openid.to_string()), (SceneField::Person, person_json(scanned))];
                if let Some(numbers) = numbers {
                    sets.push((SceneField::Number, numbers.right.to_string()));
                    sets.push((SceneField::Choices, numbers.choices_text()));
                }
                let number = numbers.as_ref().map(|numbers| numbers.right);
                Step {
                    from: &[SceneState::Open],
                    to: SceneState::Scanned,
                    guards: vec![account_guard(account)],
                    only_try: None,
                    sets,
                    life: None,
                    tells: Some(EventKind::Scanned(Scan { profile: scanned.profile.clone(), number })),
                }
            }
            Self::LogIn { account, login } => confirmed_step(&[SceneState::Open], vec![account_guard(account)], login),
            Self::Confirm { account, login, picked } => {
                let mut guards = vec![account_guard(account), (SceneField::Who, login.person.openid.to_string())];
                let only_try = picked.map(|number| OnlyTry {
                    field: SceneField::Number,
                    value: number.to_string(),
                    wrong_to: SceneState::Declined,
                    wrong_tells: EventKind::Declined,
                });
                if only_try.is_none() {
                    guards.push((SceneField::Number, String::new()));
                }
                Step { only_try, ..confirmed_step(&[SceneState::Scanned], guards, login) }
            }
            Self::Decline { account, who } => final_step(
                &[SceneState::Scanned],
                SceneState::Declined,
                vec![account_guard(account), (SceneField::Who, who.to_string())],
                Some(EventKind::Declined),
            ),
            Self::Cancel => final_step(
                &[SceneState::Open, SceneState::Scanned],
                SceneState::Cancelled,
                vec![],
                Some(EventKind::Cancelled),
            ),
            Self::Redeem { grant, account, binding } => final_step(
                &[SceneState::Confirmed],
                SceneState::Redeemed,
                vec![
                    account_guard(account),
                    (SceneField::Grant, grant.to_string()),
                    (SceneField::Binding, binding.map(|binding| binding.to_string()).unwrap_or_default()),
                ],
                None,
            ),
        }
    }
}

fn person_json(person: &Person) -> String {
    serde_json::to_string(person).expect("a person serializes: it has no maps")
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn each_state_has_its_text() {
        let texts = ["open", "scanned", "confirmed", "redeemed", "declined", "cancelled", "expired"];
        assert_eq!(SceneState::VARIANTS.len(), texts.len());
        for (state, text) in SceneState::VARIANTS.iter().zip(texts) {
            assert_eq!((state.to_string().as_str(), text.parse()), (text, Ok(*state)));
        }
        assert!("nonsense".parse::<SceneState>().is_err());
    }

    #[test]
    fn each_field_has_the_name_that_settle_lua_uses() {
        let names =
            ["account", "binding", "page", "who", "number", "choices", "grant", "person", "open_trace", "login_trace"];
        assert_eq!(SceneField::VARIANTS.iter().map(|field| field.name()).collect::<Vec<_>>(), names);
    }
}
