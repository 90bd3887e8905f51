//! All of Scenecast in one process: gateway, callback, the simulator of WeChat, and a demo site.
//!
//! Each part listens on an address of its own and is reached through it, as it would be in a
//! cluster; they share nothing but the bus.

mod accounts;
pub mod config;
pub mod site;
mod site_process;

use std::{collections::BTreeMap, net::SocketAddr};

use scenecast_bus::{BusUrl, Census, SceneReader, SceneWriter, Store, in_memory};
use scenecast_callback::{
    CallbackConfig, CallbackServer, Clock,
    config::{ApiKey, CallbackListen, OutboundConfig, WechatSettings},
};
use scenecast_gateway::{
    Gateway, GatewayConfig,
    config::{CallbackAddress, CompatibleConfig, CompatibleListener, CompatibleRoute, GatewayDrain, GatewayListen},
};
use scenecast_metrics::{Metrics, Stages};
use scenecast_redis::Redis;
use scenecast_scene::{Rotating, Secret};
use scenecast_service::{
    config::HttpUrl,
    http::TrustedProxies,
    listener::{ListenError, Listener, probes, serve_admin},
    shutdown::Shutdown,
    threads::Threads,
};
use scenecast_simulator::{Simulator, http};
use url::Url;

use accounts::{CLASSIC, DEMO, DEMO_MINI, DemoAccounts, NUMBER, PERSONAL};
pub use config::StandaloneConfig;
use site::{LIMITS, SiteConfig, site};
pub use site_process::{SiteProcessConfig, serve_site};

pub struct Standalone {
    /// The address of the login page.
    pub site: Url,
    /// The gateway, for browsers.
    pub gateway: SocketAddr,
    /// The gateway, for pages that are sent a QR code as soon as they connect.
    pub qr_on_open: SocketAddr,
    /// The callback, for WeChat.
    pub callback: SocketAddr,
    /// The callback, for gateways and sites.
    pub internal: SocketAddr,
    /// Probes and metrics of all parts.
    pub admin: SocketAddr,
    pub simulator: Simulator,
    pub metrics: Metrics,
    pub shutdown: Shutdown,
}

/// The secrets between the parts: random, and gone when the process ends.
struct ProcessSecrets {
    keys: Rotating,
    internal: Rotating,
    api: Secret,
}

impl ProcessSecrets {
    fn random() -> Self {
        let secret = || hex::encode(rand::random::<[u8; 16]>());
        Self { keys: Rotating::fixed(&secret()), internal: Rotating::fixed(&secret()), api: secret().as_str().into() }
    }
}

impl Standalone {
    /// Binds and serves all parts. Done when they listen.
    pub async fn start(config: StandaloneConfig) -> Result<Self, ListenError> {
        let accounts = DemoAccounts::new(config.language);
        let delivery_paths = accounts.delivery_paths();
        let secrets = ProcessSecrets::random();
        let metrics = Metrics::new();
        let shutdown = Shutdown::new(config.drain);
        let bus = ProcessBus::start(&config.bus.url, &metrics);
        let stages = Stages::new(&metrics);

        let wechat = Listener::bind("the simulator of WeChat", config.listen.simulator, LIMITS).await?;
        let wechat_url = http(wechat.address());
        let simulator = Simulator::new(wechat_url.clone(), accounts.simulated.clone());

        let callback = callback_config(&config, accounts, &secrets, &wechat_url);
        let callback = CallbackServer::build(&callback, bus.writer, bus.store, stages.clone(), &metrics, &shutdown);
        let callback = callback.bind().await?;
        for (account, path) in delivery_paths {
            let deliver_to = http(callback.public_address()).join(&path).expect("a plain path");
            simulator.set_callbacks(&account, vec![deliver_to]).expect("the simulator hosts this account");
        }

        let site_listener = Listener::bind("the demo site", config.listen.site, LIMITS).await?;
        let site_url = http(site_listener.address());
        let gateway = gateway_config(&config, &secrets, &site_url, callback.internal_address());
        let gateway = Gateway::bind(&gateway, bus.reader, bus.census, stages, &metrics, &shutdown).await?;
        let admin = serve_admin(config.listen.admin, &metrics, &shutdown).await?;

        let standalone = Self {
            site: site_url,
            gateway: gateway.address(),
            qr_on_open: gateway.qr_on_open_address().expect("its route is on"),
            callback: callback.public_address(),
            internal: callback.internal_address(),
            admin,
            simulator: simulator.clone(),
            metrics,
            shutdown: shutdown.clone(),
        };
        let site = site(SiteConfig {
            gateway: http(standalone.gateway),
            callback_internal: http(standalone.internal),
            api_key: secrets.api,
            accounts: [DEMO, PERSONAL, NUMBER].map(accounts::name).into(),
            simulated_phones: Some(wechat_url),
        });
        tokio::spawn(gateway.serve());
        tokio::spawn(callback.serve());
        tokio::spawn(wechat.serve(simulator.router(), shutdown.clone()));
        tokio::spawn(site_listener.serve(site.merge(probes(&shutdown)), shutdown));
        Ok(standalone)
    }
}

/// The bus of the process, as each part gets it.
struct ProcessBus {
    reader: SceneReader,
    writer: SceneWriter,
    store: Store,
    census: Census,
}

impl ProcessBus {
    fn start(url: &BusUrl, metrics: &Metrics) -> Self {
        match url {
            BusUrl::Memory => {
                let (reader, writer) = in_memory();
                Self { reader, writer, store: Store::over(None), census: Census::in_memory() }
            }
            BusUrl::Redis(address) => {
                let redis = Redis::connect(address, metrics);
                Self {
                    reader: SceneReader::over(&redis, metrics),
                    writer: SceneWriter::over(&redis),
                    census: Census::over(&redis),
                    store: Store::over(Some(redis)),
                }
            }
        }
    }
}

/// The callback's configuration. Its bus is that of the whole process.
fn callback_config(
    config: &StandaloneConfig,
    accounts: DemoAccounts,
    secrets: &ProcessSecrets,
    wechat: &Url,
) -> CallbackConfig<()> {
    let DemoAccounts { official, mini_programs, .. } = accounts;
    let all = official.keys().chain(mini_programs.keys()).cloned().collect();
    let key = ApiKey { key: Rotating { current: secrets.api.clone(), previous: None }, accounts: all };
    CallbackConfig {
        listen: CallbackListen {
            public: config.listen.callback,
            internal: config.listen.internal,
            admin: config.listen.admin,
        },
        bus: (),
        internal_secret: secrets.internal.clone(),
        accounts: official,
        mini_programs,
        api_keys: BTreeMap::from([("demo-site".to_owned(), key)]),
        trusted_proxies: TrustedProxies::default(),
        geo_database: None,
        wechat: WechatSettings { api_base: base(wechat), picture_base: base(wechat) },
        outbound: OutboundConfig::default(),
        limits: config.callback_limits,
        threads: Threads::default(),
        drain: config.drain,
        telemetry: config.telemetry.clone(),
        clock: Clock::default(),
    }
}

/// The gateway's configuration. Its bus and its admin listener are those of the whole process.
fn gateway_config(
    config: &StandaloneConfig,
    secrets: &ProcessSecrets,
    site: &Url,
    internal: SocketAddr,
) -> GatewayConfig<()> {
    let own = site.origin().ascii_serialization();
    let mut origins = config.origins.clone();
    origins.extend([own.replace("127.0.0.1", "localhost"), own]);
    GatewayConfig {
        listen: GatewayListen { public: config.listen.gateway, ..GatewayListen::default() },
        bus: (),
        callback: CallbackAddress { url: base(&http(internal)) },
        key_secret: secrets.keys.clone(),
        internal_secret: secrets.internal.clone(),
        trusted_proxies: TrustedProxies::default(),
        origins,
        scene_life: config.scene_life,
        compatible: compatible(config.listen.qr_on_open),
        threads: Threads::default(),
        drain: GatewayDrain {
            notice: config.drain.notice,
            window: config.drain.window,
            compatible: Some(config.drain.window),
        },
        rebalance: true,
        limits: config.gateway_limits,
        telemetry: config.telemetry.clone(),
    }
}

/// All routes for login pages that were written for other servers.
fn compatible(qr_on_open: SocketAddr) -> CompatibleConfig {
    let with = |account| Some(CompatibleRoute { account: accounts::name(account) });
    CompatibleConfig {
        path_socket: with(CLASSIC),
        client_id_socket: with(DEMO_MINI),
        typed_code: with(PERSONAL),
        qr_on_open: Some(CompatibleListener { account: accounts::name(CLASSIC), listen: qr_on_open }),
        ticket_polling: with(CLASSIC),
    }
}

fn base(url: &Url) -> HttpUrl {
    url.to_string().try_into().expect("an http: address")
}
