//! What pods have in common beside scenes, over memory and Redis.

mod budgets;
mod census;
mod codes;
mod js_codes;
mod outbox;
mod outbox_outages;
mod pending;
mod replays;
mod tokens;
mod users;

use std::{future::Future, time::Duration};

use scenecast_shared::{
    bus::{Bus, Role},
    scene::{AccountName, OpenId},
    store::Store,
    telemetry::Metrics,
    testing::RedisServer,
};
use tokio::task::JoinSet;

/// Stores of two pods.
struct Pods {
    here: Store,
    there: Store,
    server: Option<RedisServer>,
}

impl Pods {
    fn memory() -> Self {
        let store = Store::over(None);
        Self { here: store.clone(), there: store, server: None }
    }

    async fn redis() -> Self {
        let server = RedisServer::start().await;
        Self { here: store(&server.url()), there: store(&server.url()), server: Some(server) }
    }

    /// So much later, as far as the lives of values are concerned. Over memory the clock stands still from
    /// then on; over Redis it is the named value that ends.
    async fn pass(&self, time: Duration, ends: &str) {
        match &self.server {
            None => {
                tokio::time::pause();
                tokio::time::advance(time).await;
            }
            Some(server) => assert_eq!(server.cli(&["PEXPIRE", ends, "0"]).await.unwrap(), "1", "{ends}"),
        }
    }

    /// For how many seconds this value lives on, where that can be asked.
    async fn life(&self, name: &str) -> Option<i64> {
        let server = self.server.as_ref()?;
        Some(server.cli(&["TTL", name]).await.unwrap().parse().unwrap())
    }
}

/// The store of a pod.
fn store(url: &str) -> Store {
    Store::over(Bus::connect(&url.parse().unwrap(), Role::Settles, &Metrics::new()).1)
}

/// Runs each test over each backend.
macro_rules! over_every_backend {
    ($($promise:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(crate::store::Pods::memory()).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(crate::store::Pods::redis().await).await;
            })*
        }
    };
}
use over_every_backend;

/// Does this so many times at once, here and there in turn.
async fn at_once<S: Clone, T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    times: usize,
    here: &S,
    there: &S,
    work: impl Fn(S, usize) -> F,
) -> Vec<T> {
    let mut all = JoinSet::new();
    for (n, store) in [here, there].into_iter().cycle().take(times).enumerate() {
        all.spawn(work(store.clone(), n));
    }
    all.join_all().await
}

fn other() -> AccountName {
    "other".parse().unwrap()
}

fn ann() -> OpenId {
    "oAnn".parse().unwrap()
}

fn bo() -> OpenId {
    "oBo".parse().unwrap()
}
