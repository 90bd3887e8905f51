//! The callback pods of a world, and the network between them and Redis.

use std::net::SocketAddr;

use scenecast_bus::BusConfig;
use scenecast_callback::CallbackServer;
use scenecast_metrics::{Metrics, Stages};
use scenecast_service::{config::DrainConfig, shutdown::Shutdown};
use scenecast_testing::{FaultProxy, series_value};

use super::{CallbackWorld, name};

#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) metrics: Metrics,
}

impl CallbackWorld {
    /// Adds a callback pod. WeChat delivers to all pods in turn.
    pub(crate) async fn add_pod(&mut self) -> Pod {
        let (metrics, shutdown) = (Metrics::new(), Shutdown::new(DrainConfig::default()));
        let way = self.redis.as_ref().map(|server| match &self.distance {
            None => server.url(),
            Some(distance) => {
                let direct = server.address().to_string();
                server.url().replace(&direct, &distance.address().to_string())
            }
        });
        let (scenes, store) = match way {
            None => (self.memory.writer.clone(), self.memory.store.clone()),
            Some(way) => BusConfig { url: way.parse().unwrap() }.connect_writer(&metrics),
        };
        let stages = Stages::new(&metrics);
        let callback = CallbackServer::build(&self.config, scenes, store, stages, &metrics, &shutdown);
        let bound = callback.bind().await.unwrap();
        let pod = Pod { public: bound.public_address(), internal: bound.internal_address(), metrics };
        tokio::spawn(bound.serve());
        self.pods.push(pod.clone());
        for account in ["demo", "other"] {
            let callback = |pod: &Pod| format!("http://{}/wechat/{account}", pod.public).parse().unwrap();
            self.simulator.set_callbacks(&name(account), self.pods.iter().map(callback).collect()).unwrap();
        }
        pod
    }

    /// Replaces all pods by one, which reaches Redis through a proxy that tests can slow down.
    pub(crate) async fn move_away(&mut self) {
        self.distance = Some(FaultProxy::start(vec![self.redis.as_ref().unwrap().address()]).await);
        self.pods.clear();
        self.add_pod().await;
    }

    /// The proxy before Redis.
    pub(crate) fn distance(&self) -> &FaultProxy {
        self.distance.as_ref().unwrap()
    }

    /// The first callback.
    pub(crate) fn pod(&self) -> &Pod {
        &self.pods[0]
    }

    /// The sum of this line of all pods' metrics.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        self.pods.iter().map(|pod| pod.metric(line)).sum()
    }
}

impl Pod {
    /// The value of this line of `/metrics`, 0 if there is none.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        series_value(&self.metrics.text(), line).unwrap_or(0)
    }
}
