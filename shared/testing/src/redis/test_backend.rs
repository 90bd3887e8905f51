//! What the contracts of bus and stores run over: memory, and each layout in which sites run Redis.

use std::{
    future::ready,
    sync::{Arc, Weak},
};

use futures_util::future::join_all;
use tokio::sync::{Mutex, OwnedMutexGuard};

use scenecast_bus::BusUrl;
use scenecast_redis::RedisAddress;

use crate::{
    redis::{
        cluster::RedisCluster,
        sentinel::RedisSentinels,
        server::{RedisServer, acl_rules},
        shards::RedisShards,
    },
    tls::CertificateAuthority,
};

const USER: &str = "pod";
const PASSWORD: &str = "password";

/// The servers behind a contract's test; empty at its beginning.
pub enum TestBackend {
    /// One process.
    Memory,
    /// One server, with or without TLS.
    Standalone(Box<RedisServer>),
    /// A primary and its replicas under Sentinel.
    Sentinels(OwnedMutexGuard<RedisSentinels>),
    /// A Redis Cluster.
    Cluster(OwnedMutexGuard<RedisCluster>),
    /// Servers that share the keys, without a Cluster.
    Shards(RedisShards),
}

impl TestBackend {
    /// One process.
    pub fn memory() -> impl Future<Output = Self> {
        ready(Self::Memory)
    }

    /// One server.
    pub async fn standalone() -> Self {
        Self::of(RedisServer::start().await).await
    }

    /// One that speaks TLS only.
    pub async fn tls() -> Self {
        Self::of(RedisServer::start_with_tls(&CertificateAuthority::new()).await).await
    }

    async fn of(server: RedisServer) -> Self {
        server.add_user(USER, PASSWORD, &rules()).await;
        Self::Standalone(server.into())
    }

    /// A primary and its replicas under Sentinel, shared by the tests of a process.
    pub async fn sentinels() -> Self {
        static SENTINELS: Shared<RedisSentinels> = Shared::const_new(Weak::new());
        let start = async || {
            let sentinels = RedisSentinels::start().await;
            sentinels.add_user(USER, PASSWORD, &rules()).await;
            sentinels
        };
        let sentinels = lease(&SENTINELS, start).await;
        empty(sentinels.server(sentinels.primary().await)).await;
        Self::Sentinels(sentinels)
    }

    /// A Redis Cluster, shared by the tests of a process.
    pub async fn cluster() -> Self {
        static CLUSTER: Shared<RedisCluster> = Shared::const_new(Weak::new());
        let start = async || {
            let cluster = RedisCluster::start().await;
            cluster.add_user(USER, PASSWORD, &rules()).await;
            cluster
        };
        let cluster = lease(&CLUSTER, start).await;
        for primary in cluster.primaries().await {
            empty(cluster.node(primary)).await;
        }
        Self::Cluster(cluster)
    }

    /// Three servers that share the keys, without a Cluster.
    pub async fn shards() -> Self {
        let shards = RedisShards::start(3).await;
        shards.add_user(USER, PASSWORD, &rules()).await;
        Self::Shards(shards)
    }

    /// How a pod reaches it.
    pub fn url(&self) -> BusUrl {
        let url = match self {
            Self::Memory => return BusUrl::Memory,
            Self::Standalone(server) => server.url_for(USER, PASSWORD),
            Self::Sentinels(sentinels) => sentinels.url_for(USER, PASSWORD),
            Self::Cluster(cluster) => cluster.url_for(USER, PASSWORD),
            Self::Shards(shards) => shards.url_for(USER, PASSWORD),
        };
        let address: RedisAddress = url.parse().expect("a fixture's address");
        match self {
            Self::Standalone(server) if server.ca().exists() => {
                BusUrl::Redis(address.trusting(&server.ca()).expect("the fixture's certificate"))
            }
            _ => BusUrl::Redis(address),
        }
    }

    /// What Redis answers to a command about this key, wherever it keeps it; none in memory.
    pub async fn cli(&self, key: &str, command: &[&str]) -> Option<Result<String, String>> {
        let keeper = match self {
            Self::Memory => return None,
            Self::Standalone(server) => server,
            Self::Sentinels(sentinels) => sentinels.server(sentinels.primary().await),
            Self::Cluster(cluster) => cluster.node(cluster.primary_of(RedisCluster::slot_of(key)).await),
            Self::Shards(shards) => {
                let servers = shards.servers();
                let has = join_all(servers.iter().map(async |server| server.cli(&["EXISTS", key]).await)).await;
                &servers[has.iter().position(|has| has.as_deref() == Ok("1")).unwrap_or(0)]
            }
        };
        Some(keeper.cli(command).await)
    }
}

/// What a gateway and a callback may do together, and nothing else.
fn rules() -> String {
    [acl_rules("gateway"), acl_rules("callback")].join(" ")
}

/// A fixture that costs too much to be started for every test: it stays for as long as a test has it or
/// waits for it, so that no server outlives the tests.
type Shared<T> = Mutex<Weak<Mutex<T>>>;

/// The fixture, for one test at a time.
async fn lease<T>(shared: &Shared<T>, start: impl AsyncFnOnce() -> T) -> OwnedMutexGuard<T> {
    let mut shared = shared.lock().await;
    let fixture = match shared.upgrade() {
        Some(fixture) => fixture,
        None => {
            let fixture = Arc::new(Mutex::new(start().await));
            *shared = Arc::downgrade(&fixture);
            fixture
        }
    };
    drop(shared);
    fixture.lock_owned().await
}

async fn empty(server: &RedisServer) {
    server.cli(&["FLUSHALL"]).await.expect("FLUSHALL");
}

/// Runs each test of a contract over each backend: `#[attribute] World: its tests`. The world of a test is made
/// by `World::over(backend)`.
#[macro_export]
macro_rules! over_each_backend {
    (@$backend:ident #[$test:meta] $world:ident: [$($promise:ident)*]) => {
        mod $backend {
            $(#[$test]
            async fn $promise() {
                super::$promise(super::$world::over($crate::TestBackend::$backend().await)).await;
            })*
        }
    };
    (#[$test:meta] $world:ident: $($promise:ident)*) => {
        $crate::over_each_backend! { @memory #[$test] $world: [$($promise)*] }
        $crate::over_each_backend! { @standalone #[$test] $world: [$($promise)*] }
        $crate::over_each_backend! { @tls #[$test] $world: [$($promise)*] }
        $crate::over_each_backend! { @sentinels #[$test] $world: [$($promise)*] }
        $crate::over_each_backend! { @cluster #[$test] $world: [$($promise)*] }
        $crate::over_each_backend! { @shards #[$test] $world: [$($promise)*] }
    };
}
