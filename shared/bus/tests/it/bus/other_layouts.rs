//! A `bus.url` for another layout than the servers have: the log says which setting is wrong, and what to write.

use futures_util::future::join_all;
use scenecast_metrics::Metrics;
use scenecast_redis::{Redis, RedisError};
use scenecast_testing::{
    CertificateAuthority, GATEWAY_PASSWORD, KeptLog, RecordingProxy, RedisCluster, RedisSentinels, RedisServer, until,
};

use crate::fixtures::redis_name;

/// What the log says of a wrong URL.
struct WrongUrl {
    url: String,
    /// Parts of the one line about it.
    told: [String; 2],
}

/// `of` is what else its line has, such as the server.
fn wrong(url: impl Into<String>, told: &str, of: impl Into<String>) -> WrongUrl {
    WrongUrl { url: url.into(), told: [told.to_owned(), of.into()] }
}

impl WrongUrl {
    fn lines(&self) -> Vec<String> {
        KeptLog::lines_with(&[&self.told[0], &self.told[1]])
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_what_is_wrong_with_a_url_for_another_layout() {
    KeptLog::start("info,fred=error");
    let authority = CertificateAuthority::new();
    let (plain, tls, cluster, sentinels, locked) = tokio::join!(
        RedisServer::start(),
        RedisServer::start_with_tls(&authority),
        RedisCluster::start_with(3, 0),
        RedisSentinels::start_with(0),
        RedisSentinels::start_with_tls_at_one(&authority, true, "hush"),
    );
    tls.cli(&["CONFIG", "SET", "tls-cert-file", "ca.pem", "tls-key-file", "ca.key"]).await.unwrap();
    let [a, b, c] = [0, 1, 2].map(|number| sentinels.sentinels()[number].port());
    let (redis, locked) = (plain.port(), locked.sentinels()[0].port());
    let [node, other_node] = [0, 1].map(|number| cluster.node(number).port());
    let named = |port: u16| format!("127.0.0.1:{port}");
    let admin = "admin:admin@127.0.0.1";
    let service = "sentinelServiceName=main";
    let connecting = |port: u16| format!("node=127.0.0.1:{port}");
    let urls = [
        // At a sentinel.
        wrong(format!("redis://127.0.0.1:{a}"), "leads to a sentinel", connecting(a)),
        wrong(format!("redis://{admin}:{a}"), "If a sentinel is at this port, begin", connecting(a)),
        wrong(format!("redis://127.0.0.1:{b}/1"), "doesn't know SELECT", connecting(b)),
        wrong(format!("redis-shards://127.0.0.1:{c}?node=127.0.0.1:{redis}"), "leads to a sentinel", connecting(c)),
        wrong(format!("redis-cluster://127.0.0.1:{a}"), "is no node of a Redis Cluster", named(a)),
        // At a single Redis.
        wrong(format!("redis-cluster://{admin}:{redis}"), "is no node of a Redis Cluster", named(redis)),
        wrong(format!("redis-sentinel://{admin}:{redis}?{service}"), "(NOAUTH), and Redis's own", connecting(redis)),
        wrong(
            format!("redis-sentinel://{admin}:{redis}?{service}&sentinelUsername=admin&sentinelPassword=admin"),
            "is no sentinel",
            named(redis),
        ),
        wrong(
            format!("redis-sentinel://{admin}:{redis}?{service}&sentinelUsername=admin&sentinelPassword=no"),
            "Compare sentinelUsername and sentinelPassword",
            connecting(redis),
        ),
        wrong(format!("{}/3", plain.url_for("gateway", GATEWAY_PASSWORD)), "may not choose a database", ""),
        wrong(format!("{}/99", plain.url()), "no database with this number", ""),
        // At a Cluster.
        wrong(format!("redis://{admin}:{node}"), "is a node of a Redis Cluster, and bus.url", connecting(node)),
        wrong(format!("redis://{admin}:{other_node}/3"), "remove the number after the port", connecting(other_node)),
        // Sentinels that are right, and what else is written with them.
        wrong(
            format!("redis-sentinel://{admin}:{b}?node=127.0.0.1:{c}&sentinelServiceName=mymaster"),
            "the name mymaster",
            "sentinelServiceName",
        ),
        // One that is none beside two that are: the primary is known.
        wrong(
            format!("redis-sentinel://127.0.0.1:{a}?node=127.0.0.1:{b}&node=127.0.0.1:{node}&{service}"),
            "(NOAUTH), and Redis's own",
            connecting(node),
        ),
        wrong(format!("redis-sentinel://{admin}:{locked}?{service}"), "(NOAUTH), and Redis's own", connecting(locked)),
        wrong(format!("rediss://{admin}:{}", tls.port()), "is the one of an authority", connecting(tls.port())),
    ];
    let connect = |wrong: &WrongUrl| Redis::connect(&wrong.url.parse().unwrap(), &Metrics::new());
    let connections: Vec<_> = urls.iter().map(connect).collect();
    let is_told = async |wrong: &WrongUrl| until(&wrong.url, async || !wrong.lines().is_empty()).await;
    join_all(urls.iter().map(is_told)).await;
    let at_one_node = connections[urls.iter().position(|wrong| wrong.url.ends_with(&named(node))).unwrap()].clone();
    let answers = join_all((0..9).map(async |n| at_one_node.get(&redis_name(crate::fixtures::scene(n))).await)).await;
    let refused: Vec<&RedisError> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(!refused.is_empty() && refused.iter().all(|error| error.to_string().contains("MOVED")), "{answers:?}");
    for wrong in &urls {
        assert_eq!(wrong.lines().len(), 1, "{}: {:?}", wrong.url, wrong.lines());
    }
    for port in [a, b, c, redis, node] {
        for misleading in ["a replica of Redis", "HELLO 3"] {
            assert_eq!(KeptLog::lines_with(&[misleading, &port.to_string()]), [""; 0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reasons_that_take_turns_are_told_once_each() {
    KeptLog::start("info,fred=error");
    let (primary, sentinels) = tokio::join!(RedisServer::start(), RedisSentinels::start_with(0));
    let replica = RedisServer::start_replica_of(&primary).await;
    let sentinel = &sentinels.sentinels()[0];
    sentinel.cli(&["ACL", "SETUSER", "admin", "on", ">admin", "+@all"]).await.unwrap();
    let proxy = RecordingProxy::start(&replica).await;
    let _redis = Redis::connect(&proxy.url().parse().unwrap(), &Metrics::new());
    let node = format!("node={}", proxy.address());
    let lines = |what: &str| KeptLog::lines_with(&[what, &node]);
    let leads_to = async |server: &RedisServer, what: &str| {
        proxy.set_upstreams(vec![server.address()]);
        let before = proxy.connections();
        // The second of these connects after the first was judged.
        until("it has tried again", async || proxy.connections() >= before + 3).await;
        until(what, async || !lines(what).is_empty()).await;
    };
    for _ in 0..2 {
        leads_to(&replica, "leads to a replica").await;
        leads_to(sentinel, "leads to a sentinel").await;
    }
    for what in ["leads to a replica", "leads to a sentinel"] {
        assert_eq!(lines(what).len(), 1, "{:?}", lines(what));
    }
}
