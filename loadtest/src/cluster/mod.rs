//! Scenecast as it runs in a cluster, on this machine: gateway and callback processes around a
//! real Redis, and a simulated WeChat.

mod ingress;
mod process;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, SystemTime},
};

use scenecast_shared::{
    internal,
    scene::{AccountName, KeyRing, Rotating},
    serve::{Limits, Listener, Shutdown},
    testing::{RedisServer, acl_rules},
    time::{millis, unix_now},
};
use serde_json::json;
use tempfile::TempDir;
use url::Url;

pub use ingress::Ingress;
pub use process::Process;

use crate::{
    http,
    simulator::{Account, Mode, Simulator},
};

/// The origin whose pages may open scenes.
pub const ORIGIN: &str = "https://www.example.com";
/// What the site's backend redeems with.
pub const API_KEY: &str = "an-api-key-of-the-site";
/// What it redeems the mini program's grants with.
pub const MINI_API_KEY: &str = "an-api-key-for-the-mini-program";
/// What the account's secret is.
pub const APP_SECRET: &str = "the-app-secret-of-the-account";
/// What WeChat signs with.
pub const TOKEN: &str = "theTokenOfTheAccount";
const INTERNAL_SECRET: &str = "what-gateways-sign-their-calls-with";
const KEY_SECRET: &str = "what-gateways-sign-their-keys-with";
const GATEWAY_PASSWORD: &str = "the-gateways-redis-password";
const CALLBACK_PASSWORD: &str = "the-callbacks-redis-password";

/// Secrets that must not turn up in a log, an answer or a metric.
pub const SECRETS: [&str; 8] =
    [API_KEY, MINI_API_KEY, APP_SECRET, TOKEN, INTERNAL_SECRET, KEY_SECRET, GATEWAY_PASSWORD, CALLBACK_PASSWORD];

static CLUSTERS: AtomicU8 = AtomicU8::new(1);

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many gateways. Gateway `n` opens scenes at callback `n` (or the last).
    pub gateways: usize,
    /// How many callbacks.
    pub callbacks: usize,
    /// How WeChat sends messages.
    pub mode: Mode,
    /// What makes a scan a login: `none`, `tap` or `number`.
    pub confirmation: &'static str,
    /// How long a scene lives, in seconds.
    pub scene_life: u32,
    /// Lines at the end of every configuration.
    pub settings: String,
    /// Lines at the end of every gateway's.
    pub gateway_settings: String,
    /// Lines at the end of every callback's.
    pub callback_settings: String,
}

impl Default for Setup {
    /// One of each, in plain mode, where a scan is a login.
    fn default() -> Self {
        Self {
            gateways: 1,
            callbacks: 1,
            mode: Mode::Plain,
            confirmation: "none",
            scene_life: 120,
            settings: String::new(),
            gateway_settings: String::new(),
            callback_settings: String::new(),
        }
    }
}

/// Processes around a Redis; all of them end when it is dropped.
pub struct Cluster {
    /// What carries the scenes.
    pub redis: RedisServer,
    /// WeChat and its phones.
    pub simulator: Simulator,
    /// The account that pages log in with.
    pub account: AccountName,
    /// The mini program that some log in with.
    pub mini_program: AccountName,
    wechat: Url,
    gateways: Vec<Process>,
    callbacks: Vec<Process>,
    host: Ipv4Addr,
    files: TempDir,
}

impl Cluster {
    /// So many of each, listening, in plain mode.
    pub async fn start(gateways: usize, callbacks: usize) -> Self {
        Self::start_as(Setup { gateways, callbacks, ..Setup::default() }).await
    }

    /// One that is made so, listening.
    pub async fn start_as(setup: Setup) -> Self {
        let redis = RedisServer::start().await;
        for (user, password) in [("gateway", GATEWAY_PASSWORD), ("callback", CALLBACK_PASSWORD)] {
            redis.add_user(user, password, acl_rules(user)).await;
        }
        // An address of its own, so that all its ports are free: 127.x.y.1 by process and cluster.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, 1 + high % 250, low, CLUSTERS.fetch_add(1, Ordering::Relaxed));

        let limits = Limits { connections: 10_000, headers: Duration::from_secs(10) };
        let wechat = Listener::bind("simulator", (host, 0).into(), limits).await.expect("the address is free");
        let wechat_url = http(wechat.address());
        let account: AccountName = "demo".parse().expect("a valid name");
        let mini_program: AccountName = "demo-mini".parse().expect("a valid name");
        let sample = Account::sample(APP_SECRET.into(), TOKEN.into());
        let simulated = BTreeMap::from([
            (account.clone(), Account { unionid: true, mode: setup.mode, ..sample }),
            (mini_program.clone(), Account::sample_mini_program(APP_SECRET.into(), TOKEN.into())),
        ]);
        let simulator = Simulator::new(wechat_url.clone(), simulated);
        tokio::spawn(wechat.serve(simulator.router(), Shutdown::never()));

        let files = tempfile::tempdir().expect("a temporary directory can be made");
        let (gateways, callbacks, wechat) = (vec![], vec![], wechat_url);
        let mut cluster = Self { redis, simulator, account, mini_program, wechat, gateways, callbacks, host, files };
        for n in 0..setup.callbacks {
            let config = cluster.callback_config(n, &setup);
            let config = cluster.write(&format!("callback-{n}.toml"), &config);
            cluster.callbacks.push(Process::start("scenecast-callback", &config).await);
        }
        for n in 0..setup.gateways {
            let config = cluster.gateway_config(n, &setup);
            let config = cluster.write(&format!("gateway-{n}.toml"), &config);
            cluster.gateways.push(Process::start("scenecast-gateway", &config).await);
        }
        cluster.deliver_to((0..setup.callbacks).collect());
        cluster
    }

    /// Where WeChat is.
    pub fn wechat(&self) -> &Url {
        &self.wechat
    }

    /// Gateway `n`.
    pub fn gateway(&mut self, n: usize) -> &mut Process {
        &mut self.gateways[n]
    }

    /// Callback `n`.
    pub fn callback(&mut self, n: usize) -> &mut Process {
        &mut self.callbacks[n]
    }

    /// Starts gateway `n` again, after it ended.
    pub async fn restart_gateway(&mut self, n: usize) {
        self.gateways[n] =
            Process::start("scenecast-gateway", &self.files.path().join(format!("gateway-{n}.toml"))).await;
    }

    /// Where browsers reach gateway `n`.
    pub fn gateway_address(&self, n: usize) -> SocketAddr {
        self.at(8000, n)
    }

    /// Where gateway `n` sends a QR code to whoever connects.
    pub fn gateway_on_open(&self, n: usize) -> SocketAddr {
        self.at(8500, n)
    }

    /// nginx before all gateways, with these pages.
    pub async fn ingress(&self, pages: &Path) -> Ingress {
        let gateways: Vec<SocketAddr> = (0..self.gateways.len()).map(|n| self.gateway_address(n)).collect();
        Ingress::start(self.ingress_address(), pages, &gateways).await
    }

    fn ingress_address(&self) -> SocketAddr {
        self.at(8600, 0)
    }

    /// Where probes reach gateway `n`.
    pub fn gateway_admin(&self, n: usize) -> SocketAddr {
        self.at(8100, n)
    }

    /// Where mini programs reach callback `n`.
    pub fn callback_public(&self, n: usize) -> SocketAddr {
        self.at(8200, n)
    }

    /// Where backends reach callback `n`.
    pub fn callback_internal(&self, n: usize) -> SocketAddr {
        self.at(8300, n)
    }

    /// Where probes reach callback `n`.
    pub fn callback_admin(&self, n: usize) -> SocketAddr {
        self.at(8400, n)
    }

    /// Opens a scene at callback `n` as a gateway does; answers the status, and what a page would show.
    pub async fn open_at(&self, n: usize) -> (u16, String) {
        let account = &self.account;
        let keys = KeyRing::new(Rotating::fixed(KEY_SECRET));
        let life = Duration::from_secs(120);
        let (_, claims) = keys.issue(account, None, life, SystemTime::now());
        let open = json!({ "scene": claims.scene, "account": account, "binding": null, "life_ms": millis(life) });
        let body = open.to_string();
        let signature =
            internal::sign(&Rotating::fixed(INTERNAL_SECRET), unix_now(), internal::OPEN_PATH, body.as_bytes());
        let url = format!("http://{}{}", self.callback_internal(n), internal::OPEN_PATH);
        let request = reqwest::Client::new().post(url).header(internal::HEADER, signature).body(body);
        let opened = request.send().await.expect("the callback answers");
        (opened.status().as_u16(), opened.text().await.expect("an answer is text"))
    }

    /// From now on WeChat delivers to these callbacks, in turn.
    pub fn deliver_to(&self, callbacks: Vec<usize>) {
        let urls = callbacks
            .into_iter()
            .map(|n| http(self.callback_public(n)).join(&format!("/wechat/{}", self.account)).expect("a valid path"));
        self.simulator.set_callbacks(&self.account, urls.collect()).expect("the simulator hosts this account");
    }

    /// Every line that any process has logged.
    pub fn logs(&self) -> Vec<String> {
        self.gateways.iter().chain(&self.callbacks).flat_map(Process::log).collect()
    }

    fn at(&self, base: u16, n: usize) -> SocketAddr {
        (self.host, base + u16::try_from(n).expect("fewer than 100 processes")).into()
    }

    fn write(&self, name: &str, config: &str) -> std::path::PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, config).expect("a temporary directory can be written to");
        path
    }

    fn gateway_config(&self, n: usize, setup: &Setup) -> String {
        format!(
            "origins = ['{ORIGIN}', 'http://{}']\ntrusted_proxies = ['127.0.0.1']\nscene_life = {}\n\
             [listen]\npublic = '{}'\nadmin = '{}'\n\
             [bus]\nurl = '{}'\n\
             [callback]\nurl = 'http://{}'\n\
             [key_secret]\ncurrent = '{KEY_SECRET}'\n\
             [internal_secret]\ncurrent = '{INTERNAL_SECRET}'\n\
             [compatible]\n\
             path_socket.account = 'demo'\n\
             client_id_socket.account = 'demo-mini'\n\
             typed_code.account = 'demo'\n\
             ticket_polling.account = 'demo'\n\
             qr_on_open = {{ account = 'demo', listen = '{}' }}\n\
             [drain]\nnotice = 0\nwindow = 2\n\
             {}{}",
            self.ingress_address(),
            setup.scene_life,
            self.gateway_address(n),
            self.gateway_admin(n),
            self.redis.url_for("gateway", GATEWAY_PASSWORD),
            self.callback_internal(n.min(setup.callbacks - 1)),
            self.gateway_on_open(n),
            setup.settings,
            setup.gateway_settings,
        )
    }

    fn callback_config(&self, n: usize, setup: &Setup) -> String {
        let wechat = &self.wechat;
        let mode = match setup.mode {
            Mode::Plain => "plain",
            Mode::Compatible => "compatible",
            Mode::Safe => "safe",
        };
        format!(
            "[listen]\npublic = '{}'\ninternal = '{}'\nadmin = '{}'\n\
             [bus]\nurl = '{}'\n\
             [wechat]\napi_base = '{wechat}'\npicture_base = '{wechat}'\n\
             [internal_secret]\ncurrent = '{INTERNAL_SECRET}'\n\
             [accounts.demo]\napp_id = '{}'\nsecret = '{APP_SECRET}'\noriginal_id = '{}'\n\
             mode = '{mode}'\naes_key.current = '{}'\n\
             confirmation = '{}'\nlanguage = 'en'\ntoken.current = '{TOKEN}'\n\
             [mini_programs.demo-mini]\napp_id = '{}'\nsecret = '{APP_SECRET}'\n\
             confirmation = '{}'\nlanguage = 'en'\n\
             [api_keys.site]\naccounts = ['demo']\nkey.current = '{API_KEY}'\n\
             [api_keys.mini]\naccounts = ['demo-mini']\nkey.current = '{MINI_API_KEY}'\n\
             [drain]\nnotice = 0\nwindow = 2\n\
             {}{}",
            self.callback_public(n),
            self.callback_internal(n),
            self.callback_admin(n),
            self.redis.url_for("callback", CALLBACK_PASSWORD),
            Account::SAMPLE_APP_ID,
            Account::SAMPLE_ORIGINAL_ID,
            Account::SAMPLE_AES_KEY,
            setup.confirmation,
            Account::SAMPLE_MINI_APP_ID,
            setup.confirmation,
            setup.settings,
            setup.callback_settings,
        )
    }
}
