//! A primary, its replicas, and three Sentinels that watch over them.

use std::{iter, net::Ipv4Addr};

use futures_util::future::join_all;

use crate::{
    redis::{
        launch::{ServerKind, ServerSettings},
        partition::place,
        server::{RedisServer, together},
    },
    until,
};

/// How the Sentinels call the primary, whichever it is.
const SERVICE: &str = "main";
const QUORUM: &str = "2";

/// A primary with replicas, and its Sentinels. Servers have numbers: 0 began as the primary.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// A primary with two replicas, and three Sentinels that know each other and take a primary that
    /// has been silent for a second for dead.
    pub async fn start() -> Self {
        Self::start_with(2).await
    }

    /// The same with so many replicas.
    pub async fn start_with(replicas: usize) -> Self {
        Self::start_at(replicas, |_| None).await
    }

    /// A primary with two replicas, of which any can be cut off from all others and from the three Sentinels.
    pub async fn start_divisible() -> Self {
        Self::start_at(2, |n| Some(place(n))).await
    }

    /// First the servers have their places, then the Sentinels.
    async fn start_at(replicas: usize, place: impl Fn(usize) -> Option<Ipv4Addr>) -> Self {
        let primary =
            RedisServer::start_as(ServerSettings { place: place(0), ..ServerSettings::default() }, None).await;
        let others = join_all((1..=replicas).map(|n| RedisServer::start_replica_at(place(n), &primary))).await;
        let sentinels = join_all((1..=3).map(|n| start_sentinel(place(replicas + n), &primary))).await;
        let servers = iter::once(primary).chain(others).collect();
        let fixture = Self { servers, sentinels };
        for sentinel in &fixture.sentinels {
            until("the Sentinels know each other and the replicas", async || {
                let seen = fixture.seen_by(sentinel).await;
                let number = |name: &str| seen.get(name).and_then(|number| number.parse::<usize>().ok());
                number("num-other-sentinels") == Some(2) && number("num-slaves") == Some(replicas)
            })
            .await;
        }
        fixture
    }

    /// Its address, by all Sentinels, as the default user, who may do everything.
    pub fn url(&self) -> String {
        self.url_by(&self.sentinels[0].url())
    }

    /// The same, as this user of the primary. Sentinels have no users.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        self.url_by(&self.sentinels[0].url_for(user, password))
    }

    fn url_by(&self, first: &str) -> String {
        format!("{}&sentinelServiceName={SERVICE}", together(first, "sentinel", &self.sentinels[1..]))
    }

    /// The primary and its replicas, whichever is which now.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// One of them.
    pub fn server(&self, number: usize) -> &RedisServer {
        &self.servers[number]
    }

    /// One of them, to stop or start it.
    pub fn server_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.servers[number]
    }

    /// The Sentinels.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// One of them, to stop or start it.
    pub fn sentinel_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.sentinels[number]
    }

    /// Makes a user on all servers.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        join_all(self.servers.iter().map(|server| server.add_user(user, password, rules))).await;
    }

    /// The number of the primary, as a Sentinel that is up knows it.
    pub async fn primary(&self) -> usize {
        let sentinel = self.sentinels.iter().find(|sentinel| sentinel.is_up()).expect("one Sentinel is up");
        self.primary_by(sentinel).await
    }

    /// Done when all Sentinels that are up know a primary other than this one, and it has agreed;
    /// answers which.
    pub async fn until_failed_over(&self, from: usize) -> usize {
        let mut primary = from;
        for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.is_up()) {
            until("a replica has taken the primary's place", async || {
                primary = self.primary_by(sentinel).await;
                let server = &self.servers[primary];
                primary != from && server.is_up() && server.info("replication").await["role"] == "master"
            })
            .await;
        }
        primary
    }

    async fn primary_by(&self, sentinel: &RedisServer) -> usize {
        let port = &self.seen_by(sentinel).await["port"];
        let is_it = |server: &RedisServer| server.port().to_string() == *port;
        self.servers.iter().position(is_it).expect("the primary is one of them")
    }

    /// What a Sentinel says about the primary.
    async fn seen_by(&self, sentinel: &RedisServer) -> std::collections::BTreeMap<String, String> {
        let seen = sentinel.ask(&["SENTINEL", "MASTER", SERVICE]).await;
        let seen: Vec<_> = seen.lines().collect();
        seen.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    }
}

async fn start_sentinel(place: Option<Ipv4Addr>, primary: &RedisServer) -> RedisServer {
    let sentinel =
        RedisServer::start_as(ServerSettings { kind: ServerKind::Sentinel, place, ..ServerSettings::default() }, None)
            .await;
    // Nothing is between them, wherever they speak from.
    sentinel.ask(&["SENTINEL", "CONFIG", "SET", "announce-ip", "127.0.0.1"]).await;
    // They look around every ten seconds otherwise, and tell each other every two.
    sentinel.ask(&["SENTINEL", "DEBUG", "info-period", "500", "publish-period", "200", "ask-period", "200"]).await;
    let (host, port) = (primary.place().to_string(), primary.port().to_string());
    sentinel.ask(&["SENTINEL", "MONITOR", SERVICE, &host, &port, QUORUM]).await;
    let times = ["down-after-milliseconds", "1000", "failover-timeout", "3000"];
    sentinel.ask(&[&["SENTINEL", "SET", SERVICE][..], &times].concat()).await;
    sentinel
}
