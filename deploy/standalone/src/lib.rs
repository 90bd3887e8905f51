//! All of Scenecast in one process: gateway, callback, the simulator of WeChat, and a demo site.
//!
//! Each part listens on an address of its own and is reached through it, as it would be in a
//! cluster; they share nothing but the bus.

pub mod config;
pub mod site;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use scenecast_callback::{
    Callback, Clock, Texts,
    config::{AccountSettings, ApiKey, Confirmation, Mode},
};
use scenecast_gateway::{
    Gateway,
    config::{Compatible, CompatibleListener, CompatibleRoute},
};
use scenecast_loadtest::{
    http,
    simulator::{self, AccountQuota, Simulator},
};
use scenecast_shared::{
    bus::{Bus, Role},
    config::{HttpUrl, defaults},
    scene::{AccountName, Rotating, Secret},
    serve::{CannotListen, Limits, Listener, Shutdown, TrustedProxies, serve_admin},
    store::Store,
    telemetry::{Metrics, Stages},
};
use url::Url;

pub use config::Config;
use site::{SiteConfig, site};

const LIMITS: Limits = Limits { connections: 1000, headers: Duration::from_secs(10) };

/// The whole of it, serving.
pub struct Standalone {
    /// Where the login page is.
    pub site: Url,
    /// The gateway, for browsers.
    pub gateway: SocketAddr,
    /// The gateway, for pages that are sent a QR code as soon as they connect.
    pub on_open: SocketAddr,
    /// The callback, for WeChat.
    pub callback: SocketAddr,
    /// The callback, for gateways and sites.
    pub internal: SocketAddr,
    /// Probes and metrics.
    pub admin: SocketAddr,
    /// The account that the demo site logs in with.
    pub account: AccountName,
    /// What the demo site redeems with.
    pub api_key: Secret,
    /// WeChat, as far as this process is concerned.
    pub simulator: Simulator,
    /// What is counted.
    pub metrics: Metrics,
    /// Its end.
    pub shutdown: Shutdown,
}

/// Secrets that live as long as the process.
struct Secrets {
    keys: Rotating,
    internal: Rotating,
    api: Secret,
    app: Secret,
    token: Secret,
}

impl Secrets {
    fn random() -> Self {
        let secret = || hex::encode(rand::random::<[u8; 16]>());
        Self {
            keys: Rotating::fixed(&secret()),
            internal: Rotating::fixed(&secret()),
            api: secret().as_str().into(),
            app: secret().as_str().into(),
            // WeChat takes 3 to 32 letters and digits.
            token: secret().as_str().into(),
        }
    }
}

impl Standalone {
    /// Binds and serves all parts; done when they listen.
    pub async fn start(config: Config) -> Result<Self, CannotListen> {
        let account: AccountName = "demo".parse().expect("a valid name");
        let secrets = Secrets::random();
        let metrics = Metrics::new();
        let shutdown = Shutdown::new(config.drain);
        let (bus, redis) = Bus::connect(&config.bus.url, Role::Watches, &metrics);
        let stages = Stages::new(&metrics);

        let wechat = Listener::bind("the simulator of WeChat", config.listen.simulator, LIMITS).await?;
        let wechat_url = http(wechat.address());
        let simulator =
            Simulator::new(wechat_url.clone(), BTreeMap::from([(account.clone(), simulated_account(&secrets))]));

        let callback = Callback::build(
            callback_settings(&config, &account, &secrets, &wechat_url),
            bus.clone(),
            Store::over(redis),
            stages.clone(),
            &metrics,
            &shutdown,
        )
        .bind()
        .await?;
        let webhook = http(callback.public_address()).join(&format!("/wechat/{account}")).expect("a valid path");
        simulator.set_callbacks(&account, vec![webhook]).expect("the simulator hosts this account");

        let site_listener = Listener::bind("the demo site", config.listen.site, LIMITS).await?;
        let site_url = http(site_listener.address());
        let gateway = gateway_settings(&config, &account, &secrets, &site_url, callback.internal_address());
        let gateway = Gateway::build(gateway, bus, stages, &metrics, &shutdown).bind().await?;
        let admin = serve_admin(config.listen.admin, &metrics, &shutdown).await?;

        let standalone = Self {
            site: site_url,
            gateway: gateway.address(),
            on_open: gateway.on_open_address().expect("it was turned on"),
            callback: callback.public_address(),
            internal: callback.internal_address(),
            admin,
            account: account.clone(),
            api_key: secrets.api.clone(),
            simulator: simulator.clone(),
            metrics,
            shutdown: shutdown.clone(),
        };
        let site = site(SiteConfig {
            gateway: http(standalone.gateway),
            callback_internal: http(standalone.internal),
            api_key: secrets.api,
            account,
            simulated_phone: true,
        });
        tokio::spawn(gateway.serve());
        tokio::spawn(callback.serve());
        tokio::spawn(wechat.serve(simulator.router(), shutdown.clone()));
        tokio::spawn(site_listener.serve(site, shutdown));
        Ok(standalone)
    }
}

fn simulated_account(secrets: &Secrets) -> simulator::Account {
    let sample = simulator::Account::sample(secrets.app.clone(), secrets.token.clone());
    simulator::Account { title: "Scenecast Demo".to_owned(), ..sample }
}

fn callback_settings(
    config: &Config,
    account: &AccountName,
    secrets: &Secrets,
    wechat: &Url,
) -> scenecast_callback::Settings {
    let settings = AccountSettings {
        app_id: simulator::Account::SAMPLE_APP_ID.to_owned(),
        secret: secrets.app.clone(),
        token: Rotating { current: secrets.token.clone(), previous: None },
        original_id: simulator::Account::SAMPLE_ORIGINAL_ID.to_owned(),
        mode: Mode::Plain,
        aes_key: None,
        check_source_address: false,
        confirmation: Confirmation::None,
        site: None,
        path: None,
        grant_life: defaults::grant_life(),
        qr_quota: AccountQuota::default().qr_codes.into(),
        fallback_mini_program: None,
        profile_wait_ms: 300,
        language: config.language,
        texts: Texts::default(),
        webhooks: None,
    };
    let key =
        ApiKey { key: Rotating { current: secrets.api.clone(), previous: None }, accounts: [account.clone()].into() };
    scenecast_callback::Settings {
        public: config.listen.callback,
        internal: config.listen.internal,
        internal_secret: secrets.internal.clone(),
        accounts: BTreeMap::from([(account.clone(), settings)]),
        mini_programs: BTreeMap::new(),
        api_keys: BTreeMap::from([("demo-site".to_owned(), key)]),
        trusted_proxies: TrustedProxies::default(),
        geo_database: None,
        api_base: base(wechat),
        picture_base: base(wechat),
        limits: scenecast_shared::config::Limits::default(),
        clock: Clock::default(),
    }
}

fn gateway_settings(
    config: &Config,
    account: &AccountName,
    secrets: &Secrets,
    site: &Url,
    internal: SocketAddr,
) -> scenecast_gateway::Settings {
    let (origin, mut origins) = (site.origin().ascii_serialization(), config.origins.clone());
    origins.extend([origin.replace("127.0.0.1", "localhost"), origin]);
    scenecast_gateway::Settings {
        public: config.listen.gateway,
        callback: base(&http(internal)),
        key_secret: secrets.keys.clone(),
        internal_secret: secrets.internal.clone(),
        trusted_proxies: TrustedProxies::default(),
        origins,
        scene_life: config.scene_life,
        compatible: compatible_routes(account, config.listen.on_open),
        limits: scenecast_shared::config::Limits::default(),
    }
}

/// All of them, so that pages that were written for other servers can be tried here.
fn compatible_routes(account: &AccountName, on_open: SocketAddr) -> Compatible {
    let on = || Some(CompatibleRoute { account: account.clone() });
    Compatible {
        path_socket: on(),
        client_id_socket: on(),
        typed_code: on(),
        qr_on_open: Some(CompatibleListener { account: account.clone(), listen: on_open }),
        ticket_polling: on(),
    }
}

fn base(url: &Url) -> HttpUrl {
    url.to_string().try_into().expect("an http: address")
}
