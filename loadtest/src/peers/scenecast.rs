//! Scenecast as its users run it: one gateway, one callback and one Redis, with the settings and logs that are shipped, in
//! safe mode.

use std::{io, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use scenecast_simulator::EncryptionMode;
use scenecast_testing::RedisServer;
use tempfile::TempDir;

use super::process_usage::{WatchedProcess, WatchedProcesses};
use crate::{
    cluster::{API_KEY, Cluster, ORIGIN, Setup, panic_text},
    crowd::{ReadyPods, ReplyPhrases, SiteBackend},
    plan::{PhoneSteps, ThinkTime},
    results::TargetInfo,
    targets::{
        CodeMaker, LoginTarget, OpenedPage, PageError, PageNews, PreciseTimer, ScenecastPage, ScenecastSetup,
        ScenecastTarget, Seat, ShownLoginCode, Triggered,
    },
};

/// The process that holds the pages.
const HOLDER: &str = "gateway";
/// How long a scene lives, in seconds: longer than any run.
const SCENE_LIFE: u32 = 600;
/// As many different people as in a run. WeChat is asked once for each.
const PEOPLE: u64 = 10_000;

/// Why Scenecast doesn't run.
#[derive(Debug, thiserror::Error)]
pub enum ScenecastStartError {
    #[error("there is no folder for its logs: {0}")]
    Logs(#[from] io::Error),
    /// Such as that a binary isn't there, or is older than its sources.
    #[error("{0}")]
    Process(String),
}

/// The processes of a Scenecast. Dropping it ends them.
pub struct RunningScenecast {
    cluster: Cluster,
    _logs: TempDir,
}

/// Scenecast, whose grants nobody redeems: a peer has nothing like it.
pub struct UnredeemedScenecast(ScenecastTarget);

impl RunningScenecast {
    /// Starts all processes. Returns when they listen.
    pub async fn start() -> Result<Self, ScenecastStartError> {
        let logs = tempfile::tempdir()?;
        let setup = Setup {
            mode: EncryptionMode::Safe,
            scene_life: SCENE_LIFE,
            trusted_proxies: "127.0.0.0/8",
            log_files: Some(logs.path().to_owned()),
            ..Setup::default()
        };
        // The fixtures panic where a test can't go on. Here the others are still measured.
        let cluster = AssertUnwindSafe(start_cluster(setup)).catch_unwind().await;
        let cluster = cluster.map_err(|panic| ScenecastStartError::Process(panic_text(&*panic)))?;
        Ok(Self { cluster, _logs: logs })
    }

    /// Pages at its gateway, and phones at its callback.
    pub fn target(&self, timer: PreciseTimer) -> UnredeemedScenecast {
        let Self { cluster, .. } = self;
        UnredeemedScenecast(ScenecastTarget::new(ScenecastSetup {
            info: TargetInfo::default(),
            gateways: ReadyPods::fixed(vec![cluster.gateway_address(0)]),
            site: SiteBackend::new(ReadyPods::fixed(vec![cluster.callback_internal(0)]), API_KEY.to_owned()),
            simulator: cluster.simulator.clone(),
            account: cluster.account.clone(),
            origin: ORIGIN.to_owned(),
            phrases: ReplyPhrases::default(),
            steps: PhoneSteps::None,
            think_time: ThinkTime { from: 0.0, to: 0.0 },
            people: 1..=PEOPLE,
            // The peers' pages have none either.
            heartbeats: false,
            codes: CodeMaker::ThisSimulator,
            timer,
            compatible: None,
        }))
    }

    /// All of its processes. WeChat and its phones are not among them.
    pub fn processes(&mut self) -> WatchedProcesses {
        let Self { cluster, .. } = self;
        let ids = [
            (HOLDER, cluster.gateway(0).id()),
            ("callback", cluster.callback(0).id()),
            ("redis", cluster.redis.process_id()),
        ];
        let running = ids.into_iter().filter_map(|(name, pid)| Some(WatchedProcess { name, pid: pid? }));
        WatchedProcesses::new(running.collect(), HOLDER)
    }
}

impl LoginTarget for UnredeemedScenecast {
    type Page = ScenecastPage;
    type Trigger = ShownLoginCode;

    fn info(&self) -> TargetInfo {
        self.0.info()
    }

    async fn open(&self, seat: Seat) -> Result<OpenedPage<ScenecastPage, ShownLoginCode>, PageError> {
        self.0.open(seat).await
    }

    async fn reconnect(&self, page: &mut ScenecastPage, seat: Seat) -> Result<(), PageError> {
        self.0.reconnect(page, seat).await
    }

    async fn trigger(
        &self,
        trigger: ShownLoginCode,
        planned: std::time::Instant,
        news: &PageNews,
    ) -> Option<Triggered> {
        self.0.trigger(trigger, planned, news).await
    }
}

async fn start_cluster(setup: Setup) -> Cluster {
    let redis = RedisServer::start().await;
    // As the Redis of the peers. The fixture keeps everything for tests that restart it.
    redis.set("appendonly", "no").await;
    Cluster::start_around(redis, setup).await
}
