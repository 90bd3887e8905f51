//! The environment of a drill: a cluster of real processes, the crowd before it, and load balancers that follow the
//! pods' readiness.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use scenecast_simulator::EncryptionMode;
use scenecast_testing::FaultProxy;

use super::{load::Load, page_moves, people::all_show_codes, report::DrillCheck};
use crate::{
    cluster::{API_KEY, Cluster, ClusterRedis, ORIGIN, Setup, metric},
    crowd::{Crowd, CrowdConfig, Phones, ReadyPods, ReplyPhrases, SiteBackend},
    faults::{FaultyRedis, InjectedFault},
    load_balancers::LoadBalancers,
    plan::FaultKind,
};

/// Longer than any reconnect delay that a draining gateway gives. It also separates two bursts of reconnects.
const RECONNECTED_WITHIN: Duration = Duration::from_secs(2);
/// How long a pod still accepts connections after SIGTERM.
pub(super) const NOTICE: Duration = Duration::from_secs(1);
/// A log line for every login would cost more than the login. But a process has to log that it serves.
const LOG_SETTINGS: &str = "[telemetry]\nlog = 'warn,scenecast_service=info'\n";

pub(super) struct DrillEnvironment<R> {
    pub(super) cluster: Cluster<R>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) load: Load,
    balancers: LoadBalancers,
    shape: ClusterShape,
    checks: Vec<DrillCheck>,
}

/// What a drill's cluster consists of.
#[derive(Debug, Clone)]
pub(super) struct ClusterShape {
    pub(super) gateways: usize,
    pub(super) callbacks: usize,
    /// The `confirmation` setting of the account.
    pub(super) confirmation: &'static str,
    /// How long a scene lives, in seconds.
    pub(super) scene_life: u32,
    /// Lines of every gateway's configuration. The first ones belong to `[drain]`.
    pub(super) gateway_settings: String,
    /// Lines of every callback's configuration. The first ones belong to `[drain]`.
    pub(super) callback_settings: String,
}

impl Default for ClusterShape {
    /// Three gateways and two callbacks, where a scan is a login.
    fn default() -> Self {
        Self {
            gateways: 3,
            callbacks: 2,
            confirmation: "none",
            scene_life: 120,
            gateway_settings: String::new(),
            callback_settings: String::new(),
        }
    }
}

impl<R: FaultyRedis> DrillEnvironment<R> {
    /// Starts the processes and the crowd. Returns when every page shows a code.
    pub(super) async fn start(load: Load, shape: ClusterShape, redis: R) -> Self {
        let internal_balancer = FaultProxy::start(vec![]).await;
        let setup = Setup {
            gateways: shape.gateways,
            callbacks: shape.callbacks,
            mode: EncryptionMode::Safe,
            confirmation: shape.confirmation,
            scene_life: shape.scene_life,
            notice: seconds(NOTICE),
            window: seconds(load.window()),
            callbacks_at: Some(internal_balancer.address()),
            settings: LOG_SETTINGS.to_owned(),
            gateway_settings: shape.gateway_settings.clone(),
            callback_settings: shape.callback_settings.clone(),
            ..Setup::default()
        };
        let cluster = Cluster::start_around(redis, setup).await;
        let balancers = LoadBalancers::start(&cluster, shape.gateways, shape.callbacks, internal_balancer);
        let config = CrowdConfig { restless: load.restless, ..crowd_config(&cluster, &balancers) };
        let crowd = Arc::new(Crowd::gather(config, load.pages));
        let mut environment = Self { cluster, crowd, load, balancers, shape, checks: vec![] };
        let all_show = all_show_codes(&environment.crowd, load.pages).await;
        environment.check("every page shows a code", all_show);
        environment
    }

    /// People with phones, who look at a question as long as the load says.
    pub(super) fn phones(&self) -> Phones {
        self.phones_with_think_time(self.load.think_time())
    }

    /// People who look at a question for this long.
    pub(super) fn phones_with_think_time(&self, think_time: Duration) -> Phones {
        let simulator = self.cluster.simulator.clone();
        Phones::new(simulator, self.cluster.account.clone(), ReplyPhrases::default(), think_time)
    }

    /// A second crowd, whose pages connect all at once.
    pub(super) fn rush(&self, pages: u32) -> Crowd {
        Crowd::rush(crowd_config(&self.cluster, &self.balancers), pages)
    }

    /// A second crowd, whose pages connect all at once and share an address.
    pub(super) fn office(&self, pages: u32) -> Crowd {
        Crowd::office(crowd_config(&self.cluster, &self.balancers), pages)
    }

    /// A second crowd, whose pages don't read what gateway `n` sends, and then go on at the other gateways.
    pub(super) fn slow_readers(&self, n: usize, pages: u32) -> Crowd {
        let others = (0..self.gateways()).filter(|other| *other != n).map(|n| self.cluster.gateway_address(n));
        let gateways = ReadyPods::fixed(others.collect());
        let config = CrowdConfig { gateways, ..crowd_config(&self.cluster, &self.balancers) };
        Crowd::slow_readers(self.cluster.gateway_address(n), config, pages)
    }

    /// The sum of this metric over all pods.
    pub(super) async fn metric_sum(&self, name: &str) -> f64 {
        let gateways = (0..self.gateways()).map(|n| self.cluster.gateway_admin(n));
        let callbacks = (0..self.callbacks()).map(|n| self.cluster.callback_admin(n));
        join_all(gateways.chain(callbacks).map(|admin| metric(admin, name))).await.into_iter().sum()
    }

    /// The name and the resident memory of each process, in bytes.
    pub(super) async fn memory(&self) -> Vec<(String, f64)> {
        let gateways = (0..self.gateways()).map(|n| (format!("gateway {n}"), self.cluster.gateway_admin(n)));
        let callbacks = (0..self.callbacks()).map(|n| (format!("callback {n}"), self.cluster.callback_admin(n)));
        let memory = async |(name, admin)| (name, metric(admin, "process_resident_memory_bytes").await);
        join_all(gateways.chain(callbacks).map(memory)).await
    }

    /// Checks that no process is much larger than `before`, a result of [`Self::memory`].
    pub(super) async fn check_memory(&mut self, before: Vec<(String, f64)>) {
        for ((process, before), (_, after)) in before.into_iter().zip(self.memory().await) {
            let holds = after <= 1.1 * before + 4e6;
            self.check(format!("{process} does not grow: {before} bytes before, {after} after"), holds);
        }
    }

    /// How many pages each gateway holds.
    pub(super) async fn pages_by_gateway(&self) -> Vec<f64> {
        let pages = |n| metric(self.cluster.gateway_admin(n), "scenecast_connections_open{transport=\"websocket\"}");
        join_all((0..self.gateways()).map(pages)).await
    }

    /// Notes something that must be true.
    pub(super) fn check(&mut self, what: impl Into<String>, holds: bool) {
        self.checks.push(DrillCheck { what: what.into(), holds });
    }

    pub(super) fn into_checks(self) -> Vec<DrillCheck> {
        self.checks
    }

    pub(super) fn gateways(&self) -> usize {
        self.shape.gateways
    }

    pub(super) fn callbacks(&self) -> usize {
        self.shape.callbacks
    }

    /// Terminates these pods, waits until they have exited, and starts them again. Returns when they are ready and
    /// their pages have reconnected.
    pub(super) async fn roll(&mut self, gateways: &[usize], callbacks: &[usize]) {
        let began = Instant::now();
        let mut restarts = vec![];
        for (kind, name, pods) in
            [(FaultKind::GatewayRestarted, "gateway", gateways), (FaultKind::CallbackRestarted, "callback", callbacks)]
        {
            for &n in pods {
                restarts.push((name, InjectedFault::inject(&mut self.cluster, kind, n).await));
            }
        }
        for (name, restart) in restarts {
            let n = restart.server();
            if let Some(status) = restart.mend(&mut self.cluster).await {
                self.check(format!("{name} {n} exits with success: {status}"), status.success());
            }
        }
        self.wait_until_ready().await;
        if !gateways.is_empty() {
            tokio::time::sleep(RECONNECTED_WITHIN).await;
        }
        for &n in gateways {
            let moves = self.crowd.ledger().moves_from(self.cluster.gateway_address(n), began);
            self.checks.extend(page_moves::checks(n, &moves, self.load.window()));
        }
    }

    /// Breaks the first pod, or a Redis server that takes writes.
    pub(super) async fn inject(&mut self, kind: FaultKind) -> InjectedFault {
        let fault = InjectedFault::inject(&mut self.cluster, kind, 0).await;
        if kind == FaultKind::RedisEmptied {
            self.crowd.ledger().data_lost(Instant::now());
        }
        fault
    }

    /// Breaks something, lets the load go on for this many seconds (`full` or `short`, depending on the load), and mends it.
    pub(super) async fn inject_for(&mut self, kind: FaultKind, full: u64, short: u64) {
        let fault = self.inject(kind).await;
        self.load.run_for(full, short).await;
        self.mend(fault).await;
    }

    pub(super) async fn mend(&mut self, fault: InjectedFault) {
        fault.mend(&mut self.cluster).await;
    }

    /// Waits until the load balancers know that every pod is ready.
    pub(super) async fn wait_until_ready(&self) {
        self.balancers.gateways.wait_for(self.shape.gateways).await;
        self.balancers.callbacks.wait_for(self.shape.callbacks).await;
    }
}

/// In the unit of the configuration.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).expect("times of drills are short")
}

fn crowd_config<R: ClusterRedis>(cluster: &Cluster<R>, balancers: &LoadBalancers) -> CrowdConfig {
    CrowdConfig {
        gateways: balancers.gateways.clone(),
        site: SiteBackend::new(balancers.callbacks.clone(), API_KEY.to_owned()),
        account: cluster.account.clone(),
        origin: ORIGIN.to_owned(),
        restless: true,
    }
}
