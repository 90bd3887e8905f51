//! The ACL of each kind of pod: what it must allow, and what it must forbid.

use scenecast_bus::{BusError, Census, GatewayReport};
use scenecast_metrics::Metrics;
use scenecast_redis::{Redis, RedisErrorKind};
use scenecast_scene::Transition;
use scenecast_testing::{
    CALLBACK_PASSWORD, EXPORTER_PASSWORD, GATEWAY_PASSWORD, KeptLog, OPERATOR_PASSWORD, RedisSentinels, RedisServer,
    acl_rules, exchange,
};

use crate::fixtures::{apply, callback, callback_at, cause, next_event_kind, opening, pod, redis_name, scan, scene};

#[tokio::test]
async fn the_acl_of_a_gateway_allows_to_watch_and_read_scenes_and_nothing_else() {
    let server = RedisServer::start().await;
    let (gateway, _) = pod(&server.url_for("gateway", GATEWAY_PASSWORD));
    let (callback, _) = callback(&server.url());
    callback.open(scene(1), &opening()).await.unwrap();

    let (mut watch, mailbox) = gateway.watch(scene(1), 0).await.unwrap();
    assert!(mailbox.is_some());
    apply(&callback, scene(1), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert!(gateway.read(scene(1)).await.unwrap().is_some());

    let opened = gateway.open(scene(2), &opening()).await;
    assert!(
        matches!(&opened, Err(BusError::Undecided(error)) if error.kind() == RedisErrorKind::NotPermitted),
        "{opened:?}"
    );
    let settled = gateway.settle(scene(1), &cause("x"), &Transition::Cancel).await;
    assert!(
        matches!(&settled, Err(BusError::Undecided(error)) if error.kind() == RedisErrorKind::NotPermitted),
        "{settled:?}"
    );
    let name = redis_name(scene(1));
    for forbidden in [
        &["SPUBLISH", &name, "x"][..],
        &["PUBLISH", &name, "x"],
        &["HSET", &name, "state", "confirmed"],
        &["DEL", &name],
        &["GET", "token:demo"],
        &["HMGET", "token:demo", "x"],
        &["PTTL", "token:demo"],
        &["SSUBSCRIBE", "token:demo"],
        &["HMGET", "user:demo:oAnn", "x"],
        &["XLEN", "outbox:demo"],
        &["EVAL", "return 1", "1", &name],
        &["SET", "fence:0", "x"],
        &["WAIT", "0", "1"],
        &["CLUSTER", "INFO"],
        &["KEYS", "*"],
        &["PUBSUB", "SHARDCHANNELS"],
        &["CLIENT", "PAUSE", "1000"],
        &["CLIENT", "KILL", "TYPE", "normal"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["FLUSHALL"],
    ] {
        let refusal = cli_as_gateway(&server, forbidden).await.unwrap_err();
        assert!(refusal.starts_with("NOPERM"), "{forbidden:?}: {refusal}");
    }
}

#[tokio::test]
async fn the_acl_of_a_gateway_allows_the_census_and_opens_nothing_else() {
    let server = RedisServer::start().await;
    let redis = Redis::connect(&server.url_for("gateway", GATEWAY_PASSWORD).parse().unwrap(), &Metrics::new());
    let mut census = Census::over(&redis);
    let report = GatewayReport { held: 7, version: "1".to_owned(), leaving: false };
    assert_eq!(census.report(&report).await.unwrap().into_values().collect::<Vec<_>>(), [Some(report)]);

    let name = redis_name(scene(1));
    for forbidden in [
        &["HSET", &name, "state", "confirmed"][..],
        &["HDEL", &name, "state"],
        &["HGETALL", &name],
        &["HSET", "token:demo", "x", "y"],
        &["HGETALL", "user:demo:oAnn"],
        &["DEL", "census:gateways"],
        &["EVAL", "while true do end", "0"],
        &["EVALSHA", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "0"],
        &["SCRIPT", "LOAD", "while true do end"],
    ] {
        let refusal = cli_as_gateway(&server, forbidden).await.unwrap_err();
        assert!(refusal.starts_with("NOPERM"), "{forbidden:?}: {refusal}");
    }
}

#[tokio::test]
async fn the_acl_of_an_exporter_allows_to_measure_and_that_of_an_operator_all() {
    let server = RedisServer::start().await;
    let cli = async |user: &str, password: &str, command: &[&str]| {
        server.cli(&[&["--user", user, "--pass", password], command].concat()).await
    };
    for allowed in ["INFO all", "LATENCY LATEST", "LATENCY HISTOGRAM", "SLOWLOG GET", "SLOWLOG LEN", "CLUSTER INFO"] {
        let command: Vec<_> = allowed.split(' ').collect();
        let answer = cli("exporter", EXPORTER_PASSWORD, &command).await.unwrap_or_else(|refusal| refusal);
        assert!(!answer.starts_with("NOPERM"), "{allowed}: {answer}");
    }
    for forbidden in
        ["CONFIG GET *", "GET token:demo", "HGETALL wx:x", "KEYS *", "SCAN 0", "ACL LIST", "MONITOR", "SLOWLOG RESET"]
    {
        let command: Vec<_> = forbidden.split(' ').collect();
        let refusal = cli("exporter", EXPORTER_PASSWORD, &command).await.unwrap_err();
        assert!(refusal.starts_with("NOPERM"), "{forbidden}: {refusal}");
    }
    for allowed in ["CONFIG GET maxmemory", "SET token:demo x", "ACL LIST", "PUBSUB SHARDCHANNELS", "FLUSHALL"] {
        let command: Vec<_> = allowed.split(' ').collect();
        cli("operator", OPERATOR_PASSWORD, &command).await.unwrap();
    }
}

#[tokio::test]
async fn the_acl_of_pods_at_sentinels_is_all_that_they_need() {
    KeptLog::start("info,fred=error");
    let sentinels = RedisSentinels::start_with(0).await;
    for sentinel in sentinels.sentinels() {
        let rules = acl_rules("pods").split(' ');
        let command: Vec<_> = ["ACL", "SETUSER", "pods", "on", ">the-pods-password"].into_iter().chain(rules).collect();
        sentinel.cli(&command).await.unwrap();
    }
    let user = "&sentinelUsername=pods&sentinelPassword=the-pods-password";
    let (bus, _) = callback(&format!("{}{user}", sentinels.url()));
    assert!(bus.open(scene(1), &opening()).await.unwrap());
    assert_eq!(KeptLog::lines_with(&["a sentinel refuses"]), [""; 0]);
}

async fn cli_as_gateway(server: &RedisServer, command: &[&str]) -> Result<String, String> {
    server.cli(&[&["--user", "gateway", "--pass", GATEWAY_PASSWORD], command].concat()).await
}

#[tokio::test]
async fn the_acl_of_a_callback_allows_to_open_and_settle() {
    let server = RedisServer::start().await;
    let url = server.url_for("callback", CALLBACK_PASSWORD).parse().unwrap();
    let (bus, _) = callback_at(&url);
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert!(bus.snapshot(scene(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_password_may_have_any_characters() {
    let server = RedisServer::start().await;
    for (n, password, in_url) in [
        (0, "two words", "two%20words"),
        (1, r#"it's "so"\"#, "it's%20%22so%22%5C"),
        (2, "pässwörd", "p%C3%A4ssw%C3%B6rd"),
        (3, "a/b@c:d?e#f%g&h=i+j", "a%2Fb%40c%3Ad%3Fe%23f%25g&h=i+j"),
    ] {
        let user = format!("odd-{n}");
        server.add_user(&user, password, acl_rules("callback")).await;
        let (bus, _) = callback(&server.url_for(&user, in_url));
        assert!(bus.open(scene(n), &opening()).await.unwrap(), "{password}");
    }
}

#[tokio::test]
async fn who_does_not_log_in_to_redis_may_do_nothing() {
    let server = RedisServer::start().await;
    for command in ["PING", "GET token:demo", "HGETALL wx:x", "CONFIG GET *", "ACL WHOAMI", "MULTI", "SYNC"] {
        let (_, answer) = exchange(server.address(), format!("{command}\r\nQUIT\r\n").as_bytes()).await;
        assert!(answer.starts_with("-NOAUTH"), "{command}: {answer}");
    }
    for password in ["", "default", "nopass"] {
        let refusal = server.cli(&["--user", "default", "--pass", password, "PING"]).await.unwrap_err();
        assert!(refusal.contains("WRONGPASS") || refusal.contains("NOAUTH"), "{password}: {refusal}");
    }
}
