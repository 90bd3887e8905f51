//! The stores, over memory and over each layout of Redis.

mod access_tokens;
mod daily_quota;
mod js_codes;
mod outbox;
mod outbox_outages;
mod pending_questions;
mod permissions;
mod persistence;
mod replay_guard;
mod typed_codes;
mod users;

use std::{future::Future, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use scenecast_bus::{BusConfig, BusUrl, Store};
use scenecast_metrics::Metrics;
use scenecast_scene::{AccountName, OpenId, SceneId};
use scenecast_testing::TestBackend;
use tokio::task::JoinSet;

use crate::world::name;

/// The stores of two pods.
struct Pods {
    here: Store,
    there: Store,
    backend: TestBackend,
}

impl Pods {
    fn over(backend: TestBackend) -> Self {
        let here = store_at(&backend.url());
        // In memory there is one pod only.
        let there = if matches!(backend, TestBackend::Memory) { here.clone() } else { store_at(&backend.url()) };
        Self { here, there, backend }
    }

    /// Lets so much time pass for the lives of values. In memory the clock stands still from then on. Over Redis only
    /// the named value ends.
    async fn pass(&self, time: Duration, ends: &str) {
        match self.cli(&["PEXPIRE", ends, "0"]).await {
            None => {
                tokio::time::pause();
                tokio::time::advance(time).await;
            }
            Some(ended) => assert_eq!(ended, "1", "{ends}"),
        }
    }

    /// The rest of this value's life in seconds; `None` in memory.
    async fn life(&self, name: &str) -> Option<i64> {
        Some(self.cli(&["TTL", name]).await?.parse().unwrap())
    }

    /// Redis's answer to a command whose first argument is the name of a value; `None` in memory.
    async fn cli(&self, command: &[&str]) -> Option<String> {
        Some(self.backend.cli(command[1], command).await?.unwrap())
    }
}

/// The store of a pod.
pub(crate) fn store(redis_url: &str) -> Store {
    store_at(&redis_url.parse().unwrap())
}

fn store_at(url: &BusUrl) -> Store {
    match url {
        BusUrl::Memory => Store::over(None),
        BusUrl::Redis(address) => BusConfig { url: address.clone() }.connect_writer(&Metrics::new()).1,
    }
}

/// Runs each test over each backend.
macro_rules! over_every_backend {
    ($($promise:ident)*) => {
        scenecast_testing::over_each_backend! { #[tokio::test] Pods: $($promise)* }
    };
}
use over_every_backend;

/// Does this so many times at once, on both pods in turn.
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

/// A scene for each number.
fn scene(number: u128) -> SceneId {
    URL_SAFE_NO_PAD.encode(number.to_be_bytes()).parse().unwrap()
}

fn account() -> AccountName {
    name("demo")
}

fn other() -> AccountName {
    name("other")
}

fn ann() -> OpenId {
    "oAnn".parse().unwrap()
}

fn bo() -> OpenId {
    "oBo".parse().unwrap()
}
