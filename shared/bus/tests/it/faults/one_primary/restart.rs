//! Redis is killed and loads its append-only file, with the users as they are shipped: nothing that was stored is gone.

use scenecast_bus::Store;
use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_scene::Settled;
use scenecast_testing::{CALLBACK_PASSWORD, RedisCluster, RedisSentinels, RedisServer, until};

use crate::{
    faults::{Logins, delivery, login, person_name},
    fixtures::{redis_name, scene, settle_until_answered},
};

/// How many people log in before Redis is killed.
const LOGINS: u128 = 20;
const OUTBOX: &str = "outbox:demo";

/// What pods have stored, in whichever layout of Redis.
struct StoredLogins {
    logins: Logins,
    store: Store,
}

impl StoredLogins {
    async fn store(url_for: impl Fn(&str, &str) -> String) -> Self {
        let logins = Logins::start_as_pods(&url_for, LOGINS).await;
        logins.log_in(0..LOGINS).await;
        let redis = Redis::connect(&url_for("callback", CALLBACK_PASSWORD).parse().unwrap(), &Metrics::new());
        let store = Store::over(Some(redis));
        for n in 0..LOGINS {
            assert!(store.append_if_room(OUTBOX, person_name(n), 100).await.unwrap());
        }
        Self { logins, store }
    }

    async fn assert_all_are_there(mut self) {
        until("Redis answers", async || self.store.length(OUTBOX).await.is_ok()).await;
        self.logins.assert_all_logged_in().await;
        for n in 0..LOGINS {
            let again = settle_until_answered(&self.logins.callback, scene(n), &delivery(n), login(n)).await;
            assert!(matches!(again, Settled::Repeated(_)), "the delivery is forgotten: {again:?}");
        }
        let outbox = self.store.read_new(OUTBOX, 100).await.unwrap();
        let events: Vec<_> = outbox.into_iter().map(|entry| entry.text).collect();
        assert_eq!(events, (0..LOGINS).map(person_name).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_still_has_everything_after_it_was_killed() {
    let mut server = RedisServer::start().await;
    server.set("appendfsync", "always").await;
    let stored = StoredLogins::store(|user, password| server.url_for(user, password)).await;
    server.restart().await;
    stored.assert_all_are_there().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_still_has_everything_after_all_its_nodes_were_killed() {
    let mut cluster = RedisCluster::start_with(3, 0).await;
    for node in cluster.nodes() {
        node.set("appendfsync", "always").await;
    }
    let stored = StoredLogins::store(|user, password| cluster.url_for(user, password)).await;
    for node in 0..3 {
        cluster.node_mut(node).restart().await;
    }
    cluster.until_ok().await;
    stored.assert_all_are_there().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_under_sentinel_still_have_everything_after_all_were_killed() {
    let mut sentinels = RedisSentinels::start().await;
    for server in sentinels.servers() {
        server.set("appendfsync", "always").await;
    }
    let stored = StoredLogins::store(|user, password| sentinels.url_for(user, password)).await;
    for server in 0..3 {
        sentinels.server_mut(server).stop().await;
    }
    for server in 0..3 {
        sentinels.server_mut(server).restart().await;
    }
    stored.assert_all_are_there().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_loaded_its_own_file_has_what_it_got_from_its_primary() {
    let primary = RedisServer::start().await;
    let mut replica = RedisServer::start_replica_of(&primary).await;
    replica.set("appendfsync", "always").await;
    let stored = StoredLogins::store(|user, password| primary.url_for(user, password)).await;
    until("the replica has everything", async || {
        let offset = async |server: &RedisServer, name| server.info("replication").await.get(name).cloned();
        offset(&primary, "master_repl_offset").await == offset(&replica, "slave_repl_offset").await
    })
    .await;
    drop((primary, stored));
    replica.restart().await;
    for n in 0..LOGINS {
        let state = replica.cli(&["HGET", &redis_name(scene(n)), "state"]).await;
        assert_eq!(state.as_deref(), Ok("confirmed"), "page {n}");
    }
    assert_eq!(replica.cli(&["XLEN", OUTBOX]).await.as_deref(), Ok("20"));
}
