//! A hop between a pod and Redis that knows what has come by, so that the outcome of a race is the test's to choose.

use std::{ops::Deref, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::{
    fault_proxy::proxy::{Direction, FaultProxy, ProxyMode},
    redis::server::RedisServer,
};

/// How long a test waits for what has to come by.
const PATIENCE: Duration = Duration::from_secs(20);

/// The hop.
#[derive(Debug)]
pub struct RecordingProxy {
    proxy: FaultProxy,
    memory: watch::Sender<Recording>,
}

#[derive(Debug, Default)]
struct Recording {
    /// Answers are held once this has gone to Redis.
    trap: Option<String>,
    /// All that has come by.
    seen: Vec<(Direction, Vec<u8>)>,
}

/// It breaks as any hop does.
impl Deref for RecordingProxy {
    type Target = FaultProxy;

    fn deref(&self) -> &FaultProxy {
        &self.proxy
    }
}

impl RecordingProxy {
    /// A hop to this server; everything passes.
    pub async fn to(server: &RedisServer) -> Self {
        let memory = watch::Sender::<Recording>::default();
        let remember = memory.clone();
        let tap = move |hop: &FaultProxy, way, bytes: &[u8]| remember.send_modify(|memory| memory.see(hop, way, bytes));
        Self { proxy: FaultProxy::tapped(vec![server.address()], tap).await, memory }
    }

    /// Redis's address by way of this.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Holds answers from the moment at which this text goes to Redis.
    pub fn hold_answers_to(&self, text: impl Into<String>) {
        self.memory.send_modify(|memory| memory.trap = Some(text.into()));
    }

    /// Done when this text has come by so many times, held or not.
    pub async fn until_seen(&self, times: usize, way: Direction, text: &str) {
        let mut memory = self.memory.subscribe();
        let seen = memory.wait_for(|memory| memory.places(way, text).len() >= times);
        timeout(PATIENCE, seen)
            .await
            .unwrap_or_else(|_| panic!("{text} did not come by {times} times"))
            .expect("this hop has the sender");
    }

    /// Forgets what has come by.
    pub fn forget(&self) {
        self.memory.send_modify(|memory| memory.seen.clear());
    }

    /// How many more times `asked` had gone to Redis than `answered` had come back, at most.
    pub fn most_in_flight(&self, asked: &str, answered: &str) -> usize {
        let memory = self.memory.borrow();
        let (asked, answered) =
            (memory.places(Direction::ToServer, asked), memory.places(Direction::ToClient, answered));
        let in_flight = |(before, at): (usize, &usize)| before + 1 - answered.partition_point(|answer| answer < at);
        asked.iter().enumerate().map(in_flight).max().unwrap_or(0)
    }
}

impl Recording {
    /// With which of the chunks this text was complete, each time.
    fn places(&self, way: Direction, text: &str) -> Vec<usize> {
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

    fn see(&mut self, hop: &FaultProxy, way: Direction, bytes: &[u8]) {
        self.seen.push((way, bytes.to_vec()));
        if self.trap.as_ref().is_some_and(|text| !self.places(Direction::ToServer, text).is_empty()) {
            self.trap = None;
            hop.flow(Direction::ToClient, ProxyMode::Hold);
        }
    }
}
