//! All of Scenecast in one process: gateway, callback, the simulator of WeChat, and a demo site.
//!
//! Each part listens on an address of its own and is reached through it, as it would be in a
//! cluster; they share nothing but the bus.

mod accounts;
pub mod config;
pub mod site;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use scenecast_callback::{Callback, Clock, config::ApiKey};
use scenecast_gateway::{
    Gateway,
    config::{Compatible, CompatibleListener, CompatibleRoute},
};
use scenecast_loadtest::{http, simulator::Simulator};
use scenecast_shared::{
    bus::{Bus, Role},
    config::HttpUrl,
    scene::{Rotating, Secret},
    serve::{CannotListen, Limits, Listener, Shutdown, TrustedProxies, serve_admin},
    store::{Census, Store},
    telemetry::{Metrics, Stages},
};
use url::Url;

use accounts::{Accounts, CLASSIC, DEMO, DEMO_MINI, PERSONAL};
pub use config::Config;
use site::{SiteConfig, site};

const LIMITS: Limits = Limits { connections: 1000, idle: Duration::from_secs(10) };

/// The whole of it, serving.
pub struct Standalone {
    /// Where the login page is.
    pub site: Url,
    /// The gateway, for browsers.
    pub gateway: SocketAddr,
    /// The gateway, for pages that are sent a QR code as soon as they connect.
    pub qr_on_open: SocketAddr,
    /// The callback, for WeChat.
    pub callback: SocketAddr,
    /// The callback, for gateways and sites.
    pub internal: SocketAddr,
    /// Probes and metrics.
    pub admin: SocketAddr,
    /// WeChat, as far as this process is concerned.
    pub simulator: Simulator,
    /// What is counted.
    pub metrics: Metrics,
    /// Its end.
    pub shutdown: Shutdown,
}

/// Secrets between the parts, which live as long as the process.
struct Secrets {
    keys: Rotating,
    internal: Rotating,
    api: Secret,
}

impl Secrets {
    fn random() -> Self {
        let secret = || hex::encode(rand::random::<[u8; 16]>());
        Self { keys: Rotating::fixed(&secret()), internal: Rotating::fixed(&secret()), api: secret().as_str().into() }
    }
}

impl Standalone {
    /// Binds and serves all parts; done when they listen.
    pub async fn start(config: Config) -> Result<Self, CannotListen> {
        let accounts = Accounts::new(config.language);
        let webhook_paths = accounts.webhook_paths();
        let secrets = Secrets::random();
        let metrics = Metrics::new();
        let shutdown = Shutdown::new(config.drain);
        let (bus, redis) = Bus::connect(&config.bus.url, Role::Watches, &metrics);
        let store = Store::over(redis);
        let stages = Stages::new(&metrics);

        let wechat = Listener::bind("the simulator of WeChat", config.listen.simulator, LIMITS).await?;
        let wechat_url = http(wechat.address());
        let simulator = Simulator::new(wechat_url.clone(), accounts.simulated.clone());

        let callback = Callback::build(
            callback_settings(&config, accounts, &secrets, &wechat_url),
            bus.clone(),
            store.clone(),
            stages.clone(),
            &metrics,
            &shutdown,
        )
        .bind()
        .await?;
        for (account, path) in webhook_paths {
            let webhook = http(callback.public_address()).join(&path).expect("a plain path");
            simulator.set_callbacks(&account, vec![webhook]).expect("the simulator hosts this account");
        }

        let site_listener = Listener::bind("the demo site", config.listen.site, LIMITS).await?;
        let site_url = http(site_listener.address());
        let gateway = gateway_settings(&config, &secrets, &site_url, callback.internal_address());
        let gateway = Gateway::build(gateway, bus, Census::new(store), stages, &metrics, &shutdown).bind().await?;
        let admin = serve_admin(config.listen.admin, &metrics, &shutdown).await?;

        let standalone = Self {
            site: site_url,
            gateway: gateway.address(),
            qr_on_open: gateway.on_open_address().expect("its route is on"),
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
            accounts: [DEMO, PERSONAL].map(accounts::name).into(),
            simulated_phones: Some(wechat_url),
        });
        tokio::spawn(gateway.serve());
        tokio::spawn(callback.serve());
        tokio::spawn(wechat.serve(simulator.router(), shutdown.clone()));
        tokio::spawn(site_listener.serve(site, shutdown));
        Ok(standalone)
    }
}

fn callback_settings(
    config: &Config,
    accounts: Accounts,
    secrets: &Secrets,
    wechat: &Url,
) -> scenecast_callback::Settings {
    let Accounts { official, mini_programs, .. } = accounts;
    let all = official.keys().chain(mini_programs.keys()).cloned().collect();
    let key = ApiKey { key: Rotating { current: secrets.api.clone(), previous: None }, accounts: all };
    scenecast_callback::Settings {
        public: config.listen.callback,
        internal: config.listen.internal,
        internal_secret: secrets.internal.clone(),
        accounts: official,
        mini_programs,
        api_keys: BTreeMap::from([("demo-site".to_owned(), key)]),
        trusted_proxies: TrustedProxies::default(),
        geo_database: None,
        api_base: base(wechat),
        picture_base: base(wechat),
        limits: scenecast_callback::config::Limits::default(),
        clock: Clock::default(),
    }
}

fn gateway_settings(
    config: &Config,
    secrets: &Secrets,
    site: &Url,
    internal: SocketAddr,
) -> scenecast_gateway::Settings {
    let own = site.origin().ascii_serialization();
    let mut origins = config.origins.clone();
    origins.extend([own.replace("127.0.0.1", "localhost"), own]);
    scenecast_gateway::Settings {
        public: config.listen.gateway,
        callback: base(&http(internal)),
        key_secret: secrets.keys.clone(),
        internal_secret: secrets.internal.clone(),
        trusted_proxies: TrustedProxies::default(),
        origins,
        scene_life: config.scene_life,
        compatible: compatible(config.listen.qr_on_open),
        stay: config.drain.window.duration(),
        rebalance: true,
        limits: scenecast_gateway::config::Limits::default(),
    }
}

/// All routes for login pages that were written for other servers.
fn compatible(qr_on_open: SocketAddr) -> Compatible {
    let with = |account| Some(CompatibleRoute { account: accounts::name(account) });
    Compatible {
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
