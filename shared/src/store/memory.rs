//! What a Redis would hold, inside one process: values, some with an end, streams, and the pods' roll.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::redis::{Entry, Out};

/// Values that have ended are looked for when there are this many, and then at each doubling.
const SWEPT_FROM: usize = 1024;

/// Shared by the stores of one process.
#[derive(Debug, Default)]
pub(super) struct Memory {
    values: Mutex<Values>,
    streams: Mutex<HashMap<String, Stream>>,
    roll: Mutex<HashMap<String, String>>,
}

impl Memory {
    pub(super) fn values(&self) -> MutexGuard<'_, Values> {
        // No code that holds a lock panics half-way through a change.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does this with a stream, which is empty if it wasn't there.
    pub(super) fn stream<T>(&self, name: &str, work: impl FnOnce(&mut Stream) -> T) -> T {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        work(streams.entry(name.to_owned()).or_default())
    }

    /// Strikes these off, puts down what a pod says of itself, and answers what all say.
    pub(super) fn call_roll(&self, pod: &str, words: String, gone: &[String]) -> HashMap<String, String> {
        let mut roll = self.roll.lock().unwrap_or_else(PoisonError::into_inner);
        roll.retain(|pod, _| !gone.contains(pod));
        roll.insert(pod.to_owned(), words);
        roll.clone()
    }
}

/// Values by name.
#[derive(Debug)]
pub(super) struct Values {
    values: HashMap<String, Value>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Value {
    text: String,
    ends: Option<Instant>,
}

impl Value {
    fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }
}

impl Default for Values {
    fn default() -> Self {
        Self { values: HashMap::new(), sweep_at: SWEPT_FROM }
    }
}

impl Values {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).filter(|value| !value.is_over()).map(|value| value.text.as_str())
    }

    /// Gives a name a value, for so long, or until it is given another.
    pub(super) fn put(&mut self, name: &str, text: String, life: Option<Duration>) {
        if self.values.len() >= self.sweep_at {
            self.values.retain(|_, value| !value.is_over());
            self.sweep_at = SWEPT_FROM.max(2 * self.values.len());
        }
        self.values.insert(name.to_owned(), Value { text, ends: life.map(|life| Instant::now() + life) });
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// Adds one; the sum's life begins with the first.
    pub(super) fn count(&mut self, name: &str, life: Duration) -> u64 {
        let sum = self.get(name).and_then(|sum| sum.parse().ok()).unwrap_or(0) + 1;
        match self.values.get_mut(name) {
            Some(value) if sum > 1 => value.text = sum.to_string(),
            _ => self.put(name, sum.to_string(), Some(life)),
        }
        sum
    }
}

/// Entries in the order in which they were appended.
#[derive(Debug, Default)]
pub(super) struct Stream {
    appended: u64,
    /// Entries up to this one were given out.
    given: u64,
    entries: BTreeMap<u64, Kept>,
}

#[derive(Debug)]
struct Kept {
    text: String,
    given: Instant,
    times: u32,
}

impl Kept {
    fn give(&mut self, id: u64) -> Entry {
        (self.given, self.times) = (Instant::now(), self.times + 1);
        Entry { id: id.to_string(), text: self.text.clone() }
    }
}

impl Stream {
    pub(super) fn append(&mut self, text: &str) {
        self.appended += 1;
        self.entries.insert(self.appended, Kept { text: text.to_owned(), given: Instant::now(), times: 0 });
    }

    /// Lets go of the oldest beyond so many.
    pub(super) fn trim(&mut self, at_most: usize) {
        while self.entries.len() > at_most {
            self.entries.pop_first();
        }
    }

    pub(super) fn length(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn give_new(&mut self, at_most: usize) -> Vec<Entry> {
        let new = self.entries.range_mut(self.given + 1..).take(at_most);
        let given: Vec<_> = new.map(|(id, kept)| (*id, kept.give(*id))).collect();
        self.given = given.last().map_or(self.given, |(id, _)| *id);
        given.into_iter().map(|(_, entry)| entry).collect()
    }

    pub(super) fn out(&self, after: Option<&str>, at_most: usize) -> Vec<Out> {
        let after = after.and_then(|id| id.parse().ok()).unwrap_or(0);
        let out = self.entries.range(after + 1..).take_while(|(id, _)| **id <= self.given);
        out.take(at_most)
            .map(|(id, kept)| Out { id: id.to_string(), idle: kept.given.elapsed(), times: kept.times })
            .collect()
    }

    pub(super) fn give_again(&mut self, overdue: &[(String, Duration)]) -> Vec<Entry> {
        let mut again = |(id, idle): &(String, Duration)| {
            let id = id.parse().ok()?;
            let kept = self.entries.get_mut(&id)?;
            (kept.given.elapsed() >= *idle).then(|| kept.give(id))
        };
        overdue.iter().filter_map(&mut again).collect()
    }

    pub(super) fn remove(&mut self, id: &str) {
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
        let mut values = Values::default();
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
