//! Breaks something in a cluster, and mends it.

use std::{process::ExitStatus, time::Duration};

use scenecast_testing::FaultProxy;

use super::redis::FaultyRedis;
use crate::{cluster::Cluster, plan::FaultKind};

/// How much later the answers of a slow Redis arrive.
const SLOWNESS: Duration = Duration::from_millis(50);

/// Something that is broken now.
#[derive(Debug)]
#[must_use = "it stays broken until it is mended"]
pub struct InjectedFault {
    kind: FaultKind,
    /// The number of the gateway, callback or Redis server.
    server: usize,
}

impl InjectedFault {
    /// Breaks it: gateway or callback `pod`, or a Redis server that takes writes.
    pub async fn inject<R: FaultyRedis>(cluster: &mut Cluster<R>, kind: FaultKind, pod: usize) -> Self {
        match kind {
            FaultKind::GatewayKilled => cluster.gateway(pod).kill().await,
            FaultKind::GatewayFrozen => cluster.gateway(pod).pause(),
            FaultKind::GatewayRestarted => cluster.gateway(pod).terminate(),
            FaultKind::CallbackKilled => cluster.callback(pod).kill().await,
            FaultKind::CallbackFrozen => cluster.callback(pod).pause(),
            FaultKind::CallbackRestarted => cluster.callback(pod).terminate(),
            _ => return Self { kind, server: break_redis(&mut cluster.redis, kind).await },
        }
        Self { kind, server: pod }
    }

    /// The number of the gateway, callback or Redis server that is broken.
    pub fn server(&self) -> usize {
        self.server
    }

    /// Mends it. Returns when the process serves again, if there is a new one; and how a process exited that was told to.
    pub async fn mend<R: FaultyRedis>(self, cluster: &mut Cluster<R>) -> Option<ExitStatus> {
        let Self { kind, server } = self;
        match kind {
            FaultKind::GatewayKilled => cluster.restart_gateway(server).await,
            FaultKind::GatewayFrozen => cluster.gateway(server).resume(),
            FaultKind::GatewayRestarted => {
                let status = cluster.gateway(server).ended().await;
                cluster.restart_gateway(server).await;
                return Some(status);
            }
            FaultKind::CallbackKilled => cluster.restart_callback(server).await,
            FaultKind::CallbackFrozen => cluster.callback(server).resume(),
            FaultKind::CallbackRestarted => {
                let status = cluster.callback(server).ended().await;
                cluster.restart_callback(server).await;
                return Some(status);
            }
            FaultKind::RedisKilled => cluster.redis.server_to_break(server).restart().await,
            FaultKind::RedisFrozen => cluster.redis.server_to_break(server).resume(),
            FaultKind::RedisFull => cluster.redis.server_to_break(server).set("maxmemory", "0").await,
            FaultKind::RedisSlow => with_proxy(&cluster.redis, |proxy| proxy.set_delay(Duration::ZERO)),
            FaultKind::RedisPartitioned => cluster.redis.end_cut_off(),
            FaultKind::RedisEmptied | FaultKind::RedisDisconnected | FaultKind::RedisStalled => {}
        }
        None
    }
}

/// Answers the number of the server.
async fn break_redis<R: FaultyRedis>(redis: &mut R, kind: FaultKind) -> usize {
    let number = redis.writing_server().await;
    match kind {
        FaultKind::RedisKilled => redis.server_to_break(number).stop().await,
        FaultKind::RedisFrozen => redis.server_to_break(number).pause(),
        FaultKind::RedisEmptied => redis.server_to_break(number).restart_empty().await,
        FaultKind::RedisFull => redis.server_to_break(number).set("maxmemory", "1").await,
        FaultKind::RedisPartitioned => redis.cut_off_server(number),
        FaultKind::RedisDisconnected => with_proxy(redis, FaultProxy::disconnect_all),
        FaultKind::RedisStalled => with_proxy(redis, FaultProxy::stall),
        FaultKind::RedisSlow => with_proxy(redis, |proxy| proxy.set_delay(SLOWNESS)),
        FaultKind::GatewayKilled
        | FaultKind::GatewayFrozen
        | FaultKind::GatewayRestarted
        | FaultKind::CallbackKilled
        | FaultKind::CallbackFrozen
        | FaultKind::CallbackRestarted => {}
    }
    number
}

/// Does this with what is between the pods and Redis. Without it, nothing is done.
fn with_proxy<R: FaultyRedis>(redis: &R, act: impl FnOnce(&FaultProxy)) {
    if let Some(proxy) = redis.proxy() {
        act(proxy);
    }
}
