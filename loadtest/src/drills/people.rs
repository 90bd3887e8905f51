//! The pages and the phones of a drill.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::load::Load;
use crate::{
    crowd::{Crowd, CrowdConfig, Phones, ReadyPods, SiteBackend},
    given_cluster::GivenCluster,
    ledger::Tally,
};

/// The time limit until all pages show a code.
const CODES_WITHIN: Duration = Duration::from_secs(60);
/// How long accepted logins may still take after the last scan.
const DELIVERED_WITHIN: Duration = Duration::from_secs(40);

/// Pages that wait, and people who scan their codes. Dropping it closes the pages.
pub(super) struct People {
    pub(super) crowd: Arc<Crowd>,
    pub(super) phones: Phones,
    load: Load,
}

impl People {
    pub(super) fn new(crowd: Arc<Crowd>, phones: Phones, load: Load) -> Self {
        Self { crowd, phones, load }
    }

    /// Starts the pages at a cluster that somebody else runs.
    pub(super) fn gather_at(cluster: &GivenCluster, load: Load) -> Self {
        let callbacks = ReadyPods::fixed(cluster.callbacks.clone());
        let config = CrowdConfig {
            gateways: ReadyPods::fixed(cluster.gateways.clone()),
            site: SiteBackend::new(callbacks, cluster.api_key.text().to_owned()),
            account: cluster.account.clone(),
            origin: cluster.origin.clone(),
            restless: true,
        };
        let crowd = Arc::new(Crowd::gather(config, load.pages));
        let (simulator, account) = (cluster.simulator.clone(), cluster.account.clone());
        Self::new(crowd, Phones::new(simulator, account, cluster.words.clone(), load.think_time()), load)
    }

    /// Lets people log in until this is over.
    pub(super) async fn log_in_during<T>(&self, breaking: impl Future<Output = T>) -> T {
        tokio::select! {
            () = self.crowd.scan(&self.phones, self.load.rate) => unreachable!("scanning never ends"),
            result = breaking => result,
        }
    }

    /// Waits for what accepted logins still need, redeems all grants a second time, and counts.
    pub(super) async fn tally(&self) -> Tally {
        self.phones.wait_until_done().await;
        self.crowd.wait_for_deliveries(DELIVERED_WITHIN).await;
        self.crowd.redeem_again().await;
        self.tally_now()
    }

    /// Counts what is known by now.
    pub(super) fn tally_now(&self) -> Tally {
        self.crowd.ledger().tally(self.load.late_after)
    }
}

/// Waits until this many pages show a code. Answers whether that came to be.
pub(super) async fn all_show_codes(crowd: &Crowd, pages: u32) -> bool {
    timeout(CODES_WITHIN, crowd.wait_for_codes(pages)).await.is_ok()
}
