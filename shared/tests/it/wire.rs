//! A hop between a pod and Redis that knows what has come by, so that the outcome of a race is the test's to choose.

use std::ops::Deref;

use scenecast_shared::testing::{Flow, Hop, RedisServer, Way};
use tokio::{sync::watch, time::timeout};

use crate::fixtures::PATIENCE;

/// The hop.
#[derive(Debug)]
pub(crate) struct Wire {
    hop: Hop,
    memory: watch::Sender<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Answers are held once this has gone to Redis.
    trap: Option<String>,
    /// All that has come by.
    seen: Vec<(Way, Vec<u8>)>,
}

/// It breaks as any hop does.
impl Deref for Wire {
    type Target = Hop;

    fn deref(&self) -> &Hop {
        &self.hop
    }
}

impl Wire {
    /// A hop to this server; everything passes.
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let memory = watch::Sender::<Memory>::default();
        let remember = memory.clone();
        let tap = move |hop: &Hop, way, bytes: &[u8]| remember.send_modify(|memory| memory.see(hop, way, bytes));
        Self { hop: Hop::tapped(vec![server.address()], tap).await, memory }
    }

    /// Redis's address by way of this.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Holds answers from the moment at which this text goes to Redis.
    pub(crate) fn hold_answers_to(&self, text: impl Into<String>) {
        self.memory.send_modify(|memory| memory.trap = Some(text.into()));
    }

    /// Done when this text has come by so many times, held or not.
    pub(crate) async fn until_seen(&self, times: usize, way: Way, text: &str) {
        let mut memory = self.memory.subscribe();
        let seen = memory.wait_for(|memory| memory.places(way, text).len() >= times);
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{text} did not come by {times} times")).unwrap();
    }

    /// Forgets what has come by.
    pub(crate) fn forget(&self) {
        self.memory.send_modify(|memory| memory.seen.clear());
    }

    /// How many more times `asked` had gone to Redis than `answered` had come back, at most.
    pub(crate) fn most_in_flight(&self, asked: &str, answered: &str) -> usize {
        let memory = self.memory.borrow();
        let (asked, answered) = (memory.places(Way::There, asked), memory.places(Way::Back, answered));
        let in_flight = |(before, at): (usize, &usize)| before + 1 - answered.partition_point(|answer| answer < at);
        asked.iter().enumerate().map(in_flight).max().unwrap_or(0)
    }
}

impl Memory {
    /// With which of the chunks this text was complete, each time.
    fn places(&self, way: Way, text: &str) -> Vec<usize> {
        let mut places = vec![];
        let mut bytes = vec![];
        for (chunk, (_, more)) in self.seen.iter().enumerate().filter(|(_, (this_way, _))| *this_way == way) {
            let from = bytes.len().saturating_sub(text.len() - 1);
            bytes.extend_from_slice(more);
            let times = bytes[from..].windows(text.len()).filter(|window| *window == text.as_bytes()).count();
            places.extend(std::iter::repeat_n(chunk, times));
        }
        places
    }

    fn see(&mut self, hop: &Hop, way: Way, bytes: &[u8]) {
        self.seen.push((way, bytes.to_vec()));
        if self.trap.as_ref().is_some_and(|text| !self.places(Way::There, text).is_empty()) {
            self.trap = None;
            hop.flow(Way::Back, Flow::Hold);
        }
    }
}
