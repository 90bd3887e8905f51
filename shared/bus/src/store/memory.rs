//! What Redis would hold, inside one process: values and streams.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, MutexGuard};
use scenecast_redis::{PendingEntry, StreamEntry};
use tokio::time::Instant;

/// Values that have ended are removed when there are this many, and then at each doubling.
const SWEPT_FROM: usize = 1024;

/// Shared by the stores of one process.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    began: SystemTime,
    values: Mutex<ValueMap>,
    streams: Mutex<HashMap<String, MemoryStream>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { began: SystemTime::now(), values: Mutex::default(), streams: Mutex::default() }
    }
}

impl MemoryStore {
    /// What was before it is lost.
    pub(crate) fn began(&self) -> SystemTime {
        self.began
    }

    pub(crate) fn values(&self) -> MutexGuard<'_, ValueMap> {
        self.values.lock()
    }

    /// Calls `work` with a stream. A stream that doesn't exist yet is made.
    pub(crate) fn stream<T>(&self, name: &str, work: impl FnOnce(&mut MemoryStream) -> T) -> T {
        let mut streams = self.streams.lock();
        work(streams.entry(name.to_owned()).or_default())
    }
}

/// Values by name.
#[derive(Debug)]
pub(crate) struct ValueMap {
    values: HashMap<String, StoredValue>,
    sweep_at: usize,
}

#[derive(Debug)]
struct StoredValue {
    text: String,
    ends: Option<Instant>,
}

impl StoredValue {
    fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

impl Default for ValueMap {
    fn default() -> Self {
        Self { values: HashMap::new(), sweep_at: SWEPT_FROM }
    }
}

impl ValueMap {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).filter(|value| !value.is_over()).map(|value| value.text.as_str())
    }

    /// Sets a value, for `life` if there is one, and otherwise until it is replaced.
    pub(crate) fn put(&mut self, name: &str, text: String, life: Option<Duration>) {
        if self.values.len() >= self.sweep_at {
            self.values.retain(|_, value| !value.is_over());
            self.sweep_at = SWEPT_FROM.max(2 * self.values.len());
        }
        self.values.insert(name.to_owned(), StoredValue { text, ends: life.map(|life| Instant::now() + life) });
    }

    /// The value as it was when the copy was made: now, or by an earlier call. Empty if there was none.
    pub(crate) fn keep(&mut self, name: &str, copy: &str, life: Duration) -> String {
        if let Some(kept) = self.get(copy) {
            return kept.to_owned();
        }
        let value = self.get(name).unwrap_or_default().to_owned();
        self.put(copy, value.clone(), Some(life));
        value
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Adds so many to a counter and returns the sum. The counter's life begins with the first call.
    pub(crate) fn count(&mut self, name: &str, several: u64, life: Duration) -> u64 {
        let counted: u64 = self.get(name).and_then(|sum| sum.parse().ok()).unwrap_or(0);
        let sum = counted + several;
        match self.values.get_mut(name) {
            Some(value) if counted > 0 => value.text = sum.to_string(),
            _ => self.put(name, sum.to_string(), Some(life)),
        }
        sum
    }
}

/// Entries in the order in which they were appended.
#[derive(Debug, Default)]
pub(crate) struct MemoryStream {
    appended: u64,
    /// All entries up to this one have been read.
    last_read: u64,
    entries: BTreeMap<u64, StreamRecord>,
}

#[derive(Debug)]
struct StreamRecord {
    text: String,
    claimed_at: Instant,
    times: u32,
}

impl StreamRecord {
    fn claim(&mut self, id: u64) -> StreamEntry {
        self.claimed_at = Instant::now();
        self.times += 1;
        StreamEntry { id: id.to_string(), text: self.text.clone() }
    }
}

impl MemoryStream {
    pub(crate) fn append(&mut self, text: &str) {
        self.appended += 1;
        let record = StreamRecord { text: text.to_owned(), claimed_at: Instant::now(), times: 0 };
        self.entries.insert(self.appended, record);
    }

    /// Removes the oldest entries, until at most so many are left.
    pub(crate) fn trim(&mut self, at_most: usize) {
        while self.entries.len() > at_most {
            self.entries.pop_first();
        }
    }

    pub(crate) fn length(&self) -> usize {
        self.entries.len()
    }

    /// Claims entries for the first time.
    pub(crate) fn read_new(&mut self, at_most: usize) -> Vec<StreamEntry> {
        let mut read = vec![];
        for (id, record) in self.entries.range_mut(self.last_read + 1..).take(at_most) {
            read.push(record.claim(*id));
            self.last_read = *id;
        }
        read
    }

    /// The entries after `after` that were claimed and not removed.
    pub(crate) fn pending(&self, after: Option<&str>, at_most: usize) -> Vec<PendingEntry> {
        let after = after.and_then(|id| id.parse().ok()).unwrap_or(0);
        let pending = self.entries.range(after + 1..).take_while(|(id, _)| **id <= self.last_read);
        let pending = pending.map(|(id, record)| PendingEntry {
            id: id.to_string(),
            idle: record.claimed_at.elapsed(),
            times: record.times,
        });
        pending.take(at_most).collect()
    }

    /// Claims these entries again if each has been idle at least this long.
    pub(crate) fn claim_pending(&mut self, overdue: &[(String, Duration)]) -> Vec<StreamEntry> {
        let mut claimed = vec![];
        for (id, idle) in overdue {
            let Ok(id) = id.parse() else { continue };
            if let Some(record) = self.entries.get_mut(&id)
                && record.claimed_at.elapsed() >= *idle
            {
                claimed.push(record.claim(id));
            }
        }
        claimed
    }

    pub(crate) fn remove(&mut self, id: &str) {
        if let Ok(id) = id.parse() {
            self.entries.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_is_gone_and_does_not_pile_up() {
        let mut values = ValueMap::default();
        let life = Duration::from_secs(1);
        values.put("for ever", String::new(), None);
        for n in 0..100_000 {
            values.put(&n.to_string(), String::new(), Some(life));
            tokio::time::advance(life / 100).await;
        }
        assert!(values.get("99999").is_some() && values.get("99899").is_none());
        assert!(values.get("for ever").is_some());
        assert!(values.values.len() <= SWEPT_FROM + 1, "{}", values.values.len());
    }
}
