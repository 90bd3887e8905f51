//! Where a drill is performed: a cluster of real processes, the crowd before it, and what leads connections to
//! whichever pods are ready.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use scenecast_shared::{scene::AccountName, testing::Hop};
use tokio::{task::JoinSet, time::timeout};

use super::{Check, Load, leaving};
use crate::{
    cluster::{API_KEY, Cluster, ORIGIN, Redis, Setup, metric},
    crowd::{Crowd, Phones, Pod, Pods, Site, Venue, Words},
    simulator::{Mode, Simulator},
};

/// How long all pages may take until they show a code.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// Longer than any delay that a gateway which leaves gives its pages, and the least pause between two bursts of them.
const BACK_WITHIN: Duration = Duration::from_secs(2);
/// How long a pod that is told to end still accepts.
pub(super) const NOTICE: Duration = Duration::from_secs(1);
/// Lines for each login would cost more than the logins; that a process serves has to be said.
const QUIET: &str = "[telemetry]\nlog = 'warn,scenecast_shared::serve=info'\n";

/// A cluster under load.
pub(super) struct Stage<R> {
    /// The processes.
    pub(super) cluster: Cluster<R>,
    /// Before them.
    pub(super) crowd: Arc<Crowd>,
    /// How much there is to do.
    pub(super) load: Load,
    gateways: Pods,
    callbacks: Pods,
    shape: Shape,
    checks: Vec<Check>,
    _leading: JoinSet<()>,
}

/// What a drill's cluster is made of.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// How many gateways.
    pub(super) gateways: usize,
    /// How many callbacks.
    pub(super) callbacks: usize,
    /// What makes a scan a login.
    pub(super) confirmation: &'static str,
    /// How long a scene lives, in seconds.
    pub(super) scene_life: u32,
    /// Lines of every gateway's configuration, the first ones in `[drain]`, …
    pub(super) gateway_settings: String,
    /// … and of every callback's.
    pub(super) callback_settings: String,
}

impl Default for Shape {
    /// Three gateways and two callbacks, where a scan is a login.
    fn default() -> Self {
        let [gateway_settings, callback_settings] = [const { String::new() }; 2];
        let (confirmation, scene_life) = ("none", 120);
        Self { gateways: 3, callbacks: 2, confirmation, scene_life, gateway_settings, callback_settings }
    }
}

impl<R: Redis> Stage<R> {
    /// The processes are up, and every page shows a code.
    pub(super) async fn set(load: Load, shape: Shape, redis: R) -> Self {
        let to_callbacks = Hop::to(vec![]).await;
        let setup = Setup {
            gateways: shape.gateways,
            callbacks: shape.callbacks,
            mode: Mode::Safe,
            confirmation: shape.confirmation,
            scene_life: shape.scene_life,
            notice: seconds(NOTICE),
            window: seconds(load.window()),
            callbacks_at: Some(to_callbacks.address()),
            settings: QUIET.to_owned(),
            gateway_settings: shape.gateway_settings.clone(),
            callback_settings: shape.callback_settings.clone(),
            ..Setup::default()
        };
        let cluster = Cluster::start_around(redis, setup).await;
        let pods = |count, address: &dyn Fn(usize) -> Pod| Pods::of(&(0..count).map(address).collect::<Vec<_>>());
        let gateways =
            pods(shape.gateways, &|n| Pod { address: cluster.gateway_address(n), admin: cluster.gateway_admin(n) });
        let callbacks =
            pods(shape.callbacks, &|n| Pod { address: cluster.callback_internal(n), admin: cluster.callback_admin(n) });
        let webhooks =
            pods(shape.callbacks, &|n| Pod { address: cluster.callback_public(n), admin: cluster.callback_admin(n) });
        let mut leading = JoinSet::new();
        leading.spawn(lead_gateways(callbacks.clone(), to_callbacks));
        leading.spawn(lead_wechat(webhooks, cluster.simulator.clone(), cluster.account.clone()));

        let venue = Venue { restless: load.restless, ..venue(&cluster, &gateways, &callbacks) };
        let crowd = Arc::new(Crowd::gather(venue, load.pages));
        let mut stage = Self { cluster, crowd, load, gateways, callbacks, shape, checks: vec![], _leading: leading };
        let all_show = timeout(SHOWN_WITHIN, stage.crowd.shows(load.pages)).await.is_ok();
        stage.check("every page shows a code", all_show);
        stage
    }

    /// People with phones.
    pub(super) fn phones(&self) -> Phones {
        self.phones_of(self.load.thinks())
    }

    /// People who look at a question for so long.
    pub(super) fn phones_of(&self, thinks: Duration) -> Phones {
        let (simulator, account) = (self.cluster.simulator.clone(), self.cluster.account.clone());
        Phones::new(simulator, account, Words::default(), thinks)
    }

    /// More pages all at once, of another crowd.
    pub(super) fn rush(&self, pages: u32) -> Crowd {
        Crowd::rush(venue(&self.cluster, &self.gateways, &self.callbacks), pages)
    }

    /// The same behind one address.
    pub(super) fn office(&self, pages: u32) -> Crowd {
        Crowd::office(venue(&self.cluster, &self.gateways, &self.callbacks), pages)
    }

    /// Pages that don't read what gateway `n` sends, and go on at the others.
    pub(super) fn deaf_to(&self, n: usize, pages: u32) -> Crowd {
        let others = (0..self.gateways()).filter(|other| *other != n).map(|n| self.cluster.gateway_address(n));
        let others = Pods::fixed(others.collect());
        Crowd::deaf_to(self.cluster.gateway_address(n), venue(&self.cluster, &others, &self.callbacks), pages)
    }

    /// What this metric is at all pods together.
    pub(super) async fn sum(&self, name: &str) -> f64 {
        let gateways = (0..self.gateways()).map(|n| self.cluster.gateway_admin(n));
        let callbacks = (0..self.callbacks()).map(|n| self.cluster.callback_admin(n));
        join_all(gateways.chain(callbacks).map(|admin| metric(admin, name))).await.into_iter().sum()
    }

    /// How much memory each process has, in bytes.
    pub(super) async fn memory(&self) -> Vec<(String, f64)> {
        let gateways = (0..self.gateways()).map(|n| (format!("gateway {n}"), self.cluster.gateway_admin(n)));
        let callbacks = (0..self.callbacks()).map(|n| (format!("callback {n}"), self.cluster.callback_admin(n)));
        let ask = async |(name, admin)| (name, metric(admin, "process_resident_memory_bytes").await);
        join_all(gateways.chain(callbacks).map(ask)).await
    }

    /// No process is much larger than it was before.
    pub(super) async fn stays_flat(&mut self, before: Vec<(String, f64)>) {
        for ((process, before), (_, after)) in before.into_iter().zip(self.memory().await) {
            let flat = after <= 1.1 * before + 4e6;
            self.check(format!("{process} stays as large as it was: {before} bytes, then {after}"), flat);
        }
    }

    /// How many pages each gateway holds.
    pub(super) async fn held(&self) -> Vec<f64> {
        let ask = |n| metric(self.cluster.gateway_admin(n), "scenecast_connections_open{transport=\"websocket\"}");
        join_all((0..self.gateways()).map(ask)).await
    }

    /// What has to be so beside the promise.
    pub(super) fn check(&mut self, what: impl Into<String>, holds: bool) {
        self.checks.push(Check { what: what.into(), holds });
    }

    /// What was checked.
    pub(super) fn checks(self) -> Vec<Check> {
        self.checks
    }

    /// How many gateways there are.
    pub(super) fn gateways(&self) -> usize {
        self.shape.gateways
    }

    /// How many callbacks there are.
    pub(super) fn callbacks(&self) -> usize {
        self.shape.callbacks
    }

    /// Tells these to end, waits until they have, and starts them again. Done when they take connections, and their
    /// pages are back.
    pub(super) async fn roll(&mut self, gateways: &[usize], callbacks: &[usize]) {
        let began = Instant::now();
        for &n in gateways {
            self.cluster.gateway(n).terminate();
        }
        for &n in callbacks {
            self.cluster.callback(n).terminate();
        }
        for &n in gateways {
            let status = self.cluster.gateway(n).ended().await;
            self.check(format!("gateway {n} ends well: {status}"), status.success());
            self.cluster.restart_gateway(n).await;
        }
        for &n in callbacks {
            let status = self.cluster.callback(n).ended().await;
            self.check(format!("callback {n} ends well: {status}"), status.success());
            self.cluster.restart_callback(n).await;
        }
        self.all_ready().await;
        if !gateways.is_empty() {
            tokio::time::sleep(BACK_WITHIN).await;
        }
        for &n in gateways {
            let moves = self.crowd.ledger().moved(self.cluster.gateway_address(n), began);
            self.checks.extend(leaving::checks(n, &moves, self.load.window()));
        }
    }

    /// Done when every pod takes connections, as far as the load balancers know.
    pub(super) async fn all_ready(&self) {
        self.gateways.are_ready(self.shape.gateways).await;
        self.callbacks.are_ready(self.shape.callbacks).await;
    }

    /// The load goes on for so long, and nothing happens: the first in full, the second in short.
    pub(super) async fn goes_on(&self, full: u64, short: u64) {
        tokio::time::sleep(Duration::from_secs(if self.load.short { short } else { full })).await;
    }
}

/// In a configuration's unit.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).expect("a drill ends in this life")
}

/// Where a crowd finds what it needs.
fn venue<R: Redis>(cluster: &Cluster<R>, gateways: &Pods, callbacks: &Pods) -> Venue {
    Venue {
        gateways: gateways.clone(),
        site: Site::new(callbacks.clone(), API_KEY.to_owned()),
        account: cluster.account.clone(),
        origin: ORIGIN.to_owned(),
        restless: true,
    }
}

/// What gateways ask of callbacks goes to those that are ready.
async fn lead_gateways(mut callbacks: Pods, hop: Hop) {
    loop {
        hop.lead_to(callbacks.ready());
        callbacks.change().await;
    }
}

/// So does what WeChat sends; where none is ready, to those that were last, which don't answer.
async fn lead_wechat(mut callbacks: Pods, simulator: Simulator, account: AccountName) {
    loop {
        let webhook = |address| crate::http(address).join(&format!("/wechat/{account}")).expect("a valid path");
        let urls: Vec<_> = callbacks.ready().into_iter().map(webhook).collect();
        if !urls.is_empty() {
            simulator.set_callbacks(&account, urls).expect("the simulator hosts this account");
        }
        callbacks.change().await;
    }
}
