//! Where pages, phones and the site's backend of a run go: a cluster of its own, or one that somebody else runs.

use std::{net::SocketAddr, ops::RangeInclusive};

use scenecast_scene::AccountName;
use scenecast_service::{config, process::environment};
use scenecast_simulator::Simulator;

use super::{cli::RunCli, error::RunError, own_cluster::OwnCluster};
use crate::{
    crowd::{ReadyPods, ReplyPhrases, SiteBackend},
    given_cluster::{GivenCluster, WatchTarget},
    plan::{LoginPlan, ThinkTime},
    results::TargetInfo,
    targets::{CodeMaker, CompatiblePlaces, PreciseTimer, ScenecastSetup, ScenecastTarget, SourceAddresses},
};

/// Where pages, phones and the site's backend go.
pub(super) struct Place {
    pub(super) info: TargetInfo,
    pub(super) simulator: Simulator,
    pub(super) account: AccountName,
    pub(super) gateways: ReadyPods,
    callbacks: ReadyPods,
    origin: String,
    api_key: String,
    words: ReplyPhrases,
    codes: CodeMaker,
    compatible: Option<CompatiblePlaces>,
    /// The processes, if they are ours.
    pub(super) own: Option<OwnCluster>,
}

impl Place {
    /// Starts an own cluster, or serves WeChat to the given one.
    pub(super) async fn open(cli: &RunCli, plan: &LoginPlan) -> Result<Self, RunError> {
        if cli.cluster.target.is_some() {
            return Ok(Self::given(GivenCluster::open(given(cli)?).await?, CodeMaker::ThisSimulator));
        }
        let mut own = OwnCluster::start(&cli.cluster, plan, &cli.page_stages()?, &cli.out).await?;
        Ok(Self {
            info: own.info.clone(),
            simulator: own.simulator.clone(),
            account: own.account.clone(),
            gateways: own.gateways.clone(),
            callbacks: own.callbacks.clone(),
            origin: own.origin.to_owned(),
            api_key: own.api_key.to_owned(),
            words: ReplyPhrases::default(),
            codes: CodeMaker::ThisSimulator,
            compatible: own.compatible.take(),
            own: Some(own),
        })
    }

    /// The place of a worker, whose coordinator has opened it.
    pub(super) async fn join(cli: &RunCli) -> Result<Self, RunError> {
        Ok(Self::given(GivenCluster::join(given(cli)?).await?, CodeMaker::AnotherSimulator))
    }

    fn given(cluster: GivenCluster, codes: CodeMaker) -> Self {
        let info = TargetInfo {
            kind: "scenecast".to_owned(),
            summary: format!("a cluster that somebody else runs, {} gateways", cluster.gateways.len()),
            ..TargetInfo::default()
        };
        Self {
            info,
            simulator: cluster.simulator,
            account: cluster.account,
            gateways: ReadyPods::fixed(cluster.gateways),
            callbacks: ReadyPods::fixed(cluster.callbacks),
            origin: cluster.origin,
            api_key: cluster.api_key.text().to_owned(),
            words: cluster.words,
            codes,
            compatible: None,
            own: None,
        }
    }

    /// A target whose logins are of the people with these numbers, who don't think before they confirm. Only the first one has
    /// compatible routes with listeners of their own.
    pub(super) fn target(
        &mut self,
        plan: &LoginPlan,
        people: RangeInclusive<u64>,
        timer: PreciseTimer,
    ) -> ScenecastTarget {
        let site = SiteBackend::new(self.callbacks.clone(), self.api_key.clone());
        ScenecastTarget::new(ScenecastSetup {
            info: self.info.clone(),
            gateways: self.gateways.clone(),
            site: if plan.redeems_all_again() { site } else { site.forgetting() },
            simulator: self.simulator.clone(),
            account: self.account.clone(),
            origin: self.origin.clone(),
            phrases: self.words.clone(),
            steps: plan.phone,
            think_time: ThinkTime::NONE,
            people,
            codes: self.codes,
            heartbeats: true,
            timer,
            compatible: self.compatible.take(),
        })
    }
}

/// The source addresses of connections to these servers, from worker `index` or from a run without workers. Only servers on
/// this machine can be reached from several.
pub(super) fn sources(servers: &[SocketAddr], index: u32, count: u32) -> SourceAddresses {
    if servers.iter().all(|server| RunCli::has_sources(server.ip())) {
        SourceAddresses::loopback(index, count)
    } else {
        SourceAddresses::ANY
    }
}

/// How many gateways the pages connect to, as far as that is known before anything starts.
pub(super) fn gateway_count(cli: &RunCli) -> Result<usize, RunError> {
    let own = usize::try_from(cli.cluster.gateways).unwrap_or(usize::MAX);
    if cli.cluster.target.is_some() { Ok(given(cli)?.gateways.len()) } else { Ok(own) }
}

/// The description of the cluster that somebody else runs.
fn given(cli: &RunCli) -> Result<WatchTarget, RunError> {
    Ok(config::load(cli.cluster.target.as_deref(), environment())?)
}

/// The number of the first person. It is random, so that a run at a cluster that lives on has other people than the runs
/// before it.
pub(super) fn first_person() -> u64 {
    u64::from(rand::random::<u32>())
}
