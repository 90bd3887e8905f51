//! The backends over which the contract tests of bus and stores run: memory, and every layout of Redis.

use std::{
    future::ready,
    sync::{Arc, Weak},
};

use futures_util::future::join_all;
use tokio::sync::{Mutex, OwnedMutexGuard};

use scenecast_bus::BusUrl;
use scenecast_redis::RedisAddress;

use crate::{
    redis::{cluster::RedisCluster, sentinel::RedisSentinels, server::RedisServer, shards::RedisShards, users::POD},
    tls::CertificateAuthority,
};

/// The backend of one contract test. It is empty at the start of the test.
pub enum TestBackend {
    /// Memory of one process, without Redis.
    Memory,
    /// One Redis server, with or without TLS.
    Standalone(Box<RedisServer>),
    /// A primary and its replicas, with Sentinel.
    Sentinels(OwnedMutexGuard<RedisSentinels>),
    Cluster(OwnedMutexGuard<RedisCluster>),
    /// Independent servers that share the keys.
    Shards(RedisShards),
}

impl TestBackend {
    pub fn memory() -> impl Future<Output = Self> {
        ready(Self::Memory)
    }

    pub async fn standalone() -> Self {
        Self::Standalone(RedisServer::start().await.into())
    }

    /// A Redis server that accepts only TLS.
    pub async fn tls() -> Self {
        Self::Standalone(RedisServer::start_with_tls(&CertificateAuthority::new()).await.into())
    }

    /// A primary and its replicas, with Sentinel. The tests of a process share it, one at a time.
    pub async fn sentinels() -> Self {
        static SENTINELS: SharedFixture<RedisSentinels> = SharedFixture::const_new(Weak::new());
        let sentinels = lease(&SENTINELS, RedisSentinels::start).await;
        empty(sentinels.server(sentinels.primary().await)).await;
        Self::Sentinels(sentinels)
    }

    /// A Redis Cluster. The tests of a process share it, one at a time.
    pub async fn cluster() -> Self {
        static CLUSTER: SharedFixture<RedisCluster> = SharedFixture::const_new(Weak::new());
        let cluster = lease(&CLUSTER, RedisCluster::start).await;
        for primary in cluster.primaries().await {
            empty(cluster.node(primary)).await;
        }
        Self::Cluster(cluster)
    }

    /// Three independent servers that share the keys.
    pub async fn shards() -> Self {
        Self::Shards(RedisShards::start(3).await)
    }

    /// The address of the backend, as in a pod's configuration, for a user who may do what gateway and callback may do.
    pub fn url(&self) -> BusUrl {
        let url = match self {
            Self::Memory => return BusUrl::Memory,
            Self::Standalone(server) => server.url_for(POD, POD),
            Self::Sentinels(sentinels) => sentinels.url_for(POD, POD),
            Self::Cluster(cluster) => cluster.url_for(POD, POD),
            Self::Shards(shards) => shards.url_for(POD, POD),
        };
        let address: RedisAddress = url.parse().expect("a fixture's address");
        match self {
            Self::Standalone(server) if server.ca().exists() => {
                BusUrl::Redis(address.trusting(&server.ca()).expect("the fixture's certificate"))
            }
            _ => BusUrl::Redis(address),
        }
    }

    /// Runs a command on the server that has this key. `None` if the backend is memory.
    pub async fn cli(&self, key: &str, command: &[&str]) -> Option<Result<String, String>> {
        let server = match self {
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
        Some(server.cli(command).await)
    }
}

/// A fixture that is too expensive to start for every test. It lives as long as a test uses it or waits for it, so that no
/// server outlives the tests.
type SharedFixture<T> = Mutex<Weak<Mutex<T>>>;

/// Waits until no other test uses the fixture, and locks it. Starts it if it isn't running.
async fn lease<T>(shared: &SharedFixture<T>, start: impl AsyncFnOnce() -> T) -> OwnedMutexGuard<T> {
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

/// Runs each test of a contract over each backend. Write `#[attribute] World: test test …`; each test is an async function
/// that takes a `World`, made by `World::over(backend)`.
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
