//! A gateway of a test's own, and the scenes on its bus.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use reqwest::{Method, RequestBuilder};
use scenecast_gateway::{
    Gateway, Settings,
    config::{Compatible, Limits},
};
use scenecast_loadtest::browser::Page;
use scenecast_shared::{
    bus::Bus,
    config::{Drain, Seconds},
    scene::{
        Acceptance, AccountName, Cause, DeliveryId, Grant, KeyRing, Number, Numbers, Opening, Person, Profile,
        Rotating, SceneId, Settled, Transition,
    },
    serve::Shutdown,
    store::{Census, Store},
    telemetry::{Metrics, Stages},
    time::unix_now_ms,
};

pub(crate) const ORIGIN: &str = "https://www.example.com";
pub(crate) const KEY_SECRET: &str = "what-gateways-sign-their-keys-with";
/// How long a scene lives unless it is said otherwise.
pub(crate) const LIFE: Duration = Duration::from_secs(120);
/// Over how long a gateway spreads its closes.
pub(crate) const WINDOW: Seconds = Seconds::new(2);

/// How long pages that don't come back may stay after it has left.
pub(crate) const STAY: Duration = Duration::from_secs(4);

/// A gateway on any port, whose callback is away.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    /// Where QR codes are sent to whoever connects, where that is on.
    pub(crate) on_open: Option<SocketAddr>,
    pub(crate) bus: Bus,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: Shutdown,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Bus::memory(), Limits::default()).await
    }

    /// Another gateway on the same bus.
    pub(crate) async fn neighbour(&self) -> Self {
        Self::with(self.bus.clone(), Limits::default()).await
    }

    pub(crate) async fn with(bus: Bus, limits: Limits) -> Self {
        Self::compatible(bus, limits, Compatible::default()).await
    }

    /// One with these routes for other servers' pages.
    pub(crate) async fn compatible(bus: Bus, limits: Limits, compatible: Compatible) -> Self {
        let settings = Settings {
            public: SocketAddr::from(([127, 0, 0, 1], 0)),
            // The discard port: nobody is there.
            callback: "http://127.0.0.1:9".to_owned().try_into().unwrap(),
            key_secret: Rotating::fixed(KEY_SECRET),
            internal_secret: Rotating::fixed("what-gateways-sign-their-calls-with"),
            origins: [ORIGIN.to_owned()].into_iter().collect(),
            trusted_proxies: serde_json::from_str(r#"["127.0.0.1"]"#).unwrap(),
            scene_life: Seconds::new(120),
            compatible,
            stay: STAY,
            rebalance: true,
            limits,
        };
        let metrics = Metrics::new();
        let shutdown = Shutdown::new(Drain { notice: Seconds::new(0), window: WINDOW });
        let census = Census::new(Store::over(None));
        let gateway = Gateway::build(settings, bus.clone(), census, Stages::new(&metrics), &metrics, &shutdown);
        let bound = gateway.bind().await.unwrap();
        let (address, on_open) = (bound.address(), bound.on_open_address());
        tokio::spawn(bound.serve());
        Self { address, on_open, bus, metrics, shutdown }
    }

    pub(crate) async fn page(&self) -> Page {
        Page::connect(&self.address.to_string(), ORIGIN).await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What a page of our origin asks.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, self.url(path)).header("origin", ORIGIN)
    }

    /// A scene on the bus.
    pub(crate) async fn scene(&self) -> Scene {
        self.scene_for(LIFE).await
    }

    /// A scene that lives so long.
    pub(crate) async fn scene_for(&self, life: Duration) -> Scene {
        let scene = Scene::issue(life, SystemTime::now());
        let opening =
            Opening { account: account(), binding: None, page: scenecast_shared::scene::Page::default(), life };
        self.bus.open(scene.id, &opening).await.unwrap();
        scene
    }

    /// Has this happen to the scene.
    pub(crate) async fn settle(&self, scene: &Scene, transition: Transition) {
        let delivery = DeliveryId::of(&[&format!("{transition:?}")]);
        let cause = Cause { delivery, received_at: unix_now_ms(), traceparent: None };
        let settled = self.bus.settle(scene.id, &cause, &transition).await.unwrap();
        assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
    }

    /// The value of one of our metrics with its labels, or 0.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.text();
        let line = text.lines().find_map(|line| line.strip_prefix("scenecast_")?.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

/// A scene, and what its page has.
pub(crate) struct Scene {
    pub(crate) id: SceneId,
    pub(crate) key: String,
}

impl Scene {
    /// A scene that isn't on any bus.
    pub(crate) fn issue(life: Duration, now: SystemTime) -> Self {
        Self::issue_under(KEY_SECRET, life, now)
    }

    pub(crate) fn issue_under(secret: &str, life: Duration, now: SystemTime) -> Self {
        let (key, claims) = ring(secret).issue(&account(), None, life, now);
        Self { id: claims.scene, key: key.to_string() }
    }

    /// Where it is polled and given up.
    pub(crate) fn path(&self) -> String {
        format!("/v1/scenes/{}", self.id)
    }
}

pub(crate) fn account() -> AccountName {
    "demo".parse().unwrap()
}

/// A ring as this gateway has it, or another deployment's.
pub(crate) fn ring(secret: &str) -> KeyRing {
    KeyRing::new(Rotating::fixed(secret))
}

/// Who scans. The avatar may be of any size.
pub(crate) fn ann(avatar: &str) -> Person {
    let profile = Profile { name: "Ann".to_owned(), avatar: avatar.to_owned() };
    Person { account: account(), openid: "oAnn".parse().unwrap(), unionid: None, profile }
}

/// Ann scans, and has to pick this number.
pub(crate) fn scan(right: Number) -> Transition {
    let numbers = Some(Numbers { right, choices: [right; 3] });
    Transition::Scan { account: account(), person: ann("data:,"), numbers }
}

/// Ann's scan of it logs the scene in.
pub(crate) fn log_in(scene: &Scene) -> Transition {
    let life = Duration::from_secs(60);
    let grant = Grant::issue(scene.id);
    let login = Acceptance { person: ann("data:,"), grant, life, typed: false, registered: false };
    Transition::LogIn { account: account(), login }
}

/// Ann picks the number that she scanned.
pub(crate) fn confirm(scene: &Scene, picked: Number) -> Transition {
    let Transition::LogIn { account, login } = log_in(scene) else { unreachable!("it logs in") };
    Transition::Confirm { account, login, picked: Some(picked) }
}
