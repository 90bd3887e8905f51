//! A primary, its replicas, and three Sentinels that monitor them.

use std::{collections::BTreeMap, iter, net::Ipv4Addr, time::Duration};

use futures_util::future::join_all;

use crate::{
    redis::{
        launch::{ServerKind, ServerSettings, TlsUse},
        peer_proxies::peer_address,
        server::RedisServer,
        users::{ADMIN, SENTINEL},
    },
    tls::CertificateAuthority,
    until,
};

/// The name of the monitored primary.
const SERVICE: &str = "main";
const QUORUM: &str = "2";

/// A primary with replicas, and its Sentinels. Servers are numbered; 0 is the primary at first.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts a primary with two replicas, and three Sentinels. They know each other, and start a failover when the primary
    /// has not answered for a second.
    pub async fn start() -> Self {
        Self::start_with(2).await
    }

    /// As [`RedisSentinels::start`], with this many replicas.
    pub async fn start_with(replicas: usize) -> Self {
        Self::start_at(replicas, |_| None).await
    }

    /// As [`RedisSentinels::start`]; any server can be partitioned with [`RedisSentinels::isolate`] and
    /// [`RedisSentinels::cut_off`].
    pub async fn start_partitionable() -> Self {
        Self::start_at(2, |number| Some(peer_address(number))).await
    }

    /// A primary without replicas and one Sentinel, of which exactly one uses TLS. Clients of the Sentinel need this
    /// password.
    pub async fn start_with_tls_at_one(authority: &CertificateAuthority, is_redis: bool, password: &str) -> Self {
        let (redis, sentinel) =
            if is_redis { (TlsUse::Everywhere, TlsUse::TowardsPeers) } else { (TlsUse::Nowhere, TlsUse::FromClients) };
        let settings = ServerSettings { tls: redis, ..ServerSettings::default() };
        let primary = RedisServer::start_as(settings, Some(authority)).await;
        let settings = ServerSettings { kind: ServerKind::Sentinel, tls: sentinel, ..ServerSettings::default() };
        let sentinel = monitor(RedisServer::start_as(settings, Some(authority)).await, &primary, "1").await;
        sentinel.ask(&["ACL", "SETUSER", "default", "resetpass", &format!(">{password}")]).await;
        Self { servers: vec![primary], sentinels: vec![sentinel] }
    }

    /// `peer_address` gives each process its address: the numbers of the servers come first, then those of the Sentinels.
    async fn start_at(replicas: usize, peer_address: impl Fn(usize) -> Option<Ipv4Addr>) -> Self {
        let settings = ServerSettings { peer_address: peer_address(0), ..ServerSettings::default() };
        let primary = RedisServer::start_as(settings, None).await;
        let others = join_all((1..=replicas).map(|n| RedisServer::start_replica_at(peer_address(n), &primary))).await;
        let sentinels = join_all((1..=3).map(|n| start_sentinel(peer_address(replicas + n), &primary))).await;
        let servers = iter::once(primary).chain(others).collect();
        let fixture = Self { servers, sentinels };
        for sentinel in &fixture.sentinels {
            until("the Sentinels know each other and the replicas", async || {
                let primary = fixture.primary_info(sentinel).await;
                let number = |name: &str| primary.get(name).and_then(|number| number.parse::<usize>().ok());
                number("num-other-sentinels") == Some(2) && number("num-slaves") == Some(replicas)
            })
            .await;
        }
        fixture
    }

    /// The URL of all Sentinels, as a user of the primary who may do everything.
    pub fn url(&self) -> String {
        self.url_for(ADMIN, ADMIN)
    }

    /// The URL of all Sentinels, as this user of the primary. The Sentinels themselves have no users.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        let address = |sentinel: &RedisServer| format!("{}:{}", sentinel.peer_address(), sentinel.port());
        let others = self.sentinels[1..].iter().map(|sentinel| format!("node={}", address(sentinel)));
        let query: Vec<_> = others.chain([format!("sentinelServiceName={SERVICE}")]).collect();
        format!("redis-sentinel://{user}:{password}@{}?{}", address(&self.sentinels[0]), query.join("&"))
    }

    /// The primary and its replicas.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    pub fn server(&self, number: usize) -> &RedisServer {
        &self.servers[number]
    }

    /// One server, to stop or start it.
    pub fn server_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.servers[number]
    }

    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// One Sentinel, to stop or start it.
    pub fn sentinel_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.sentinels[number]
    }

    /// Adds a user to all servers.
    pub async fn add_user(&self, user: &str, password: &str, rules: &str) {
        join_all(self.servers.iter().map(|server| server.add_user(user, password, rules))).await;
    }

    /// The number of the primary, as a running Sentinel knows it.
    pub async fn primary(&self) -> usize {
        let sentinel = self.sentinels.iter().find(|sentinel| sentinel.is_up()).expect("one Sentinel is up");
        self.primary_seen_by(sentinel).await
    }

    /// Waits until all running Sentinels know another primary than `from`, and that server is a primary. Returns its
    /// number.
    pub async fn until_failed_over(&self, from: usize) -> usize {
        let up = (0..self.sentinels.len()).filter(|number| self.sentinels[*number].is_up());
        let up: Vec<_> = up.collect();
        self.until_failed_over_at(&up, from).await
    }

    /// As [`RedisSentinels::until_failed_over`], for these Sentinels only.
    pub async fn until_failed_over_at(&self, sentinels: &[usize], from: usize) -> usize {
        let mut primary = from;
        for sentinel in sentinels {
            until("a replica has taken the primary's place", async || {
                primary = self.primary_seen_by(&self.sentinels[*sentinel]).await;
                let server = &self.servers[primary];
                primary != from && server.is_up() && server.info("replication").await["role"] == "master"
            })
            .await;
        }
        primary
    }

    /// Waits until this Sentinel has taken this replica for down for at least this long.
    pub async fn until_replica_is_down_at(&self, sentinel: usize, replica: usize, time: Duration) {
        let port = self.servers[replica].port().to_string();
        until("a Sentinel takes a replica for down", async || {
            let answer = self.sentinels[sentinel].ask(&["SENTINEL", "REPLICAS", SERVICE]).await;
            // The port comes before the other fields of its replica, and after those of the one before.
            let lines = answer.lines().skip_while(|line| *line != port);
            let fields: Vec<_> = lines.take_while(|line| *line != "name").collect();
            let down_for = fields.iter().position(|line| *line == "s-down-time").and_then(|at| fields.get(at + 1));
            down_for.is_some_and(|ms| ms.parse().is_ok_and(|ms| Duration::from_millis(ms) >= time))
        })
        .await;
    }

    async fn primary_seen_by(&self, sentinel: &RedisServer) -> usize {
        let port = &self.primary_info(sentinel).await["port"];
        let primary = self.servers.iter().position(|server| server.port().to_string() == *port);
        primary.expect("the primary is one of the servers")
    }

    /// The fields of `SENTINEL MASTER`.
    async fn primary_info(&self, sentinel: &RedisServer) -> BTreeMap<String, String> {
        let answer = sentinel.ask(&["SENTINEL", "MASTER", SERVICE]).await;
        let lines: Vec<_> = answer.lines().collect();
        lines.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
    }
}

async fn start_sentinel(peer_address: Option<Ipv4Addr>, primary: &RedisServer) -> RedisServer {
    let settings = ServerSettings { kind: ServerKind::Sentinel, peer_address, ..ServerSettings::default() };
    monitor(RedisServer::start_as(settings, None).await, primary, QUORUM).await
}

/// Has this Sentinel monitor the primary.
async fn monitor(sentinel: RedisServer, primary: &RedisServer, quorum: &str) -> RedisServer {
    sentinel.ask(&["SENTINEL", "CONFIG", "SET", "announce-ip", &sentinel.peer_address().to_string()]).await;
    // By default Sentinels poll the servers every ten seconds, and each other every two.
    sentinel.ask(&["SENTINEL", "DEBUG", "info-period", "500", "publish-period", "200", "ask-period", "200"]).await;
    let host = primary.peer_address().to_string();
    let port = primary.port().to_string();
    sentinel.ask(&["SENTINEL", "MONITOR", SERVICE, &host, &port, quorum]).await;
    let user = ["auth-user", SENTINEL, "auth-pass", SENTINEL];
    let times = ["down-after-milliseconds", "1000", "failover-timeout", "3000"];
    sentinel.ask(&[&["SENTINEL", "SET", SERVICE][..], &user, &times].concat()).await;
    sentinel
}
