//! A stored scene, and how a step is carried out on it.
//!
//! [`Scene::settle`] is the definition in Rust. The Redis script `settle.lua` does the same, line by line, and one contract
//! suite tests both:
//!
//! | check, in this order | if so, the outcome is | the scene |
//! |---|---|---|
//! | this delivery changed the scene before | `Repeated` | is unchanged |
//! | the state (by the clock, so it may be expired) isn't in `step.from` | `Refused(State)` | is unchanged |
//! | a guarded field has another value | `Refused(Guard)` | is unchanged |
//! | nothing is stored in the field of `step.only_try` | `Refused(Guard)` | is unchanged |
//! | another value is stored there | `Applied` | gets the state `wrong_to`; the delivery is remembered; the event is added |
//! | otherwise | `Applied` | gets the new state, fields and life; the delivery is remembered; the event is added |
//!
//! ```text
//! time ──▶  open …… life is over            10 min later
//!           │  state as stored  │  expired (tombstone)  │  forgotten: Unknown
//! ```

use std::{collections::BTreeMap, time::Duration};

use crate::{
    event::{Event, Person},
    id::{AccountName, DeliveryId, OpenId},
    numbers::{Number, NumberChallenge},
    page::PageInfo,
    secret::Binding,
    time::millis,
    transition::{SceneField, SceneState, Step},
};

/// How long a scene is stored after its life has ended, in milliseconds. A late scan gets "expired" in this time, and
/// "unknown" after it.
pub const TOMBSTONE_MS: u64 = 10 * 60 * 1000;

/// What caused a transition: a message from WeChat, or a call from a page or a site.
#[derive(Debug, Clone)]
pub struct Cause {
    /// Its identity. The same delivery changes a scene only once.
    pub delivery: DeliveryId,
    /// When it reached this pod, in unix milliseconds.
    pub received_at: u64,
    /// Its W3C trace context, if it is traced.
    pub traceparent: Option<String>,
}

/// A scene that is to be opened.
#[derive(Debug, Clone)]
pub struct NewScene {
    /// The account that is scanned with.
    pub account: AccountName,
    /// The browser that it is bound to, if the site sent a `state`.
    pub binding: Option<Binding>,
    /// What is known of its page.
    pub page: PageInfo,
    /// How long it can be scanned and confirmed. It is stored for ten minutes more.
    pub life: Duration,
    /// The W3C trace context of the call that opens it, if it is traced.
    pub traceparent: Option<String>,
}

impl NewScene {
    /// The fields to store.
    pub fn fields(&self) -> Vec<(SceneField, String)> {
        let mut fields = vec![
            (SceneField::Account, self.account.to_string()),
            (SceneField::Page, serde_json::to_string(&self.page).expect("a page serializes: it has no maps")),
        ];
        fields.extend(self.binding.map(|binding| (SceneField::Binding, binding.to_string())));
        fields.extend(self.traceparent.clone().map(|traceparent| (SceneField::OpenTrace, traceparent)));
        fields
    }
}

/// A scene at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneSnapshot {
    /// Its state, by the clock of the bus.
    pub state: SceneState,
    /// The rest of its life.
    pub remaining: Duration,
    /// The stored fields. An absent field counts as empty.
    pub fields: BTreeMap<SceneField, String>,
}

impl SceneSnapshot {
    fn parse<T: std::str::FromStr>(&self, field: SceneField) -> Option<T> {
        self.fields.get(&field)?.parse().ok()
    }

    /// The openid of the person who scanned.
    pub fn who(&self) -> Option<OpenId> {
        self.parse(SceneField::Who)
    }

    /// The account that the scene belongs to.
    pub fn account(&self) -> Option<AccountName> {
        self.parse(SceneField::Account)
    }

    /// The person who scanned. They haven't logged in unless the state is confirmed or redeemed.
    pub fn person(&self) -> Option<Person> {
        serde_json::from_str(self.fields.get(&SceneField::Person)?).ok()
    }

    /// What is known of the page.
    pub fn page(&self) -> PageInfo {
        self.fields.get(&SceneField::Page).and_then(|page| serde_json::from_str(page).ok()).unwrap_or_default()
    }

    /// The W3C trace context of the call that opened it, if it is traced.
    pub fn open_trace(&self) -> Option<&str> {
        self.fields.get(&SceneField::OpenTrace).map(String::as_str)
    }

    /// The W3C trace context of what confirmed the login, if it is traced.
    pub fn login_trace(&self) -> Option<&str> {
        self.fields.get(&SceneField::LoginTrace).map(String::as_str)
    }

    /// The numbers to pick from, if number matching is used.
    pub fn choices(&self) -> Option<[Number; 3]> {
        NumberChallenge::parse_choices(self.fields.get(&SceneField::Choices)?)
    }
}

/// Why a settle was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleRefusal {
    /// The transition can't start from the scene's state, which is this.
    State(SceneState),
    /// This field of the scene has another value than the transition demands.
    Guard(SceneField),
}

/// The outcome of a settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The transition was applied now.
    Applied(SceneSnapshot),
    /// The same delivery has changed the scene before. Nothing changed now.
    Repeated(SceneSnapshot),
    Refused(SettleRefusal, SceneSnapshot),
    /// There is no such scene, or it isn't stored any more.
    Unknown,
}

impl Settled {
    /// The scene, if there is one.
    pub fn snapshot(&self) -> Option<&SceneSnapshot> {
        match self {
            Self::Applied(snapshot) | Self::Repeated(snapshot) | Self::Refused(_, snapshot) => Some(snapshot),
            Self::Unknown => None,
        }
    }
}

/// A scene as it is stored.
#[derive(Debug, Clone)]
pub struct Scene {
    state: SceneState,
    expires_ms: u64,
    seq: u64,
    fields: BTreeMap<SceneField, String>,
    deliveries: Vec<DeliveryId>,
    events: Vec<Event>,
}

impl Scene {
    /// Opens a scene at this time, in unix milliseconds.
    pub fn open(new: &NewScene, now_ms: u64) -> Self {
        Self {
            state: SceneState::Open,
            expires_ms: now_ms + millis(new.life),
            seq: 0,
            fields: new.fields().into_iter().collect(),
            deliveries: vec![],
            events: vec![],
        }
    }

    /// Its state at this time, in unix milliseconds.
    pub fn state(&self, now_ms: u64) -> SceneState {
        if self.state.can_expire() && now_ms >= self.expires_ms { SceneState::Expired } else { self.state }
    }

    /// The rest of its life at this time, in unix milliseconds.
    pub fn remaining(&self, now_ms: u64) -> Duration {
        Duration::from_millis(self.expires_ms.saturating_sub(now_ms))
    }

    /// When its life ends, in unix milliseconds.
    pub fn expires_ms(&self) -> u64 {
        self.expires_ms
    }

    /// Its events, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The scene at this time, in unix milliseconds.
    pub fn snapshot(&self, now_ms: u64) -> SceneSnapshot {
        SceneSnapshot { state: self.state(now_ms), remaining: self.remaining(now_ms), fields: self.fields.clone() }
    }

    /// The stored text of a field. An absent field counts as empty.
    fn text(&self, field: SceneField) -> &str {
        self.fields.get(&field).map_or("", String::as_str)
    }

    /// Carries out a step at this time, in unix microseconds, or refuses it. If the outcome is `Applied` and the step has an
    /// event, that event is the last of [`Scene::events`].
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
            if self.text(*field) != wanted {
                return Settled::Refused(SettleRefusal::Guard(*field), self.snapshot(now_ms));
            }
        }
        let wrong = step.only_try.as_ref().filter(|only_try| self.text(only_try.field) != only_try.value);
        match wrong {
            Some(only_try) if self.text(only_try.field).is_empty() => {
                return Settled::Refused(SettleRefusal::Guard(only_try.field), self.snapshot(now_ms));
            }
            Some(only_try) => self.state = only_try.wrong_to,
            None => {
                self.state = step.to;
                self.fields.extend(step.sets.iter().cloned());
                self.expires_ms = step.life.map_or(self.expires_ms, |life| now_ms + millis(life));
            }
        }
        self.deliveries.push(cause.delivery);
        if let Some(what) = step.event_of(self.state) {
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
