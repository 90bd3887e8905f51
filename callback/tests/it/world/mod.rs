//! The fixtures of every test: the simulator, callback pods, and the bus between them.

mod accounts;
mod answers;
pub(crate) mod encryption;
pub(crate) mod logs;
mod messages;
mod pods;

use scenecast_simulator::SimulatedAccount;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use reqwest::{RequestBuilder, Response, StatusCode};
use scenecast_bus::{BusConfig, SceneReader, SceneWriter, Store};
use scenecast_callback::{
    CallbackConfig,
    config::Confirmation,
    stores::{User, Users},
};
use scenecast_metrics::Metrics;
use scenecast_scene::{
    AccountName, Binding, Event, EventKind, Grant, Key, KeyRing, Login, PageInfo, Rotating, SceneId, internal,
};
use scenecast_service::{
    config::DrainConfig,
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_simulator::{self, DeliveryOutcome, Simulator, WeChatUser, http, menu_links};
use scenecast_testing::{FaultProxy, RedisServer};
use serde_json::{Value, json};

use self::accounts::{config, simulated, simulated_mini_program};

pub(crate) use self::{
    accounts::demo,
    answers::*,
    messages::*,
    pods::{Pod, metric_value},
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

pub(crate) struct World {
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

impl World {
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

    /// A gateway's call to this callback.
    pub(crate) async fn call(&self, pod: &Pod, path: &str, body: &Value) -> Response {
        let body = body.to_string();
        let signature = internal::sign(&Rotating::fixed(INTERNAL), unix_now(), path, body.as_bytes());
        let url = format!("http://{}{path}", pod.internal);
        self.http.post(url).header(internal::HEADER, signature).body(body).send().await.unwrap()
    }

    /// Opens a new scene of `demo` with [`STATE`]. Answers the scene and the content of its QR code.
    pub(crate) async fn open(&self) -> (SceneId, String) {
        self.open_for("demo", LIFE).await
    }

    pub(crate) async fn open_for(&self, account: &str, life: Duration) -> (SceneId, String) {
        self.open_with(account, life, &PageInfo::default()).await
    }

    /// Opens a new scene of `demo` for this page.
    pub(crate) async fn open_page(&self, page: &PageInfo) -> (SceneId, String) {
        self.open_with("demo", LIFE, page).await
    }

    async fn open_with(&self, account: &str, life: Duration, page: &PageInfo) -> (SceneId, String) {
        let scene = new_scene(account);
        let mut opening = opening(scene, account, life);
        opening["page"] = json!(page);
        let opened = self.call(self.pod(), internal::OPEN_PATH, &opening).await;
        (scene, answer(opened, StatusCode::OK).await["qr"]["url"].as_str().unwrap().to_owned())
    }

    /// Lets a persona scan.
    pub(crate) async fn scan(&self, persona: &str, qr_url: &str) -> DeliveryOutcome {
        self.simulator.scan(&person(persona), qr_url).await.unwrap()
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

    /// Opens a new scene of `demo`, and lets a persona scan it. Answers the scene and what the phone shows.
    pub(crate) async fn scan_new(&self, persona: &str) -> (SceneId, DeliveryOutcome) {
        let (scene, qr_url) = self.open().await;
        (scene, self.scan(persona, &qr_url).await)
    }

    /// Lets a persona write to `demo`.
    pub(crate) async fn say(&self, persona: &str, text: &str) -> DeliveryOutcome {
        self.simulator.say(&person(persona), &name("demo"), text).await.unwrap()
    }

    /// Lets a persona touch the link with this label in what `demo` replied before.
    pub(crate) async fn touch(&self, persona: &str, asked: &DeliveryOutcome, label: &str) -> DeliveryOutcome {
        let link = menu_links(reply(asked)).into_iter().find(|link| link.label == label);
        let link = link.unwrap_or_else(|| panic!("no {label} in {asked:?}"));
        self.simulator.tap(&person(persona), &name("demo"), &link).await.unwrap()
    }

    /// Delivers the last attempt once more, to the other pod. Answers the reply.
    pub(crate) async fn again(&self, outcome: &DeliveryOutcome) -> String {
        let attempt = outcome.attempts.last().unwrap();
        let port = attempt.url.port().unwrap();
        let other = self.pods.iter().find(|pod| pod.public.port() != port).unwrap_or(self.pod());
        let mut url = attempt.url.clone();
        url.set_port(Some(other.public.port())).unwrap();
        let answered = self.http.post(url).body(attempt.body.clone()).send().await.unwrap().text().await.unwrap();
        said(&answered).to_owned()
    }

    /// The record of a persona.
    pub(crate) async fn user(&self, persona: &str) -> User {
        let openid = self.openid(persona, "demo").parse().unwrap();
        Users::new(self.store(), None).find(&name("demo"), &openid).await.unwrap().unwrap()
    }

    /// Lets a persona scan a new scene of `demo`. Answers the grant that the page got.
    pub(crate) async fn log_in(&self, persona: &str) -> Grant {
        let (scene, qr_url) = self.open().await;
        self.scan(persona, &qr_url).await;
        self.login(scene).await.grant
    }

    /// The kinds of the events of a scene.
    pub(crate) async fn history(&self, scene: SceneId) -> Vec<&'static str> {
        let word = |event: &Event| match event.what {
            EventKind::Scanned(_) => "scanned",
            EventKind::Confirmed(_) => "confirmed",
            EventKind::Declined => "declined",
            EventKind::Cancelled => "cancelled",
        };
        self.events(scene).await.iter().map(word).collect()
    }

    /// The events of a scene.
    pub(crate) async fn events(&self, scene: SceneId) -> Vec<Event> {
        let mailbox = self.reader().read(scene).await.unwrap().unwrap();
        mailbox.events.iter().map(|event| (**event).clone()).collect()
    }

    /// The login of this scene. Checks that there is one only.
    pub(crate) async fn login(&self, scene: SceneId) -> Login {
        let events = self.events(scene).await;
        let logins = events.iter().filter_map(|event| match &event.what {
            EventKind::Confirmed(login) => Some(login.clone()),
            _ => None,
        });
        let [login] = &logins.collect::<Vec<_>>()[..] else { panic!("{events:?}") };
        login.clone()
    }

    /// A delivery to an account, from WeChat or from an attacker.
    pub(crate) fn delivery(&self, account: &str, query: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http.post(format!("http://{}/wechat/{account}?{query}", self.pod().public)).body(body)
    }

    /// Posts a call of a mini program.
    pub(crate) async fn miniapp(&self, pod: &Pod, call: &str, body: &Value) -> Response {
        let url = format!("http://{}/v1/miniapp/{call}", pod.public);
        self.http.post(url).body(body.to_string()).send().await.unwrap()
    }

    /// The `js_code` of `wx.login` in `mini` on a persona's phone.
    pub(crate) fn js_code(&self, persona: &str) -> String {
        self.simulator.wx_login(&person(persona), &name("mini")).unwrap()
    }

    /// A redeem request with this body.
    pub(crate) fn redeem(&self, key: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("http://{}/v1/redeem", self.pod().internal)).bearer_auth(key).body(body.to_string())
    }

    /// The openid of a persona in an account.
    pub(crate) fn openid(&self, persona: &str, account: &str) -> String {
        self.simulator.openid(&person(persona), &name(account)).unwrap().to_string()
    }
}

impl Drop for World {
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

pub(crate) fn opening(scene: SceneId, account: &str, life: Duration) -> Value {
    json!({ "scene": scene, "account": account, "binding": Binding::of(STATE), "life_ms": life.as_millis() })
}

pub(crate) fn new_scene(account: &str) -> SceneId {
    let ring = KeyRing::new(Rotating::fixed("a gateway's secret"));
    let (_, claims): (Key, _) = ring.issue(&name(account), None, LIFE, std::time::SystemTime::now());
    claims.scene
}

pub(crate) fn person(persona: &str) -> WeChatUser {
    WeChatUser::persona(persona).unwrap()
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
