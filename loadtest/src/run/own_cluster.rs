//! Starts a cluster of the run's own: gateways, callbacks and Redis as processes, and WeChat in this one.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
};

use futures_util::FutureExt;
use scenecast_scene::AccountName;
use scenecast_simulator::{AccountQuota, EncryptionMode, SimulatedAccount, Simulator};
use scenecast_testing::{FaultProxy, RedisCluster, RedisSentinels, RedisServer, detach_servers};
use url::Url;

use super::{
    cluster_options::{ClusterOptions, RedisLayout},
    error::RunError,
    fault_schedule::BreakableCluster,
};
use crate::{
    cluster::{
        API_KEY, APP_SECRET, Cluster, ClusterRedis, MINI_API_KEY, ORIGIN, Setup, TOKEN, callback_url, find_binary,
        panic_text,
    },
    crowd::{ReadyPods, SiteBackend},
    faults::{FaultyRedis, ProxiedRedis},
    load_balancers::LoadBalancers,
    plan::{FaultKind, LoginPlan, PageStages},
    results::TargetInfo,
    targets::CompatiblePlaces,
};

/// The longest life of a scene that a gateway takes, in seconds.
const LONGEST_LIFE: f64 = 1800.0;
/// A gateway that is restarted waits this long for pages that can't come back. They live for up to an hour.
const DRAIN_COMPATIBLE: &str = "compatible = 10\n";
/// How many connections a gateway takes by default.
const USUAL_CONNECTIONS: u32 = 19_000;
/// How many more connections than pages it takes otherwise: of pages that come back before their last connection has ended.
const SPARE_CONNECTIONS: u32 = 1_000;
/// How much longer a scene lives than the run needs it, in seconds.
const SPARE_LIFE: f64 = 60.0;

/// A cluster of the run's own. Dropping it ends its processes.
pub(super) struct OwnCluster {
    pub(super) info: TargetInfo,
    pub(super) simulator: Simulator,
    pub(super) account: AccountName,
    pub(super) gateways: ReadyPods,
    /// The callbacks' internal listeners.
    pub(super) callbacks: ReadyPods,
    pub(super) compatible: Option<CompatiblePlaces>,
    pub(super) origin: &'static str,
    pub(super) api_key: &'static str,
    /// Where the callbacks call WeChat.
    wechat: Url,
    /// Where WeChat's messages go.
    deliveries: Vec<Url>,
    pub(super) processes: Box<dyn BreakableCluster>,
    _balancers: Option<LoadBalancers>,
}

impl OwnCluster {
    /// Starts it. Its processes write their logs to this directory.
    pub(super) async fn start(
        options: &ClusterOptions,
        plan: &LoginPlan,
        stages: &PageStages,
        logs: &Path,
    ) -> Result<Self, RunError> {
        for binary in ["scenecast-gateway", "scenecast-callback"] {
            let path = find_binary(binary);
            if !path.exists() {
                return Err(RunError::Binary { path });
            }
        }
        if !is_in_path("redis-server") {
            return Err(RunError::Redis);
        }
        detach_servers();
        let setup = setup(options, plan, stages, logs.to_owned());
        let info = info(options, &setup);
        // What only a fault needs would cost something in runs without.
        let needs = |kind: FaultKind| plan.faults.iter().any(|fault| fault.kind == kind);
        let needs_proxy = [FaultKind::RedisDisconnected, FaultKind::RedisStalled, FaultKind::RedisSlow].map(needs);
        let needs_partition = needs(FaultKind::RedisPartitioned);
        let breaks = !plan.faults.is_empty();
        // The fixtures panic where a test can't go on. Here that is an error of the run.
        let starting = async {
            match options.redis {
                RedisLayout::Single if needs_proxy.contains(&true) => {
                    start(ProxiedRedis::start().await, setup, info, breaks).await
                }
                RedisLayout::Single => start(RedisServer::start().await, setup, info, breaks).await,
                RedisLayout::Cluster if needs_partition => {
                    start(RedisCluster::start_partitionable().await, setup, info, breaks).await
                }
                RedisLayout::Cluster => start(RedisCluster::start().await, setup, info, breaks).await,
                RedisLayout::Sentinel if needs_partition => {
                    start(RedisSentinels::start_partitionable().await, setup, info, breaks).await
                }
                RedisLayout::Sentinel => start(RedisSentinels::start().await, setup, info, breaks).await,
            }
        };
        AssertUnwindSafe(starting).catch_unwind().await.map_err(|panic| RunError::Cluster(panic_text(&*panic)))
    }

    /// The file by which workers find the cluster: the same as that of a cluster that somebody else runs. Its secrets are
    /// the ones that all own clusters have.
    pub(super) fn target_file(&self) -> String {
        let list = |of: &[SocketAddr]| of.iter().map(|address| format!("'{address}'")).collect::<Vec<_>>().join(", ");
        let deliveries: Vec<_> = self.deliveries.iter().map(|url| format!("'{url}'")).collect();
        format!(
            "gateways = [{}]\ncallbacks = [{}]\norigin = '{}'\naccount = '{}'\napi_key = '{}'\n\
             listen = '127.0.0.1:0'\npublic_url = '{}'\n\
             [wechat]\ntitle = 'Demo'\napp_id = '{}'\noriginal_id = '{}'\nsecret = '{APP_SECRET}'\ntoken = '{TOKEN}'\n\
             mode = 'safe'\naes_key = '{}'\ncallbacks = [{}]\n",
            list(&self.gateways.ready()),
            list(&self.callbacks.ready()),
            self.origin,
            self.account,
            self.api_key,
            self.wechat,
            SimulatedAccount::SAMPLE_APP_ID,
            SimulatedAccount::SAMPLE_ORIGINAL_ID,
            SimulatedAccount::SAMPLE_AES_KEY,
            deliveries.join(", "),
        )
    }
}

/// Load balancers follow the pods only if a pod may be away.
async fn start<R: FaultyRedis + 'static>(redis: R, setup: Setup, info: TargetInfo, breaks: bool) -> OwnCluster {
    let (gateways, callbacks) = (setup.gateways, setup.callbacks);
    let internal = if breaks { Some(FaultProxy::start(vec![]).await) } else { None };
    let setup = Setup { callbacks_at: internal.as_ref().map(FaultProxy::address), ..setup };
    let cluster = Cluster::start_around(redis, setup).await;
    let balancers = internal.map(|internal| LoadBalancers::start(&cluster, gateways, callbacks, internal));
    let all = |count, address: &dyn Fn(usize) -> SocketAddr| ReadyPods::fixed((0..count).map(address).collect());
    let (ready_gateways, ready_callbacks) = match &balancers {
        Some(balancers) => (balancers.gateways.clone(), balancers.callbacks.clone()),
        None => (all(gateways, &|n| cluster.gateway_address(n)), all(callbacks, &|n| cluster.callback_internal(n))),
    };
    let on_open = (0..gateways).map(|n| (cluster.gateway_address(n), cluster.gateway_on_open(n)));
    let mini_site = SiteBackend::new(ready_callbacks.clone(), MINI_API_KEY.to_owned());
    let public_callbacks = match &balancers {
        Some(balancers) => balancers.public_callbacks.clone(),
        None => all(callbacks, &|n| cluster.callback_public(n)),
    };
    OwnCluster {
        compatible: Some(CompatiblePlaces {
            on_open: on_open.collect(),
            mini_program: cluster.mini_program.clone(),
            callbacks: public_callbacks,
            mini_site: if breaks { mini_site } else { mini_site.forgetting() },
        }),
        info,
        simulator: cluster.simulator.clone(),
        account: cluster.account.clone(),
        gateways: ready_gateways,
        callbacks: ready_callbacks,
        origin: ORIGIN,
        api_key: API_KEY,
        wechat: cluster.wechat().clone(),
        deliveries: (0..callbacks).map(|n| callback_url(cluster.callback_public(n), &cluster.account)).collect(),
        processes: Box::new(cluster),
        _balancers: balancers,
    }
}

fn setup(options: &ClusterOptions, plan: &LoginPlan, stages: &PageStages, logs: PathBuf) -> Setup {
    let count = |count| usize::try_from(count).expect("at least 32 bits");
    let waits = (plan.ramp() + stages.holds() + plan.rate.duration()).as_secs_f64();
    let needed = waits + plan.hold_seconds + plan.cool_down_seconds;
    Setup {
        gateways: count(options.gateways),
        callbacks: count(options.callbacks),
        mode: EncryptionMode::Safe,
        confirmation: plan.phone.setting(),
        scene_life: whole_seconds((needed + SPARE_LIFE).min(LONGEST_LIFE)),
        trusted_proxies: "127.0.0.0/8",
        quota: AccountQuota { qr_codes: u32::MAX, tokens: u32::MAX, page_codes: u32::MAX, sessions: u32::MAX },
        log_files: Some(logs),
        settings: options.log.as_ref().map(|level| log_setting(level)).unwrap_or_default(),
        gateway_settings: gateway_settings(options, plan),
        ..Setup::default()
    }
}

/// A gateway takes its share of the pages, if that is more than it takes by default.
fn gateway_settings(options: &ClusterOptions, plan: &LoginPlan) -> String {
    let drain = if plan.faults.is_empty() { "" } else { DRAIN_COMPATIBLE };
    let connections = USUAL_CONNECTIONS.max(plan.pages.div_ceil(options.gateways) + SPARE_CONNECTIONS);
    format!("{drain}[limits]\nconnections = {connections}\n")
}

/// The setting for another log level. A process always has to log that it serves.
fn log_setting(level: &str) -> String {
    let level = level.replace(['\'', '\n'], "");
    format!("[telemetry]\nlog = '{level},scenecast_service=info'\n")
}

fn info(options: &ClusterOptions, setup: &Setup) -> TargetInfo {
    let redis = match options.redis {
        RedisLayout::Single => "one Redis",
        RedisLayout::Cluster => "a Redis Cluster",
        RedisLayout::Sentinel => "Redis under Sentinel",
    };
    let setting = |name: &str, value: String| (name.to_owned(), value);
    TargetInfo {
        kind: "scenecast".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: format!("{}, {}, {redis}", counted(options.gateways, "gateway"), counted(options.callbacks, "callback")),
        topology: BTreeMap::from([
            ("gateway".to_owned(), options.gateways),
            ("callback".to_owned(), options.callbacks),
        ]),
        settings: BTreeMap::from([
            setting("mode", "safe".to_owned()),
            setting("confirmation", setup.confirmation.to_owned()),
            setting("scene_life", format!("{} s", setup.scene_life)),
            setting("log", options.log.clone().unwrap_or_else(|| "as shipped".to_owned())),
            setting("redis", format!("{redis}, append-only file without fsync")),
            setting("people", options.people.to_string()),
        ]),
        notes: vec![
            "Everything runs on this machine: gateways, callbacks, Redis, WeChat, pages and phones share its processors."
                .to_owned(),
            "WeChat's API is part of the generator's process, or of the coordinator's in a run with workers, and its CPU time \
             is in that process's."
                .to_owned(),
        ],
    }
}

fn counted(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to LONGEST_LIFE")]
fn whole_seconds(seconds: f64) -> u32 {
    seconds.ceil() as u32
}

pub(super) fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}
