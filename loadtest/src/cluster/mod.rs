//! Scenecast as it runs in a cluster, on this machine: gateway and callback processes around a
//! real Redis, and a simulated WeChat.

mod ingress;
mod process;
mod redis;
mod setup;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, SystemTime},
};

use futures_util::future::{join, join_all};
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
pub use process::{Process, metric};
pub use redis::Redis;
pub use setup::Setup;

use crate::{
    http,
    simulator::{Account, Simulator},
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

/// Processes around a Redis; all of them end when it is dropped.
pub struct Cluster<R = RedisServer> {
    /// What carries the scenes.
    pub redis: R,
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
        Self::start_around(RedisServer::start().await, setup).await
    }
}

impl<R: Redis> Cluster<R> {
    /// One that is made so around this Redis, listening.
    pub async fn start_around(redis: R, setup: Setup) -> Self {
        // An address of its own, so that all its ports are free: 127.x.y.1 by process and cluster.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, 1 + high % 250, low, CLUSTERS.fetch_add(1, Ordering::Relaxed));

        let limits = Limits { connections: 10_000, idle: Duration::from_secs(10) };
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
        cluster.let_pods_in().await;
        let callback = async |n| {
            let config = cluster.write(&format!("callback-{n}.toml"), &cluster.callback_config(n, &setup));
            Process::start("scenecast-callback", &config).await
        };
        let gateway = async |n| {
            let config = cluster.write(&format!("gateway-{n}.toml"), &cluster.gateway_config(n, &setup));
            Process::start("scenecast-gateway", &config).await
        };
        (cluster.callbacks, cluster.gateways) =
            join(join_all((0..setup.callbacks).map(callback)), join_all((0..setup.gateways).map(gateway))).await;
        cluster.deliver_to((0..setup.callbacks).collect());
        cluster
    }

    /// Makes the pods' users at every server of the Redis, which may have got new ones.
    pub async fn let_pods_in(&self) {
        for (user, password) in [("gateway", GATEWAY_PASSWORD), ("callback", CALLBACK_PASSWORD)] {
            self.redis.add_user(user, password, acl_rules(user)).await;
        }
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

    /// Starts callback `n` again, after it ended.
    pub async fn restart_callback(&mut self, n: usize) {
        self.callbacks[n] =
            Process::start("scenecast-callback", &self.files.path().join(format!("callback-{n}.toml"))).await;
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
}
