//! Drills at a Kubernetes that somebody else runs: the same people and the same ledger, and `kubectl` breaks things.
//!
//! | module | what it is for |
//! |---|---|
//! | `catalog` | every drill: what it proves, and what it breaks |
//! | `cluster` | what a drill does to the cluster |
//! | `kubectl` | runs `kubectl` |
//!
//! Imports point downwards in this table.

mod catalog;
mod cluster;
mod kubectl;

use std::time::Instant;

pub use catalog::{KUBERNETES_DRILLS, KubernetesDrill};
pub(super) use cluster::KubernetesOptions;

use super::{
    load::Load,
    people::{People, all_show_codes},
    report::{DrillCheck, DrillReport},
};
use crate::given_cluster::GivenCluster;
use cluster::KubernetesCluster;

impl KubernetesDrill {
    /// The options that this drill needs and the operator has not given.
    pub(super) fn missing_options(&self, options: &KubernetesOptions) -> Option<&'static str> {
        self.needs.filter(|need| !options.meets(*need)).map(cluster::Need::options)
    }

    /// Lets people log in at this cluster under this load, and breaks something in its Kubernetes meanwhile.
    pub(super) async fn run(&self, options: &KubernetesOptions, target: &GivenCluster, load: Load) -> DrillReport {
        let began = Instant::now();
        let kubernetes = KubernetesCluster::new(options.clone());
        let people = People::gather_at(target, load);
        let all_show = all_show_codes(&people.crowd, load.pages).await;
        let mut checks = vec![DrillCheck { what: "every page shows a code".to_owned(), holds: all_show }];
        let breaking = async {
            tokio::time::sleep(load.around).await;
            let result = (self.fault)(&kubernetes).await;
            tokio::time::sleep(load.around).await;
            result
        };
        match people.log_in_during(breaking).await {
            Ok(more) => checks.extend(more),
            Err(error) => checks.push(DrillCheck { what: format!("the drill can be done: {error}"), holds: false }),
        }
        let tally = people.tally().await;
        checks.push(DrillCheck { what: "somebody was logged in".to_owned(), holds: tally.delivered > 0 });
        DrillReport { name: self.name, tally, checks, took: began.elapsed() }
    }
}
