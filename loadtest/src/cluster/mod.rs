//! Scenecast as it runs in a cluster, on this machine: gateway and callback processes around a real Redis, with a
//! simulated WeChat.
//!
//! | module | what it is for |
//! |---|---|
//! | `setup` | what a cluster consists of, and the configuration of its processes |
//! | `addresses` | the address of each listener |
//! | `secrets` | the secrets and names that all clusters use |
//! | `redis` | the Redis deployments that a cluster can use |
//! | `process` | one process of ours, and its metrics |
//! | `ingress` | nginx before the gateways |

mod addresses;
mod ingress;
mod process;
mod redis;
mod secrets;
mod setup;

use std::{
    any::Any,
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use futures_util::future::{join, join_all};
use scenecast_scene::{
    AccountName, KeyRing, Rotating, internal,
    time::{millis, unix_now},
};
use scenecast_service::{
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_simulator::{SimulatedAccount, Simulator, http};
use scenecast_testing::{CALLBACK_PASSWORD, GATEWAY_PASSWORD, RedisServer};
use serde_json::json;
use tempfile::TempDir;
use url::Url;

pub use ingress::Ingress;
pub use process::{Process, find_binary, metric};
pub use redis::ClusterRedis;
pub use secrets::{API_KEY, APP_SECRET, MINI_API_KEY, ORIGIN, SECRETS, TOKEN};
pub use setup::Setup;

use addresses::Addresses;
use secrets::{INTERNAL_SECRET, KEY_SECRET};

const GATEWAY: &str = "scenecast-gateway";
const CALLBACK: &str = "scenecast-callback";

/// Processes around a Redis. Dropping it ends all of them.
pub struct Cluster<R = RedisServer> {
    /// The Redis that carries the scenes.
    pub redis: R,
    /// WeChat and its phones.
    pub simulator: Simulator,
    /// The Official Account that pages log in with.
    pub account: AccountName,
    /// The mini program that pages log in with.
    pub mini_program: AccountName,
    wechat: Url,
    gateways: Vec<Process>,
    callbacks: Vec<Process>,
    addresses: Addresses,
    files: TempDir,
    log_files: Option<PathBuf>,
    environment: Vec<(&'static str, String)>,
}

impl Cluster {
    /// Starts this many gateways and callbacks in plain mode. Returns when they listen.
    pub async fn start(gateways: usize, callbacks: usize) -> Self {
        Self::start_as(Setup { gateways, callbacks, ..Setup::default() }).await
    }

    /// Starts a cluster with this setup around one Redis server. Returns when it listens.
    pub async fn start_as(setup: Setup) -> Self {
        Self::start_around(RedisServer::start().await, setup).await
    }
}

impl<R: ClusterRedis> Cluster<R> {
    /// Starts a cluster with this setup around this Redis. Returns when it listens.
    pub async fn start_around(redis: R, setup: Setup) -> Self {
        let addresses = Addresses::unused();
        let limits = ListenerLimits { connections: 10_000, idle: Duration::from_secs(10) };
        let listener = Listener::bind("simulator", addresses.any_port(), limits).await.expect("the address is free");
        let wechat = http(listener.address());
        let account: AccountName = "demo".parse().expect("a valid name");
        let mini_program: AccountName = "demo-mini".parse().expect("a valid name");
        let sample = SimulatedAccount::sample(APP_SECRET.into(), TOKEN.into());
        let sample_mini = SimulatedAccount::sample_mini_program(APP_SECRET.into(), TOKEN.into());
        let simulated = BTreeMap::from([
            (account.clone(), SimulatedAccount { unionid: true, mode: setup.mode, quota: setup.quota, ..sample }),
            (mini_program.clone(), SimulatedAccount { quota: setup.quota, ..sample_mini }),
        ]);
        let simulator = Simulator::new(wechat.clone(), simulated);
        tokio::spawn(listener.serve(simulator.router(), Shutdown::never()));

        let files = tempfile::tempdir().expect("a temporary directory can be made");
        let mut cluster = Self {
            redis,
            simulator,
            account,
            mini_program,
            wechat,
            gateways: vec![],
            callbacks: vec![],
            addresses,
            files,
            log_files: setup.log_files.clone(),
            environment: setup.environment.clone(),
        };
        cluster.start_processes(&setup).await;
        cluster.deliver_to((0..setup.callbacks).collect());
        cluster
    }

    async fn start_processes(&mut self, setup: &Setup) {
        let callback = async |n| {
            let redis = self.redis.url_for("callback", CALLBACK_PASSWORD);
            let config = setup.callback_config(n, self.addresses, &redis, &self.wechat);
            self.prepare(CALLBACK, n, &config);
            self.start_process(CALLBACK, n).await
        };
        let gateway = async |n| {
            let redis = self.redis.url_for("gateway", GATEWAY_PASSWORD);
            let config = setup.gateway_config(n, self.addresses, &redis);
            self.prepare(GATEWAY, n, &config);
            self.start_process(GATEWAY, n).await
        };
        let callbacks = join_all((0..setup.callbacks).map(callback));
        let gateways = join_all((0..setup.gateways).map(gateway));
        (self.callbacks, self.gateways) = join(callbacks, gateways).await;
    }

    /// Writes a process's configuration, and removes the log of an earlier cluster.
    fn prepare(&self, binary: &str, n: usize, config: &str) {
        let path = self.files.path().join(config_file(binary, n));
        std::fs::write(path, config).expect("a temporary directory can be written to");
        if let Some(log) = self.log_file(binary, n) {
            // It fails if there is none.
            let _ = std::fs::remove_file(log);
        }
    }

    fn log_file(&self, binary: &str, n: usize) -> Option<PathBuf> {
        self.log_files.as_ref().map(|directory| directory.join(format!("{binary}-{n}.log")))
    }

    /// Starts a process that was prepared.
    async fn start_process(&self, binary: &str, n: usize) -> Process {
        let config = self.files.path().join(config_file(binary, n));
        match self.log_file(binary, n) {
            None => Process::start(binary, &config, &self.environment).await,
            Some(log) => Process::start_logging_to(binary, &config, &log).await,
        }
    }

    /// The URL of the simulated WeChat.
    pub fn wechat(&self) -> &Url {
        &self.wechat
    }

    /// The process of gateway `n`.
    pub fn gateway(&mut self, n: usize) -> &mut Process {
        &mut self.gateways[n]
    }

    /// The process of callback `n`.
    pub fn callback(&mut self, n: usize) -> &mut Process {
        &mut self.callbacks[n]
    }

    /// Starts gateway `n` again after it has exited.
    pub async fn restart_gateway(&mut self, n: usize) {
        self.gateways[n] = self.start_process(GATEWAY, n).await;
    }

    /// Starts callback `n` again after it has exited.
    pub async fn restart_callback(&mut self, n: usize) {
        self.callbacks[n] = self.start_process(CALLBACK, n).await;
    }

    /// The public listener of gateway `n`.
    pub fn gateway_address(&self, n: usize) -> SocketAddr {
        self.addresses.gateway_public(n)
    }

    /// The listener of gateway `n` that sends a QR code to everybody who connects.
    pub fn gateway_on_open(&self, n: usize) -> SocketAddr {
        self.addresses.gateway_on_open(n)
    }

    /// The admin listener of gateway `n`.
    pub fn gateway_admin(&self, n: usize) -> SocketAddr {
        self.addresses.gateway_admin(n)
    }

    /// The public listener of callback `n`, for WeChat and mini programs.
    pub fn callback_public(&self, n: usize) -> SocketAddr {
        self.addresses.callback_public(n)
    }

    /// The internal listener of callback `n`, for gateways and backends.
    pub fn callback_internal(&self, n: usize) -> SocketAddr {
        self.addresses.callback_internal(n)
    }

    /// The admin listener of callback `n`.
    pub fn callback_admin(&self, n: usize) -> SocketAddr {
        self.addresses.callback_admin(n)
    }

    /// Starts nginx before all gateways. It also serves these pages as files.
    pub async fn ingress(&self, pages: &Path) -> Ingress {
        let gateways: Vec<SocketAddr> = (0..self.gateways.len()).map(|n| self.gateway_address(n)).collect();
        Ingress::start(self.addresses.ingress(), pages, &gateways).await
    }

    /// Opens a scene at callback `n` as a gateway does. Answers the status and the body.
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

    /// Makes WeChat deliver to these callbacks in turn.
    pub fn deliver_to(&self, callbacks: Vec<usize>) {
        let urls = callbacks.into_iter().map(|n| callback_url(self.callback_public(n), &self.account));
        self.simulator.set_callbacks(&self.account, urls.collect()).expect("the simulator hosts this account");
    }

    /// Every line that any process has logged.
    pub fn logs(&self) -> Vec<String> {
        self.gateways.iter().chain(&self.callbacks).flat_map(Process::log).collect()
    }
}

/// The URL to which WeChat delivers this account's messages, at this callback.
pub fn callback_url(callback: SocketAddr, account: &AccountName) -> Url {
    http(callback).join(&format!("/wechat/{account}")).expect("a valid path")
}

fn config_file(binary: &str, n: usize) -> String {
    format!("{binary}-{n}.toml")
}

/// What a panic of the fixtures said, which panic where a test can't go on.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref().map(|text: &&str| (*text).to_owned())).unwrap_or_default()
}
