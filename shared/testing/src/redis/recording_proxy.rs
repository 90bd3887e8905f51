//! A proxy in front of Redis that records all bytes, so that a test can decide a race: it waits until a command has been
//! sent, or holds the response to it.

use std::{ops::Deref, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::{
    fault_proxy::{
        proxy::FaultProxy,
        state::{Direction, ProxyMode, ProxyState},
    },
    redis::{server::RedisServer, users::ADMIN},
};

/// How long a test waits for bytes.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A [`FaultProxy`] that records what it forwards.
#[derive(Debug)]
pub struct RecordingProxy {
    proxy: FaultProxy,
    recording: watch::Sender<Recording>,
}

#[derive(Debug, Default)]
struct Recording {
    /// Responses are held once this text has been sent to Redis.
    hold_after: Option<String>,
    /// All bytes so far, in the order in which they were read.
    chunks: Vec<(Direction, Vec<u8>)>,
}

/// All faults of a [`FaultProxy`] can be used.
impl Deref for RecordingProxy {
    type Target = FaultProxy;

    fn deref(&self) -> &FaultProxy {
        &self.proxy
    }
}

impl RecordingProxy {
    /// Starts a proxy in front of this server. It forwards and records everything.
    pub async fn start(server: &RedisServer) -> Self {
        let recording = watch::Sender::<Recording>::default();
        let recorder = recording.clone();
        let tap = move |state: &watch::Sender<ProxyState>, direction, bytes: &[u8]| {
            recorder.send_modify(|recording| recording.add(state, direction, bytes));
        };
        Self { proxy: FaultProxy::start_with_tap(vec![server.address()], Arc::new(tap)).await, recording }
    }

    /// The URL of Redis through this proxy, as a user who may do everything.
    pub fn url(&self) -> String {
        self.url_for(ADMIN, ADMIN)
    }

    /// The URL of Redis through this proxy, as this user.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.address())
    }

    /// Holds all responses as soon as `text` has been sent to Redis. Text that is in the recording already counts, too.
    pub fn hold_responses_after(&self, text: impl Into<String>) {
        self.recording.send_modify(|recording| recording.hold_after = Some(text.into()));
    }

    /// Waits until `text` has been read `times` times in this direction, whether it was forwarded or is held. Panics after
    /// 20 s.
    pub async fn until_seen(&self, times: usize, direction: Direction, text: &str) {
        let mut recording = self.recording.subscribe();
        let seen = recording.wait_for(|recording| recording.find(direction, text).len() >= times);
        timeout(TEST_TIMEOUT, seen)
            .await
            .unwrap_or_else(|_| panic!("{text} was not seen {times} times within 20 s"))
            .expect("this proxy has the sender");
    }

    /// Deletes what was recorded so far.
    pub fn clear_recording(&self) {
        self.recording.send_modify(|recording| recording.chunks.clear());
    }

    /// The largest number of requests in flight: how many more times `request` was sent than `response` was received.
    pub fn max_in_flight(&self, request: &str, response: &str) -> usize {
        let recording = self.recording.borrow();
        let responses = recording.find(Direction::ToClient, response);
        let mut max = 0;
        for (earlier_requests, chunk) in recording.find(Direction::ToServer, request).iter().enumerate() {
            let answered = responses.partition_point(|response| response < chunk);
            max = max.max(earlier_requests + 1 - answered);
        }
        max
    }
}

impl Recording {
    /// The numbers of the chunks that complete an occurrence of `text` in this direction.
    fn find(&self, direction: Direction, text: &str) -> Vec<usize> {
        let mut found = vec![];
        let mut bytes = vec![];
        for (number, (chunk_direction, chunk)) in self.chunks.iter().enumerate() {
            if *chunk_direction != direction {
                continue;
            }
            // An occurrence may have begun in the chunk before.
            let from = bytes.len().saturating_sub(text.len() - 1);
            bytes.extend_from_slice(chunk);
            let times = bytes[from..].windows(text.len()).filter(|window| *window == text.as_bytes()).count();
            found.extend(std::iter::repeat_n(number, times));
        }
        found
    }

    fn add(&mut self, state: &watch::Sender<ProxyState>, direction: Direction, bytes: &[u8]) {
        self.chunks.push((direction, bytes.to_vec()));
        if self.hold_after.as_ref().is_some_and(|text| !self.find(Direction::ToServer, text).is_empty()) {
            self.hold_after = None;
            state.send_modify(|state| state.set_mode(Direction::ToClient, ProxyMode::Hold));
        }
    }
}
