//! A TCP hop between a pod and Redis that holds, swallows, stalls and cuts, so that the outcome of
//! a race is the test's to choose.

use std::net::SocketAddr;

use scenecast_shared::testing::RedisServer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::fixtures::PATIENCE;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToRedis,
    ToPod,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Flow {
    #[default]
    Pass,
    /// They wait.
    Hold,
    /// They are gone.
    Swallow,
}

#[derive(Debug, Default)]
struct State {
    to_redis: Flow,
    to_pod: Flow,
    /// Answers are held once this has gone to Redis.
    trap: Option<String>,
    refusing: bool,
    /// Connections so far; each has its number.
    connections: usize,
    /// Those with lower numbers are cut.
    cut: usize,
    /// Those with lower numbers carry nothing any more.
    stalled: usize,
    /// All that has come by.
    seen: Vec<(Way, Vec<u8>)>,
}

/// The hop.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Wire {
    /// A hop to this server; everything passes.
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = server.url().trim_start_matches("redis://").to_owned();
        let state = watch::Sender::default();
        tokio::spawn(accept(listener, target, state.clone()));
        Self { address, state }
    }

    /// Redis's address by way of this.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// What becomes of bytes that go this way, from now on.
    pub(crate) fn flow(&self, way: Way, flow: Flow) {
        self.state.send_modify(|state| match way {
            Way::ToRedis => state.to_redis = flow,
            Way::ToPod => state.to_pod = flow,
        });
    }

    /// Holds answers from the moment at which this text goes to Redis.
    pub(crate) fn hold_answers_to(&self, text: impl Into<String>) {
        self.state.send_modify(|state| state.trap = Some(text.into()));
    }

    /// Cuts every connection and refuses new ones, until [`Wire::mend`].
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| (state.refusing, state.cut) = (true, state.connections));
    }

    /// Takes connections again.
    pub(crate) fn mend(&self) {
        self.state.send_modify(|state| state.refusing = false);
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.state.borrow().connections
    }

    /// From now on nothing comes through the connections that there are, and nothing tells so.
    pub(crate) fn stall(&self) {
        self.state.send_modify(|state| state.stalled = state.connections);
    }

    /// Done when this text has come by so many times, held or not.
    pub(crate) async fn until_seen(&self, times: usize, way: Way, text: &str) {
        let mut state = self.state.subscribe();
        let seen = state.wait_for(|state| state.places(way, text).len() >= times);
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("{text} did not come by {times} times")).unwrap();
    }

    /// Forgets what has come by.
    pub(crate) fn forget(&self) {
        self.state.send_modify(|state| state.seen.clear());
    }

    /// How many more times `asked` had gone to Redis than `answered` had come back, at most.
    pub(crate) fn most_in_flight(&self, asked: &str, answered: &str) -> usize {
        let state = self.state.borrow();
        let (asked, answered) = (state.places(Way::ToRedis, asked), state.places(Way::ToPod, answered));
        let in_flight = |(before, at): (usize, &usize)| before + 1 - answered.partition_point(|answer| answer < at);
        asked.iter().enumerate().map(in_flight).max().unwrap_or(0)
    }
}

impl State {
    /// What becomes of bytes on this connection.
    fn flow(&self, way: Way, number: usize) -> Flow {
        match way {
            _ if number < self.stalled => Flow::Hold,
            Way::ToRedis => self.to_redis,
            Way::ToPod => self.to_pod,
        }
    }

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

    fn see(&mut self, way: Way, bytes: &[u8]) {
        self.seen.push((way, bytes.to_vec()));
        if self.trap.as_ref().is_some_and(|text| !self.places(Way::ToRedis, text).is_empty()) {
            (self.trap, self.to_pod) = (None, Flow::Hold);
        }
    }
}

async fn accept(listener: TcpListener, target: String, state: watch::Sender<State>) {
    while let Ok((pod, _)) = listener.accept().await {
        if !state.borrow().refusing
            && let Ok(redis) = TcpStream::connect(&target).await
        {
            let number = state.borrow().connections;
            state.send_modify(|state| state.connections += 1);
            let state = state.clone();
            tokio::spawn(async move {
                let mut cut = state.subscribe();
                let ((from_pod, to_pod), (from_redis, to_redis)) = (pod.into_split(), redis.into_split());
                tokio::select! {
                    // First, so that nothing that was held slips through.
                    biased;
                    _ = cut.wait_for(|state| number < state.cut) => {}
                    () = carry(from_pod, to_redis, Way::ToRedis, number, &state) => {}
                    () = carry(from_redis, to_pod, Way::ToPod, number, &state) => {}
                }
            });
        }
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    number: usize,
    state: &watch::Sender<State>,
) {
    let mut changes = state.subscribe();
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        state.send_modify(|state| state.see(way, &bytes[..length]));
        let flow = changes.wait_for(|state| state.flow(way, number) != Flow::Hold).await.unwrap().flow(way, number);
        if flow == Flow::Pass && to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}
