//! The callbacks of a world, and how far Redis is from them.

use std::net::SocketAddr;

use scenecast_callback::Callback;
use scenecast_shared::{
    bus::{Bus, Role},
    config::Drain,
    redis::Redis,
    serve::Shutdown,
    store::Store,
    telemetry::{Metrics, Stages},
    testing::Hop,
};

use super::{World, name};

/// One callback.
#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) metrics: Metrics,
}

impl World {
    /// One more callback; WeChat delivers to all in turn.
    pub(crate) async fn add_pod(&mut self) -> Pod {
        let (metrics, shutdown) = (Metrics::new(), Shutdown::new(Drain::default()));
        let way = self.redis.as_ref().map(|server| match &self.distance {
            None => server.url(),
            Some(distance) => format!("redis://{}", distance.address()),
        });
        let (bus, store) = match way {
            None => self.memory.clone(),
            Some(way) => {
                let redis = Redis::connect(&way.parse().unwrap(), &metrics);
                (Bus::over(&redis, Role::Settles, &metrics), Store::over(Some(redis)))
            }
        };
        let stages = Stages::new(&metrics);
        let callback = Callback::build(self.settings.clone(), bus, store, stages, &metrics, &shutdown);
        let bound = callback.bind().await.unwrap();
        let pod = Pod { public: bound.public_address(), internal: bound.internal_address(), metrics };
        tokio::spawn(bound.serve());
        self.pods.push(pod.clone());
        for account in ["demo", "other"] {
            let webhook = |pod: &Pod| format!("http://{}/wechat/{account}", pod.public).parse().unwrap();
            self.simulator.set_callbacks(&name(account), self.pods.iter().map(webhook).collect()).unwrap();
        }
        pod
    }

    /// Puts another callback in place of all, with Redis at a distance.
    pub(crate) async fn move_away(&mut self) {
        self.distance = Some(Hop::to(vec![self.redis.as_ref().unwrap().address()]).await);
        self.pods.clear();
        self.add_pod().await;
    }

    /// The way to Redis.
    pub(crate) fn distance(&self) -> &Hop {
        self.distance.as_ref().unwrap()
    }

    /// The first callback.
    pub(crate) fn pod(&self) -> &Pod {
        &self.pods[0]
    }

    /// This line of both pods' metrics together.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        self.pods.iter().map(|pod| pod.metric(line)).sum()
    }
}

impl Pod {
    /// The value of this line of `/metrics`, 0 if there is none.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = self.metrics.text();
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }
}
