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
    config::BusUrl,
    scene::{AccountName, OpenId},
    store::Store,
    telemetry::Metrics,
};
use tokio::task::JoinSet;

use crate::backend::Backend;

/// Stores of two pods.
struct Pods {
    here: Store,
    there: Store,
    backend: Backend,
}

impl Pods {
    fn over(backend: Backend) -> Self {
        let here = store_at(&backend.url());
        // There is but one in memory.
        let there = if matches!(backend, Backend::Memory) { here.clone() } else { store_at(&backend.url()) };
        Self { here, there, backend }
    }

    /// So much later, as far as the lives of values are concerned. Over memory the clock stands still from
    /// then on; over Redis it is the named value that ends.
    async fn pass(&self, time: Duration, ends: &str) {
        match self.cli(&["PEXPIRE", ends, "0"]).await {
            None => {
                tokio::time::pause();
                tokio::time::advance(time).await;
            }
            Some(ended) => assert_eq!(ended, "1", "{ends}"),
        }
    }

    /// For how many seconds this value lives on, where that can be asked.
    async fn life(&self, name: &str) -> Option<i64> {
        Some(self.cli(&["TTL", name]).await?.parse().unwrap())
    }

    /// What Redis answers to a command whose first argument is a value's name; none over memory.
    async fn cli(&self, command: &[&str]) -> Option<String> {
        Some(self.backend.cli(command[1], command).await?.unwrap())
    }
}

/// The store of a pod.
fn store(url: &str) -> Store {
    store_at(&url.parse().unwrap())
}

fn store_at(url: &BusUrl) -> Store {
    Store::over(Bus::connect(url, Role::Settles, &Metrics::new()).1)
}

/// Runs each test over each backend.
macro_rules! over_every_backend {
    ($($promise:ident)*) => {
        crate::backend::over_each_backend! { #[tokio::test] Pods: $($promise)* }
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
