//! The outbox: webhook events for the sites, kept until the sites have them.
//!
//! An event is a stream entry. A pod claims it, delivers it and removes it. An entry that a pod has claimed and not
//! removed (the site failed, or the pod died) is claimed again when its pause is over, by any pod. So each event is
//! delivered at least once, and a site recognises a repeated event by its id.
//!
//! ```text
//!  put ──▶ waiting ──claim──▶ claimed ──remove──▶ (gone)      the site has it
//!   │                          ▲    │
//!   │ no room                  └────┤ its pause is over
//!   ▼                               ▼
//!  dead letters ◀─────────────── bury                         too old, or unreadable
//! ```
//!
//! During a rollout an older pod may claim an event that a newer pod wrote, of a kind that the older pod doesn't know.
//! The older pod leaves such an entry where it is ([`ClaimedEvent::may_be_newer`]), so that a newer pod claims it after
//! its pause. Only an entry that is older than a rollout may last becomes a dead letter.
//!
//! See docs/decisions/023-the-outbox-is-a-stream-with-one-consumer.md.

use std::{fmt, time::Duration};

use scenecast_bus::{Store, StoreError, StreamEntry};
use scenecast_scene::{AccountName, DeliveryId, time::millis};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::retry_backoff::RetryBackoff;

/// How many claimed entries one step of a sweep looks at.
const SWEEP_STEP: usize = 500;
/// How long a rollout of callbacks may last: for so long pods of two versions work on one outbox.
pub const ROLLOUT: Duration = Duration::from_secs(60 * 60);

/// What a site's backend is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// The account of the person.
    pub account: AccountName,
    pub kind: WebhookEventKind,
    /// The delivery that caused it.
    pub delivery: DeliveryId,
    /// When the event was written, in unix milliseconds.
    pub created: u64,
    /// The data of the event, as the `webhooks` module writes and reads it.
    pub body: serde_json::Value,
}

impl WebhookEvent {
    /// The id, which is the same whenever the same event is written or delivered again. The delivery's id alone is not
    /// enough, because one delivery may be a follow and a login.
    pub fn id(&self) -> String {
        format!("{}-{}", self.kind.as_str(), self.delivery)
    }
}

/// Leaves out the body, which is about a person.
impl fmt::Debug for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} of {}>", self.id(), self.account)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WebhookEventKind {
    /// A person began to follow the account.
    Followed,
    /// A person stopped following the account.
    Unfollowed,
    /// A person logged in with the account.
    LoggedIn,
}

impl WebhookEventKind {
    /// Its word in ids, logs and on the wire.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How many entries of one account the outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxCapacity {
    /// Events that wait. Beyond that a new event is a dead letter at once, so that a slow site can't fill Redis.
    pub waiting: usize,
    /// Dead letters, about. The oldest are dropped first.
    pub dead: usize,
}

impl Default for OutboxCapacity {
    /// Room for half an hour in which 50 people log in each second and the site takes no event: about 100 MB.
    fn default() -> Self {
        Self { waiting: 100_000, dead: 10_000 }
    }
}

/// What became of an event that was put into the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It waits for its delivery.
    Waiting,
    /// There was no room, so it is a dead letter.
    Dead,
}

/// An entry that this pod has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedEvent {
    /// The event; `None` if this pod can't read the entry.
    pub event: Option<WebhookEvent>,
    account: AccountName,
    entry: StreamEntry,
}

impl ClaimedEvent {
    fn new(account: &AccountName, entry: StreamEntry) -> Self {
        Self { event: serde_json::from_str(&entry.text).ok(), account: account.clone(), entry }
    }

    /// What log lines call it: the event's id, or else the stream entry's.
    pub fn id(&self) -> String {
        self.event.as_ref().map_or_else(|| self.entry.id.clone(), WebhookEvent::id)
    }

    /// Whether a newer pod may have written this entry, at this unix time: it is not older than a rollout may last.
    /// Redis puts the time of writing into the entry's id. In memory there is no other pod, and no time in the id.
    ///
    /// See docs/decisions/033-unreadable-outbox-entries-wait-for-newer-pods.md.
    pub fn may_be_newer(&self, now: Duration) -> bool {
        let written_ms = self.entry.id.split_once('-').and_then(|(ms, _)| ms.parse::<u64>().ok());
        written_ms.is_some_and(|written_ms| millis(now).saturating_sub(written_ms) < millis(ROLLOUT))
    }
}

/// How far a sweep has come through the claimed entries.
#[derive(Debug, Clone, Default)]
pub struct SweepCursor {
    after: Option<String>,
}

/// The events of all accounts. Clones share the outbox.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
    capacity: OutboxCapacity,
}

impl Outbox {
    /// The outbox in this store.
    pub fn new(store: Store, capacity: OutboxCapacity) -> Self {
        Self { store, capacity }
    }

    /// Puts an event into the outbox. When this is done, no pod's death loses the event. An event that is put twice is
    /// delivered twice.
    pub async fn put(&self, event: &WebhookEvent) -> Result<PutOutcome, StoreError> {
        let text = serde_json::to_string(event).expect("an event has string keys only");
        if self.store.append_if_room(&waiting_key(&event.account), text.clone(), self.capacity.waiting).await? {
            return Ok(PutOutcome::Waiting);
        }
        self.store.append(&dead_key(&event.account), &text, self.capacity.dead).await?;
        Ok(PutOutcome::Dead)
    }

    /// Claims entries that no pod has claimed yet.
    pub async fn claim_new(&self, account: &AccountName, at_most: usize) -> Result<Vec<ClaimedEvent>, StoreError> {
        let entries = self.store.read_new(&waiting_key(account), at_most).await?;
        Ok(entries.into_iter().map(|entry| ClaimedEvent::new(account, entry)).collect())
    }

    /// Claims again those entries whose pause is over: after a failed attempt, or after the death of the pod that
    /// claimed them. Goes one step of the sweep, which costs the same however many entries are claimed.
    pub async fn claim_due(
        &self,
        account: &AccountName,
        at_most: usize,
        backoff: RetryBackoff,
        sweep: &mut SweepCursor,
    ) -> Result<Vec<ClaimedEvent>, StoreError> {
        let page = self.store.pending(&waiting_key(account), sweep.after.as_deref(), SWEEP_STEP).await?;
        let is_last = page.len() < SWEEP_STEP;
        let mut due = vec![];
        let mut after = None;
        for claimed in page {
            let pause = backoff.pause_after(claimed.times, &claimed.id);
            if claimed.idle >= pause {
                if due.len() == at_most {
                    break;
                }
                due.push((claimed.id.clone(), pause));
            }
            after = Some(claimed.id);
        }
        sweep.after = after.filter(|_| !is_last || due.len() == at_most);
        let entries = self.store.claim_pending(&waiting_key(account), &due).await?;
        Ok(entries.into_iter().map(|entry| ClaimedEvent::new(account, entry)).collect())
    }

    /// Removes an entry: the site has the event, or doesn't want it. An entry that isn't removed is claimed again when
    /// its pause is over.
    pub async fn remove(&self, claimed: &ClaimedEvent) -> Result<(), StoreError> {
        self.store.remove(&waiting_key(&claimed.account), &claimed.entry.id).await
    }

    /// Gives an entry up: from now on it is a dead letter, with the text that it had.
    pub async fn bury(&self, claimed: &ClaimedEvent) -> Result<(), StoreError> {
        self.store.append(&dead_key(&claimed.account), &claimed.entry.text, self.capacity.dead).await?;
        self.remove(claimed).await
    }

    /// How many events wait, claimed or not.
    pub async fn waiting(&self, account: &AccountName) -> Result<u64, StoreError> {
        self.store.length(&waiting_key(account)).await
    }

    /// How many dead letters there are.
    pub async fn dead(&self, account: &AccountName) -> Result<u64, StoreError> {
        self.store.length(&dead_key(account)).await
    }
}

fn waiting_key(account: &AccountName) -> String {
    format!("outbox:{account}")
}

fn dead_key(account: &AccountName) -> String {
    format!("outbox-dead:{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_may_be_newer_for_as_long_as_a_rollout_lasts() {
        let now = Duration::from_secs(1_800_000_000);
        let account = "demo".parse().unwrap();
        let claimed = |id: &str| ClaimedEvent::new(&account, StreamEntry { id: id.to_owned(), text: "{}".to_owned() });
        for (id, expected) in [
            ("1800000000000-0", true),
            // The clock of Redis may be ahead of ours.
            ("1800000005000-3", true),
            ("1799996400001-0", true),
            ("1799996400000-0", false),
            ("1-0", false),
            // An entry in memory.
            ("17", false),
        ] {
            assert_eq!(claimed(id).may_be_newer(now), expected, "{id}");
        }
    }

    #[test]
    fn each_kind_of_event_is_called_the_same_in_ids_and_in_the_outbox() {
        for kind in [WebhookEventKind::Followed, WebhookEventKind::Unfollowed, WebhookEventKind::LoggedIn] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
