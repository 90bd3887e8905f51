//! A gateway as browsers meet it, over real sockets. What needs a callback is tested with one, in
//! `loadtest` and `deploy/standalone`.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod compatible;
mod http;
mod sockets;

use std::{net::SocketAddr, time::Duration};

use scenecast_gateway::{Gateway, Settings, config::Compatible};
use scenecast_loadtest::browser::{Frame, Heard, Page};
use scenecast_shared::{
    bus::Bus,
    config::{Drain, Limits, Seconds},
    scene::{AccountName, KeyRing, Rotating},
    serve::{Shutdown, TrustedProxies},
    telemetry::{Metrics, Stages},
};

const ORIGIN: &str = "https://www.example.com";
const KEY_SECRET: &str = "what-gateways-sign-their-keys-with";

/// A gateway on any port, whose callback is away.
struct World {
    address: SocketAddr,
    /// Where QR codes are sent to whoever connects, where that is on.
    on_open: Option<SocketAddr>,
    bus: Bus,
    metrics: Metrics,
    shutdown: Shutdown,
}

impl World {
    async fn new() -> Self {
        Self::with(Limits::default(), Compatible::default()).await
    }

    async fn with(limits: Limits, compatible: Compatible) -> Self {
        let settings = Settings {
            public: SocketAddr::from(([127, 0, 0, 1], 0)),
            // The discard port: nobody is there.
            callback: "http://127.0.0.1:9".to_owned().try_into().unwrap(),
            key_secret: Rotating::fixed(KEY_SECRET),
            internal_secret: Rotating::fixed("what-gateways-sign-their-calls-with"),
            origins: [ORIGIN.to_owned()].into_iter().collect(),
            trusted_proxies: TrustedProxies::default(),
            scene_life: Seconds::new(120),
            compatible,
            limits,
        };
        let (bus, metrics) = (Bus::memory(), Metrics::new());
        let shutdown = Shutdown::new(Drain { notice: Seconds::new(0), window: Seconds::new(1) });
        let gateway = Gateway::build(settings, bus.clone(), Stages::new(&metrics), &metrics, &shutdown);
        let bound = gateway.bind().await.unwrap();
        let (address, on_open) = (bound.address(), bound.on_open_address());
        tokio::spawn(bound.serve());
        Self { address, on_open, bus, metrics, shutdown }
    }

    async fn page(&self) -> Page {
        Page::connect(&self.address.to_string(), ORIGIN).await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn account() -> AccountName {
    "demo".parse().unwrap()
}

/// A ring as this gateway has it, or another deployment's.
fn ring(secret: &str) -> KeyRing {
    KeyRing::new(Rotating::fixed(secret))
}

async fn hear(page: &mut Page) -> Heard {
    tokio::time::timeout(Duration::from_secs(10), page.hear()).await.expect("an answer within 10 s")
}

async fn frame(page: &mut Page) -> Frame {
    match hear(page).await {
        Heard::Frame(frame) => *frame,
        other => panic!("instead of a frame: {other:?}"),
    }
}

async fn close_code(page: &mut Page) -> u16 {
    match hear(page).await {
        Heard::Closed(code, _) => code,
        other => panic!("instead of a close: {other:?}"),
    }
}
