//! Where pages, phones and the site's backend of a run go: a cluster of its own, or one that somebody else runs.

use std::{net::SocketAddr, ops::RangeInclusive};

use scenecast_scene::AccountName;
use scenecast_service::{config, process::environment};
use scenecast_simulator::Simulator;

use super::{cli::RunCli, error::RunError, own_cluster::OwnCluster};
use crate::{
    crowd::{ReadyPods, ReplyPhrases, SiteBackend},
    given_cluster::{GivenCluster, WatchTarget},
    plan::{LoginPlan, WayIn},
    results::TargetInfo,
    targets::{CodeMaker, LoginTarget, PreciseTimer, ScenecastSetup, ScenecastTarget, Seat, SourceAddresses},
};

/// Where pages, phones and the site's backend go.
pub(super) struct Place {
    pub(super) info: TargetInfo,
    pub(super) simulator: Simulator,
    pub(super) account: AccountName,
    pub(super) gateways: Vec<SocketAddr>,
    callbacks: Vec<SocketAddr>,
    origin: String,
    api_key: String,
    words: ReplyPhrases,
    codes: CodeMaker,
    /// The processes, if they are ours.
    pub(super) own: Option<OwnCluster>,
}

impl Place {
    /// Starts an own cluster, or serves WeChat to the given one.
    pub(super) async fn open(cli: &RunCli, plan: &LoginPlan) -> Result<Self, RunError> {
        if cli.cluster.target.is_some() {
            return Ok(Self::given(GivenCluster::open(given(cli)?).await?, CodeMaker::ThisSimulator));
        }
        let own = OwnCluster::start(&cli.cluster, plan, &cli.page_stages()?, &cli.out).await?;
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
            gateways: cluster.gateways,
            callbacks: cluster.callbacks,
            origin: cluster.origin,
            api_key: cluster.api_key.text().to_owned(),
            words: cluster.words,
            codes,
            own: None,
        }
    }

    /// The source addresses of worker `index`, or of a run without workers. Only servers on this machine can be reached
    /// from several.
    pub(super) fn sources(&self, index: u32, count: u32) -> SourceAddresses {
        if self.gateways.iter().all(|gateway| RunCli::has_sources(gateway.ip())) {
            SourceAddresses::loopback(index, count)
        } else {
            SourceAddresses::ANY
        }
    }

    /// A target whose logins are of the people with these numbers.
    pub(super) fn target(&self, plan: &LoginPlan, people: RangeInclusive<u64>, timer: PreciseTimer) -> ScenecastTarget {
        ScenecastTarget::new(ScenecastSetup {
            info: self.info.clone(),
            gateways: self.gateways.clone(),
            site: SiteBackend::new(ReadyPods::fixed(self.callbacks.clone()), self.api_key.clone()),
            simulator: self.simulator.clone(),
            account: self.account.clone(),
            origin: self.origin.clone(),
            phrases: self.words.clone(),
            steps: plan.phone,
            think_time: plan.think_time,
            people,
            codes: self.codes,
            timer,
        })
    }
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

/// Opens one page before the run, so that a target that is down, or is something else, is said at once.
pub(super) async fn probe(target: &ScenecastTarget, sources: SourceAddresses) -> Result<(), RunError> {
    let seat = Seat { number: u64::MAX, source: sources.of(0), way: WayIn::WebSocket };
    let address = target.address_of(seat).to_string();
    match target.open(seat).await {
        Ok(_) => Ok(()),
        Err(error) => Err(RunError::Down { address, error: error.to_string() }),
    }
}
