//! A callback says in its log if Redis would forget what it is given.

use std::net::SocketAddr;

use scenecast_testing::{CALLBACK_PASSWORD, Direction, RecordingProxy, RedisServer, until};

use super::store;
use crate::world::logs;

/// The lines about how this server keeps its data.
fn lines(server: SocketAddr) -> Vec<String> {
    let text = logs::text();
    let about_it = text.lines().filter(|line| line.contains(&server.to_string()));
    about_it.filter(|line| line.contains("no replica")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_redis_without_replicas_is_warned_about_once_by_how_it_keeps_its_data() {
    logs::keep();
    for (appendonly, level, advice) in
        [("no", "WARN", "set appendonly yes and appendfsync always"), ("yes", "INFO", "unless that is always")]
    {
        let server = RedisServer::start().await;
        server.set("appendonly", appendonly).await;
        let store = store(&server.url_for("callback", CALLBACK_PASSWORD));
        until("the pod has looked at Redis", async || !lines(server.address()).is_empty()).await;
        store.get("token:demo").await.unwrap();
        let [line] = &lines(server.address())[..] else { panic!("{:?}", lines(server.address())) };
        assert!(line.contains(level) && line.contains(advice), "{line}");
    }
}

#[tokio::test]
async fn nothing_is_said_of_a_redis_that_has_a_replica() {
    logs::keep();
    let server = RedisServer::start().await;
    let _replica = RedisServer::start_replica_of(&server).await;
    let proxy = RecordingProxy::start(&server).await;
    let store = store(&proxy.url_for("callback", CALLBACK_PASSWORD));
    proxy.until_seen(1, Direction::ToClient, "connected_slaves:1").await;
    store.get("token:demo").await.unwrap();
    assert_eq!(lines(proxy.address()), Vec::<String>::new());
}
