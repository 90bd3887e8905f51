//! A right that a pod's Redis user lacks is noticed: when the pod connects, and when it is needed.

use futures_util::{StreamExt, stream};
use scenecast_bus::{BusError, Census, SceneReader, SceneWriter, Store, StoredNames};
use scenecast_metrics::Metrics;
use scenecast_redis::{Redis, RedisErrorKind};
use scenecast_scene::Settled;
use scenecast_testing::{CALLBACK_PASSWORD, GATEWAY_PASSWORD, KeptLog, RedisServer, acl_rules, metric_value, until};

use crate::fixtures::{callback, cause, opening, pod, redis_name, scan, scene};

/// Rules without which nothing can be checked: the pod can't even connect, or can't ask.
const NEEDED_TO_ASK: [&str; 3] = ["+hello", "+client|id", "+acl|dryrun"];

/// The parts of a gateway, or of a callback, connected as this user.
fn connect(server: &RedisServer, pod: &str, user: &str, password: &str) -> Metrics {
    let metrics = Metrics::new();
    let redis = Redis::connect(&server.url_for(user, password).parse().unwrap(), &metrics);
    if pod == "gateway" {
        SceneReader::over(&redis, &metrics);
        Census::over(&redis);
    } else {
        SceneWriter::over(&redis);
        let (values, streams): (Vec<_>, Vec<_>) = stored_names().partition(|name| !name.starts_with("outbox"));
        Store::over(Some(redis)).check_rights(StoredNames { values: &values, streams: &streams });
    }
    metrics
}

/// The names for which the file gives callbacks rights, without those of the bus itself. A test of the callback holds that
/// these are its own.
fn stored_names() -> impl Iterator<Item = &'static str> {
    let names = acl_rules("callback").split(' ').filter_map(|rule| rule.strip_prefix('~')?.strip_suffix(":*"));
    names.filter(|name| !["wx", "fence"].contains(name))
}

fn parts(pod: &str) -> &'static [&'static str] {
    if pod == "gateway" { &["connection", "watching", "census"] } else { &["connection", "settling", "stores"] }
}

/// Waits until all parts were checked. Returns whether any command is forbidden to any of them.
async fn lacks_rights(server: &RedisServer, pod: &str, metrics: &Metrics) -> bool {
    let primary = server.address().to_string();
    let missing = |part: &&str| {
        metric_value(&metrics.text(), "scenecast_redis_missing_rights", &[("primary", &primary), ("part", part)])
    };
    until("all parts were checked", async || parts(pod).iter().all(|part| missing(part).is_some())).await;
    parts(pod).iter().filter_map(missing).any(|commands| commands > 0.0)
}

#[tokio::test]
async fn the_shipped_users_lack_no_right() {
    let server = RedisServer::start().await;
    for (pod, password) in [("gateway", GATEWAY_PASSWORD), ("callback", CALLBACK_PASSWORD)] {
        let metrics = connect(&server, pod, pod, password);
        assert!(!lacks_rights(&server, pod, &metrics).await, "{pod}");
    }
}

/// So no rule of the file is without use either, except in a Cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_that_a_user_lacks_is_noticed_when_its_pod_connects() {
    let server = RedisServer::start().await;
    let rules = ["gateway", "callback"].into_iter().flat_map(|pod| {
        let rules = acl_rules(pod).split_whitespace().map(|rule| rule.trim_matches(['(', ')']));
        rules.map(move |rule| (pod, rule))
    });
    let is_checked = |rule: &str| {
        let is_for_clusters = rule == "+asking" || rule.starts_with("+cluster|");
        rule != "resetchannels" && !is_for_clusters && !NEEDED_TO_ASK.contains(&rule)
    };
    let checked = rules.filter(|(_, rule)| is_checked(rule)).enumerate();
    let check = async |(n, (pod, rule)): (usize, (&str, &str))| {
        let user = format!("poor-{n}");
        let left: Vec<_> = acl_rules(pod).split(' ').map(|other| without(other, rule)).collect();
        server.add_user(&user, "password", &left.join(" ")).await;
        let metrics = connect(&server, pod, &user, "password");
        assert!(lacks_rights(&server, pod, &metrics).await, "{pod} without {rule}");
    };
    stream::iter(checked).for_each_concurrent(16, check).await;
}

/// Whether the server can be asked for rights or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_a_server_does_not_know_are_named_when_its_pod_connects() {
    KeptLog::start("info,fred=error");
    let needed = ["role", "wait", "ssubscribe", "evalsha", "eval", "time", "spublish"];
    for also in [&[][..], &["acl"]] {
        let server = RedisServer::start_without(&[&needed, also].concat()).await;
        let version = version_of(&server).await;
        for (pod, password, part, unknown) in [
            ("gateway", GATEWAY_PASSWORD, "connection", "unknown=\"role, time\""),
            ("gateway", GATEWAY_PASSWORD, "watching", "unknown=\"ssubscribe wx:scene\""),
            (
                "callback",
                CALLBACK_PASSWORD,
                "settling",
                "unknown=\"evalsha digest 0, eval script 0, time, spublish wx:scene event, wait 1 1\"",
            ),
        ] {
            let _metrics = connect(&server, pod, pod, password);
            let node = format!("node={} ", server.address());
            let line = ["ERROR", &node, &version, &format!("part=\"{part}\""), unknown];
            until(unknown, async || !KeptLog::lines_with(&line).is_empty()).await;
        }
    }
}

/// As log lines have it.
async fn version_of(server: &RedisServer) -> String {
    let info = server.cli(&["INFO", "server"]).await.unwrap();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();
    format!("version=\"{}\"", version.trim())
}

/// `ASKING` would be meant for the next command on the connection, whoever sends it.
#[tokio::test]
async fn where_rights_cannot_be_asked_for_each_name_is_sent_once_and_asking_never() {
    let server = RedisServer::start().await;
    server.add_user("old", "password", &format!("{} -acl", acl_rules("callback"))).await;
    let metrics = Metrics::new();
    let redis = Redis::connect(&server.url_for("old", "password").parse().unwrap(), &metrics);
    redis.check_rights("some", ["asking", "zadd a", "lpush a b", "zadd b", "lpush b a", "sunsubscribe a", "zadd c"]);
    let primary = server.address().to_string();
    let labels = [("primary", &*primary), ("part", "some")];
    let missing = || metric_value(&metrics.text(), "scenecast_redis_missing_rights", &labels);
    until("it was asked", async || missing().is_some()).await;
    assert_eq!(missing(), Some(0.0), "all are known");
    let stats = server.cli(&["INFO", "commandstats"]).await.unwrap();
    let stats_of = |name: &str| stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:")));
    for name in ["zadd", "lpush"] {
        assert!(stats_of(name).is_some_and(|stats| stats.contains("rejected_calls=1,")), "{stats}");
    }
    assert_eq!(stats_of("asking"), None);
}

/// Then nobody knows whether there are replicas.
#[tokio::test]
async fn no_replica_is_waited_for_at_a_single_server_without_role() {
    let server = RedisServer::start_without(&["role"]).await;
    let (pod, _) = pod(&server.url_for("callback", CALLBACK_PASSWORD));
    pod.open(scene(1), &opening()).await.unwrap();
    let settled = pod.settle(scene(1), &cause("scan"), &scan("ann")).await;
    assert!(matches!(settled, Ok(Settled::Applied(_))), "{settled:?}");
}

/// Redis before 7.0 knows no sharded channels.
#[tokio::test]
async fn a_login_that_no_page_would_hear_of_is_not_stored() {
    let server = RedisServer::start_without(&["spublish"]).await;
    let (callback, _) = callback(&server.url_for("callback", CALLBACK_PASSWORD));
    callback.open(scene(1), &opening()).await.unwrap();
    callback.settle(scene(1), &cause("scan"), &scan("ann")).await.unwrap_err();
    assert_eq!(server.cli(&["HGET", &redis_name(scene(1)), "state"]).await.as_deref(), Ok("open"));
}

#[tokio::test]
async fn a_right_that_is_granted_is_noticed_without_a_new_connection() {
    let server = RedisServer::start().await;
    let rules = acl_rules("callback");
    server.add_user("poor", "password", &rules.replace("+spublish", "")).await;
    let metrics = connect(&server, "callback", "poor", "password");
    assert!(lacks_rights(&server, "callback", &metrics).await);
    server.add_user("poor", "password", rules).await;
    until("it is noticed", async || !lacks_rights(&server, "callback", &metrics).await).await;
}

/// The rule, or nothing if it is this one. Brackets stay.
fn without(rule: &str, removed: &str) -> String {
    if rule.trim_matches(['(', ')']) == removed { rule.replace(removed, "") } else { rule.to_owned() }
}

#[tokio::test]
async fn a_login_that_could_not_be_published_is_not_stored_and_not_accepted() {
    let server = RedisServer::start().await;
    let rules = acl_rules("callback");
    for missing in ["&wx:*", "+spublish", "+pexpireat", "+hset", "+time"] {
        server.cli(&["ACL", "DELUSER", "poor"]).await.unwrap();
        server.add_user("poor", "password", &rules.replace(missing, "")).await;
        let name = redis_name(scene(1));
        server.cli(&["DEL", &name]).await.unwrap();
        let (able, _) = callback(&server.url());
        able.open(scene(1), &opening()).await.unwrap();
        let (poor, metrics) = callback(&server.url_for("poor", "password"));
        let settled = poor.settle(scene(1), &cause("scan"), &scan("ann")).await;
        assert!(
            matches!(&settled, Err(BusError::Undecided(error)) if error.kind() == RedisErrorKind::NotPermitted),
            "{missing}: {settled:?}"
        );
        assert_eq!(server.cli(&["HGET", &name, "state"]).await.as_deref(), Ok("open"), "{missing}");
        let refused: Option<f64> = metric_value(&metrics.text(), "scenecast_redis_forbidden_total", &[]);
        assert!(refused > Some(0.0), "{missing}");
        // Once the operator has granted it, WeChat's next attempt is the first that counts.
        server.add_user("poor", "password", rules).await;
        let settled = poor.settle(scene(1), &cause("scan"), &scan("ann")).await;
        assert!(matches!(settled, Ok(Settled::Applied(_))), "{missing}: {settled:?}");
    }
}

#[tokio::test]
async fn a_scene_that_could_not_end_is_not_opened() {
    let server = RedisServer::start().await;
    server.add_user("poor", "password", &acl_rules("callback").replace("+pexpireat", "")).await;
    let (poor, _) = callback(&server.url_for("poor", "password"));
    poor.open(scene(1), &opening()).await.unwrap_err();
    assert_eq!(server.cli(&["EXISTS", &redis_name(scene(1))]).await.as_deref(), Ok("0"));
}

#[tokio::test]
async fn a_gateway_that_may_not_subscribe_or_read_says_so_each_time() {
    let server = RedisServer::start().await;
    for missing in ["&wx:*", "+ssubscribe", "+hmget", "%R~wx:*"] {
        server.cli(&["ACL", "DELUSER", "poor"]).await.unwrap();
        server.add_user("poor", "password", &acl_rules("gateway").replace(missing, "")).await;
        let (gateway, metrics) = pod(&server.url_for("poor", "password"));
        assert!(gateway.watch(scene(1), 0).await.is_err(), "{missing}");
        let refused: Option<f64> = metric_value(&metrics.text(), "scenecast_redis_forbidden_total", &[]);
        assert!(refused > Some(0.0), "{missing}");
    }
}
