//! Pods know Redis by name, and the name leads to another address after a failover or a restart: a managed Redis, pods of
//! Kubernetes. Whoever is at the old address may still answer.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use scenecast_metrics::Metrics;
use scenecast_names::NameResolver;
use scenecast_scene::Settled;
use scenecast_testing::{CALLBACK_PASSWORD, FaultProxy, KeptLog, RedisServer, metric_value, until};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    faults::{delivery, login},
    fixtures::{TestBus, cause, for_each_scene, opening, pod_with_names, scan, scene, settle_until_answered},
};

/// Two addresses with the same port. Each leads to a server.
const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))];

/// What the name server says. `None` while it is silent.
type Zone = Option<HashMap<&'static str, Vec<IpAddr>>>;

/// Names whose addresses the test changes, as a name server would.
struct SwitchedNames(watch::Sender<Zone>);

impl SwitchedNames {
    fn start(names: &[(&'static str, &[IpAddr])]) -> Self {
        let server = Self(watch::Sender::new(None));
        server.answer(names);
        server
    }

    fn answer(&self, names: &[(&'static str, &[IpAddr])]) {
        let zone = names.iter().map(|(name, addresses)| (*name, addresses.to_vec())).collect();
        self.0.send_replace(Some(zone));
    }

    fn fall_silent(&self) {
        self.0.send_replace(None);
    }

    fn resolver(&self) -> NameResolver {
        let zone = Arc::new(self.0.subscribe());
        NameResolver::new(move |name| {
            let mut zone = watch::Receiver::clone(&zone);
            async move {
                let answers = zone.wait_for(Option::is_some).await.map_err(std::io::Error::other)?;
                Ok(answers.as_ref().and_then(|zone| zone.get(&*name)).cloned().unwrap_or_default())
            }
        })
    }
}

/// Two servers of Redis, each at its address.
struct TwoAddresses {
    servers: [RedisServer; 2],
    proxies: [FaultProxy; 2],
}

impl TwoAddresses {
    async fn start(servers: [RedisServer; 2]) -> Self {
        let first = FaultProxy::start_at((ADDRESSES[0], 0).into(), vec![servers[0].address()]).await;
        let port = first.address().port();
        let second = FaultProxy::start_at((ADDRESSES[1], port).into(), vec![servers[1].address()]).await;
        Self { servers, proxies: [first, second] }
    }

    async fn with_replica() -> Self {
        let primary = RedisServer::start().await;
        let replica = RedisServer::start_replica_of(&primary).await;
        Self::start([primary, replica]).await
    }

    fn port(&self) -> u16 {
        self.proxies[0].address().port()
    }

    fn url(&self) -> String {
        format!("redis://callback:{CALLBACK_PASSWORD}@redis.test:{}", self.port())
    }

    /// The second server becomes the primary.
    async fn fail_over(&self) {
        let [old, new] = &self.servers;
        new.cli(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
        old.cli(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await.unwrap();
    }
}

fn is_connected(metrics: &Metrics) -> bool {
    metric_value(&metrics.text(), "scenecast_redis_connected", &[("connection", "commands")]) == Some(1.0)
}

/// Opens a scene and logs in, at this server.
async fn log_in_at(server: &RedisServer, pod: &TestBus, number: u128) {
    until("a scene can be opened", async || pod.open(scene(number), &opening()).await.is_ok()).await;
    settle_until_answered(pod, scene(number), &delivery(number), login(number)).await;
    let state = server.cli(&["HGET", &crate::fixtures::redis_name(scene(number)), "state"]).await;
    assert_eq!(state.as_deref(), Ok("confirmed"));
}

/// The old primary keeps its connections, or closes them and takes new ones, or refuses all commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_only_changes_the_name_is_followed() {
    for what in ["keeps its connections", "closes its connections", "is something else now", "is gone"] {
        let redis = TwoAddresses::with_replica().await;
        let names = SwitchedNames::start(&[("redis.test", &ADDRESSES[..1])]);
        let (pod, metrics) = pod_with_names(&redis.url(), names.resolver());
        log_in_at(&redis.servers[0], &pod, 1).await;
        redis.fail_over().await;
        until("the failover is noticed", async || !is_connected(&metrics)).await;
        match what {
            "closes its connections" => redis.proxies[0].disconnect_all(),
            "is something else now" => redis.proxies[0].set_upstreams(vec![nothing().await]),
            "is gone" => redis.proxies[0].refuse_connections(),
            _ => {}
        }
        names.answer(&[("redis.test", &ADDRESSES[1..])]);
        until(what, async || is_connected(&metrics)).await;
        log_in_at(&redis.servers[1], &pod, 2).await;
    }
}

/// As a managed Redis does that has all of its servers under one name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_addresses_of_a_name_the_one_of_the_primary_is_used() {
    let redis = TwoAddresses::with_replica().await;
    let names = SwitchedNames::start(&[("redis.test", &ADDRESSES)]);
    let (pod, metrics) = pod_with_names(&redis.url(), names.resolver());
    log_in_at(&redis.servers[0], &pod, 1).await;
    redis.fail_over().await;
    until("the new primary is connected to", async || redis.proxies[1].connections() > 0 && is_connected(&metrics))
        .await;
    log_in_at(&redis.servers[1], &pod, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_that_swap_their_addresses_keep_their_keys_apart() {
    const SCENES: u128 = 12;
    let redis = TwoAddresses::start([RedisServer::start().await, RedisServer::start().await]).await;
    let [a, b] = [&ADDRESSES[..1], &ADDRESSES[1..]];
    let names = SwitchedNames::start(&[("redis-0.test", a), ("redis-1.test", b)]);
    let port = redis.port();
    let url = format!("redis-shards://callback:{CALLBACK_PASSWORD}@redis-0.test:{port}?node=redis-1.test:{port}");
    let (pod, _) = pod_with_names(&url, names.resolver());
    for_each_scene(SCENES, |n| {
        let pod = &pod;
        async move { until("it is open", async || pod.open(scene(n), &opening()).await.is_ok()).await }
    })
    .await;
    let keys = async || [redis.servers[0].cli(&["DBSIZE"]).await, redis.servers[1].cli(&["DBSIZE"]).await];
    let before = keys().await;
    redis.proxies[0].set_upstreams(vec![redis.servers[1].address()]);
    redis.proxies[1].set_upstreams(vec![redis.servers[0].address()]);
    names.answer(&[("redis-0.test", b), ("redis-1.test", a)]);
    redis.proxies.iter().for_each(FaultProxy::disconnect_all);
    for_each_scene(SCENES, |n| {
        let pod = &pod;
        async move { assert!(is_applied(&settle_until_answered(pod, scene(n), "scan", scan("ann")).await)) }
    })
    .await;
    assert_eq!(keys().await, before);
}

fn is_applied(settled: &Settled) -> bool {
    matches!(settled, Settled::Applied(_) | Settled::Repeated(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_names_that_is_silent_changes_nothing_until_it_answers() {
    let redis = TwoAddresses::start([RedisServer::start().await, RedisServer::start().await]).await;
    let [a, b] = [&ADDRESSES[..1], &ADDRESSES[1..]];
    let names = SwitchedNames::start(&[("redis.test", a)]);
    let (pod, metrics) = pod_with_names(&redis.url(), names.resolver());
    log_in_at(&redis.servers[0], &pod, 1).await;
    names.fall_silent();
    let before = redis.proxies[0].connections();
    redis.proxies[0].disconnect_all();
    until("it is connected at the last good address", async || {
        redis.proxies[0].connections() == 2 * before && is_connected(&metrics)
    })
    .await;
    // The late answer has the address in use among others.
    names.answer(&[("redis.test", &[ADDRESSES[1], ADDRESSES[0]])]);
    log_in_at(&redis.servers[0], &pod, 2).await;
    assert_eq!(redis.proxies[0].connections(), 2 * before, "the connections work");
    names.fall_silent();
    redis.proxies[0].disconnect_all();
    until("it is connected again", async || redis.proxies[0].connections() == 3 * before && is_connected(&metrics))
        .await;
    // The late answer has it no more.
    names.answer(&[("redis.test", b)]);
    until("all connections have moved", async || redis.proxies[1].connections() == before && is_connected(&metrics))
        .await;
    log_in_at(&redis.servers[1], &pod, 3).await;
}

/// A name has an address of IPv6, too, and Redis listens on IPv4 only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_nothing_listens_costs_neither_warning_nor_doubt() {
    let redis = TwoAddresses::with_replica().await;
    let names = SwitchedNames::start(&[("half-dead.test", &[IpAddr::from([127, 0, 0, 4]), ADDRESSES[0]])]);
    let url = redis.url().replace("redis.test", "half-dead.test");
    let (pod, metrics) = pod_with_names(&url, names.resolver());
    until("it is connected", async || is_connected(&metrics)).await;
    let settled = pod.settle(scene(404), &cause("scan"), &scan("ann")).await;
    assert_eq!(settled, Ok(Settled::Unknown), "a pod that starts doubts nothing");
    assert_eq!(KeptLog::lines_with(&["half-dead.test", "WARN"]), [""; 0]);
}

async fn nothing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
