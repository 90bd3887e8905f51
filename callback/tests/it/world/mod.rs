//! The fixtures of every test: the simulator, callback pods, and the bus between them.

mod accounts;
mod answers;
pub(crate) mod encryption;
mod https_proxy;
pub(crate) mod logs;
mod messages;
mod phones;
mod pods;
mod scenes;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use reqwest::RequestBuilder;
use scenecast_bus::{BusConfig, SceneReader, SceneWriter, Store};
use scenecast_callback::{CallbackConfig, config::Confirmation};
use scenecast_metrics::Metrics;
use scenecast_scene::AccountName;
use scenecast_service::{
    config::DrainConfig,
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_simulator::{SimulatedAccount, Simulator, http};
use scenecast_testing::{FaultProxy, RedisServer};
use serde_json::Value;

use self::accounts::{config, simulated, simulated_mini_program};

pub(crate) use self::{
    accounts::demo,
    answers::*,
    https_proxy::HttpsProxy,
    messages::*,
    phones::person,
    pods::Pod,
    scenes::{new_scene, opening},
};

/// The configuration of a callback in a test. The world says what carries its scenes.
pub(crate) type TestConfig = CallbackConfig<()>;

pub(crate) const SECRET: &str = "app-secret-0123456789abcdef01234";
pub(crate) const TOKEN: &str = "deliveryToken1";
/// Its last character sets the two bits that are not used.
pub(crate) const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
pub(crate) const INTERNAL: &str = "internal-secret-0123456789";
pub(crate) const API_KEY: &str = "api-key-of-the-shop-0123456789";
pub(crate) const OTHER_KEY: &str = "api-key-of-another-0123456789";
pub(crate) const ORIGINAL_ID: &str = "gh_demo";
pub(crate) const STATE: &str = "browser-session";
/// The life of a scene, unless a test wants less.
pub(crate) const LIFE: Duration = Duration::from_secs(120);

pub(crate) struct CallbackWorld {
    pub(crate) simulator: Simulator,
    pub(crate) redis: Option<RedisServer>,
    pub(crate) http: reqwest::Client,
    config: TestConfig,
    /// The bus and store of a world in memory. Over Redis each pod has its own connections.
    memory: MemoryBus,
    distance: Option<FaultProxy>,
    pods: Vec<Pod>,
}

/// What the pods of a world without Redis share.
struct MemoryBus {
    reader: SceneReader,
    writer: SceneWriter,
    store: Store,
}

impl CallbackWorld {
    /// One callback on the memory bus.
    pub(crate) async fn new() -> Self {
        Self::with(None, |_| ()).await
    }

    /// One callback on a real Redis.
    pub(crate) async fn over_redis() -> Self {
        Self::with(Some(RedisServer::start().await), |_| ()).await
    }

    /// One world in memory, and one over Redis.
    pub(crate) async fn each() -> [Self; 2] {
        [Self::new().await, Self::over_redis().await]
    }

    /// One callback, with a changed configuration.
    pub(crate) async fn with(redis: Option<RedisServer>, change: impl FnOnce(&mut TestConfig)) -> Self {
        Self::with_wechat(redis, |_| (), change).await
    }

    /// One callback, with another WeChat, and a changed configuration.
    pub(crate) async fn with_wechat(
        redis: Option<RedisServer>,
        set_up: impl FnOnce(&mut BTreeMap<AccountName, SimulatedAccount>),
        change: impl FnOnce(&mut TestConfig),
    ) -> Self {
        logs::keep();
        let wechat =
            Listener::bind("simulator", any_port(), ListenerLimits { connections: 1000, idle: LIFE }).await.unwrap();
        let wechat_url = http(wechat.address());
        let mut accounts = BTreeMap::from(["demo", "other"].map(|account| (name(account), simulated(account))));
        accounts.insert(name("mini"), simulated_mini_program());
        set_up(&mut accounts);
        let simulator = Simulator::new(wechat_url.clone(), accounts);
        tokio::spawn(wechat.serve(simulator.router(), Shutdown::new(DrainConfig::default())));
        let mut config = config(&wechat_url);
        change(&mut config);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (reader, writer) = scenecast_bus::in_memory();
        let memory = MemoryBus { reader, writer, store: Store::over(None) };
        let mut world = Self { simulator, redis, http, config, memory, distance: None, pods: vec![] };
        world.add_pod().await;
        world
    }

    /// Advances the clocks of WeChat and of the pods.
    pub(crate) fn pass(&self, time: Duration) {
        self.simulator.advance(time);
        self.config.clock.advance(time);
    }

    /// The half of the bus that a gateway has.
    pub(crate) fn reader(&self) -> SceneReader {
        let metrics = Metrics::new();
        match &self.redis {
            None => self.memory.reader.clone(),
            Some(server) => BusConfig { url: server.url().parse().unwrap() }.connect_reader(&metrics).0,
        }
    }

    /// The store that the callbacks share.
    pub(crate) fn store(&self) -> Store {
        match &self.redis {
            None => self.memory.store.clone(),
            Some(server) => BusConfig { url: server.url().parse().unwrap() }.connect_writer(&Metrics::new()).1,
        }
    }

    /// One world in memory, and one over Redis, with two pods each and this confirmation.
    pub(crate) async fn each_asking(confirmation: Confirmation) -> [Self; 2] {
        Self::each_with(|settings| demo(settings).confirmation = confirmation).await
    }

    /// One world in memory, and one over Redis, with two pods each and a changed configuration.
    pub(crate) async fn each_with(change: impl Fn(&mut TestConfig)) -> [Self; 2] {
        let mut worlds = [Self::with(None, &change).await, Self::with(Some(RedisServer::start().await), &change).await];
        for world in &mut worlds {
            world.add_pod().await;
        }
        worlds
    }

    /// Two pods, to which WeChat delivers in turn, with this confirmation.
    pub(crate) async fn asking(redis: Option<RedisServer>, confirmation: Confirmation) -> Self {
        let mut world = Self::with(redis, |settings| demo(settings).confirmation = confirmation).await;
        world.add_pod().await;
        world
    }

    /// A delivery to an account, from WeChat or from an attacker.
    pub(crate) fn delivery(&self, account: &str, query: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http.post(format!("http://{}/wechat/{account}?{query}", self.pod().public)).body(body)
    }

    /// A redeem request with this body.
    pub(crate) fn redeem(&self, key: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("http://{}/v1/redeem", self.pod().internal)).bearer_auth(key).body(body.to_string())
    }
}

impl Drop for CallbackWorld {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_no_secrets(&logs::text());
            for persona in ["ann", "bo", "chen", "dora"] {
                for account in ["demo", "mini"] {
                    assert!(!logs::text().contains(&self.openid(persona, account)), "an openid was logged");
                }
            }
        }
    }
}

pub(crate) fn name(account: &str) -> AccountName {
    account.parse().unwrap()
}

pub(crate) fn unix_now() -> Duration {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
