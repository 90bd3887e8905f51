//! A scene as it is stored, and how a step is carried out on it.
//!
//! [`Scene::settle`] is that in Rust; the Redis script mirrors it line by line, and one contract
//! suite holds both to it.

use std::{collections::BTreeMap, time::Duration};

use crate::time::millis;
use crate::{
    event::{Event, Person},
    id::{AccountName, DeliveryId, OpenId},
    numbers::{Number, NumberChallenge},
    page::PageInfo,
    secret::Binding,
    transition::{SceneField, SceneState, Step},
};

/// How long a scene is remembered after it ended, so that a late scan is told "expired" and
/// not "unknown". Milliseconds.
pub const TOMBSTONE_MS: u64 = 10 * 60 * 1000;

/// What caused a transition.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Its identity: the same cause twice changes nothing.
    pub delivery: DeliveryId,
    /// When it reached us, in unix milliseconds.
    pub received_at: u64,
    /// Its W3C trace context.
    pub traceparent: Option<String>,
}

/// What a scene is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The account to log in with.
    pub account: AccountName,
    /// The browser that it is tied to.
    pub binding: Option<Binding>,
    /// What is known of its page.
    pub page: PageInfo,
    /// How long it lives. It is remembered for ten minutes more.
    pub life: Duration,
}

impl Opening {
    /// What is stored of it.
    pub fn facts(&self) -> Vec<(SceneField, String)> {
        let mut facts = vec![
            (SceneField::Account, self.account.to_string()),
            (SceneField::Page, serde_json::to_string(&self.page).expect("a page has string keys only")),
        ];
        facts.extend(self.binding.map(|binding| (SceneField::Binding, binding.to_string())));
        facts
    }
}

/// How a scene stands, to whoever settles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneSnapshot {
    /// Its state, by the bus's clock.
    pub state: SceneState,
    /// What is left of that state's life.
    pub remaining: Duration,
    /// What is stored; absent fields are empty.
    pub facts: BTreeMap<SceneField, String>,
}

impl SceneSnapshot {
    fn fact<T: std::str::FromStr>(&self, field: SceneField) -> Option<T> {
        self.facts.get(&field)?.parse().ok()
    }

    /// Who scanned it first.
    pub fn who(&self) -> Option<OpenId> {
        self.fact(SceneField::Who)
    }

    /// The account that it belongs to.
    pub fn account(&self) -> Option<AccountName> {
        self.fact(SceneField::Account)
    }

    /// Who scanned, and may have logged in.
    pub fn person(&self) -> Option<Person> {
        serde_json::from_str(self.facts.get(&SceneField::Person)?).ok()
    }

    /// What is known of its page.
    pub fn page(&self) -> PageInfo {
        self.facts.get(&SceneField::Page).and_then(|page| serde_json::from_str(page).ok()).unwrap_or_default()
    }

    /// What the phone may pick from, where it has to pick the page's number.
    pub fn choices(&self) -> Option<[Number; 3]> {
        NumberChallenge::choices(self.facts.get(&SceneField::Choices)?)
    }
}

/// Why a settle was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleRefusal {
    /// The scene is in a state that this transition doesn't start from.
    State(SceneState),
    /// A fact of the scene isn't what the transition asks for.
    Guard(SceneField),
}

/// What became of a settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It was applied now.
    Applied(SceneSnapshot),
    /// It had been applied before, by this same delivery.
    Repeated(SceneSnapshot),
    /// It wasn't applied.
    Refused(SettleRefusal, SceneSnapshot),
    /// There is no such scene, or it was forgotten.
    Unknown,
}

/// A scene as it is stored.
#[derive(Debug, Clone)]
pub struct Scene {
    state: SceneState,
    expires_ms: u64,
    seq: u64,
    facts: BTreeMap<SceneField, String>,
    deliveries: Vec<DeliveryId>,
    events: Vec<Event>,
}

impl Scene {
    /// A scene that opens now, in unix milliseconds.
    pub fn open(opening: &Opening, now_ms: u64) -> Self {
        Self {
            state: SceneState::Open,
            expires_ms: now_ms + millis(opening.life),
            seq: 0,
            facts: opening.facts().into_iter().collect(),
            deliveries: vec![],
            events: vec![],
        }
    }

    /// Its state at this time.
    pub fn state(&self, now_ms: u64) -> SceneState {
        if self.state.can_expire() && now_ms >= self.expires_ms { SceneState::Expired } else { self.state }
    }

    /// What is left of its life at this time.
    pub fn remaining(&self, now_ms: u64) -> Duration {
        Duration::from_millis(self.expires_ms.saturating_sub(now_ms))
    }

    /// When its present state ends, in unix milliseconds.
    pub fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// What has happened to it, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How it stands at this time.
    pub fn snapshot(&self, now_ms: u64) -> SceneSnapshot {
        SceneSnapshot { state: self.state(now_ms), remaining: self.remaining(now_ms), facts: self.facts.clone() }
    }

    /// Carries out a step, or says why not. The event to tell, if any, is the last of
    /// [`Scene::events`] and new exactly when the answer is `Applied`.
    pub fn settle(&mut self, cause: &Cause, step: &Step, now_us: u64) -> Settled {
        let now_ms = now_us / 1000;
        if self.deliveries.contains(&cause.delivery) {
            return Settled::Repeated(self.snapshot(now_ms));
        }
        let state = self.state(now_ms);
        if !step.from.contains(&state) {
            return Settled::Refused(SettleRefusal::State(state), self.snapshot(now_ms));
        }
        for (field, wanted) in &step.guards {
            if self.facts.get(field).map_or("", String::as_str) != wanted {
                return Settled::Refused(SettleRefusal::Guard(*field), self.snapshot(now_ms));
            }
        }
        self.state = step.to;
        self.facts.extend(step.sets.iter().cloned());
        self.deliveries.push(cause.delivery);
        if let Some(life) = step.life {
            self.expires_ms = now_ms + millis(life);
        }
        if let Some(what) = &step.tells {
            self.seq = now_us.max(self.seq + 1);
            self.events.push(Event {
                seq: self.seq,
                delivery: cause.delivery,
                received_at: cause.received_at,
                traceparent: cause.traceparent.clone(),
                what: what.clone(),
            });
        }
        Settled::Applied(self.snapshot(now_ms))
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
