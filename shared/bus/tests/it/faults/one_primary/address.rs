//! Pods know one address of Redis, and it leads to another server after a failover: a managed Redis, a load balancer, a
//! Service. The old primary becomes a replica, and keeps its connections.

use std::{net::SocketAddr, time::Duration};

use scenecast_metrics::Metrics;
use scenecast_testing::{CALLBACK_PASSWORD, FaultProxy, GATEWAY_PASSWORD, RedisServer, metric_value, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{Instant, timeout},
};

use crate::{
    faults::{Logins, delivery, login},
    fixtures::{TestBus, callback, next_event_kind, opening, pod, redis_name, scene, settle_until_answered},
};

/// How long it may take until pods use the new primary. They are to notice within two seconds; the rest is for a machine
/// that is busy.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(4);

/// A primary and its replica behind one address.
struct OneAddress {
    old: RedisServer,
    new: RedisServer,
    proxy: FaultProxy,
}

impl OneAddress {
    async fn start() -> Self {
        let old = RedisServer::start().await;
        let new = RedisServer::start_replica_of(&old).await;
        let proxy = FaultProxy::start(vec![old.address()]).await;
        Self { old, new, proxy }
    }

    fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.proxy.address())
    }

    /// Makes the replica the primary. The address still leads to the old one.
    async fn fail_over(&self) {
        let port = self.new.port().to_string();
        self.new.cli(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
        self.old.cli(&["REPLICAOF", "127.0.0.1", &port]).await.unwrap();
        self.old.until_in_sync().await;
    }

    /// New connections lead to the new primary from now on. The others stay as they are.
    fn switch(&self) {
        self.proxy.set_upstreams(vec![self.new.address()]);
    }

    fn gateway(&self) -> (TestBus, Metrics) {
        pod(&self.url_for("gateway", GATEWAY_PASSWORD))
    }

    fn callback(&self) -> (TestBus, Metrics) {
        callback(&self.url_for("callback", CALLBACK_PASSWORD))
    }
}

fn connected(metrics: &Metrics, connection: &str) -> Option<f64> {
    metric_value(&metrics.text(), "scenecast_redis_connected", &[("connection", connection)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_go_on_within_seconds_after_a_failover_behind_one_address() {
    let redis = OneAddress::start().await;
    let mut logins = Logins::start_as_pods(|user, password| redis.url_for(user, password), 40).await;
    logins.log_in(0..10).await;
    redis.switch();
    redis.fail_over().await;
    let failed_over = Instant::now();
    logins.log_in(10..40).await;
    assert!(failed_over.elapsed() < FOLLOWS_WITHIN, "{:?}", failed_over.elapsed());
    logins.assert_all_logged_in().await;
}

/// A gateway without logins sends nothing that could be refused.
#[tokio::test]
async fn an_idle_gateway_subscribes_at_the_new_primary_and_reads_what_it_missed() {
    let redis = OneAddress::start().await;
    let (gateway, metrics) = redis.gateway();
    let (callback, _) = callback(&redis.old.url());
    callback.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = gateway.watch(scene(1), 0).await.unwrap();
    let is_open = async || redis.new.cli(&["EXISTS", &redis_name(scene(1))]).await.as_deref() == Ok("1");
    until("the replica has the scene", is_open).await;
    redis.fail_over().await;
    until("the gateway says that it has no primary", async || {
        connected(&metrics, "subscriptions") == Some(0.0) && connected(&metrics, "commands") == Some(0.0)
    })
    .await;
    redis.switch();
    let channel = redis_name(scene(1));
    let subscribers = async |server: &RedisServer| server.cli(&["PUBSUB", "SHARDNUMSUB", &channel]).await.unwrap();
    let follows = until("the gateway is subscribed at the new primary", async || {
        subscribers(&redis.new).await == format!("{channel}\n1")
    });
    timeout(FOLLOWS_WITHIN, follows).await.expect("in time");
    assert_eq!(subscribers(&redis.old).await, format!("{channel}\n0"));
    until("the gateway says that it is connected", async || connected(&metrics, "subscriptions") == Some(1.0)).await;
    let (callback, _) = redis.callback();
    settle_until_answered(&callback, scene(1), &delivery(1), login(1)).await;
    assert_eq!(next_event_kind(&mut watch).await, "confirmed");
}

#[tokio::test]
async fn an_address_that_leads_to_a_replica_is_not_connected_until_it_leads_to_the_primary() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&primary).await;
    let proxy = FaultProxy::start(vec![replica.address()]).await;
    let (bus, metrics) = pod(&format!("redis://gateway:{GATEWAY_PASSWORD}@{}", proxy.address()));
    until("the pod has tried several times", async || proxy.connections() > 6).await;
    assert_eq!(connected(&metrics, "commands"), Some(0.0));
    proxy.set_upstreams(vec![primary.address()]);
    until("the pod is connected", async || connected(&metrics, "commands") == Some(1.0)).await;
    until("and reads", async || matches!(bus.watch(scene(1), 0).await, Ok((_, None)))).await;
}

#[tokio::test]
async fn a_proxy_that_answers_everything_with_an_error_is_left_for_the_next_connection() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(vec![answers_with_errors().await]).await;
    let (bus, metrics) = pod(&format!("redis://gateway:{GATEWAY_PASSWORD}@{}", proxy.address()));
    until("the pod has tried several times", async || proxy.connections() > 6).await;
    assert_eq!(connected(&metrics, "commands"), Some(0.0));
    proxy.set_upstreams(vec![server.address()]);
    until("the pod reads", async || matches!(bus.watch(scene(1), 0).await, Ok((_, None)))).await;
    until("the pod is connected", async || connected(&metrics, "commands") == Some(1.0)).await;
}

/// A proxy whose upstream is away.
async fn answers_with_errors() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while client.read(&mut request).await.is_ok_and(|length| length > 0) {
                    let _ = client.write_all(b"-ERR no upstream host\r\n").await;
                }
            });
        }
    });
    address
}
