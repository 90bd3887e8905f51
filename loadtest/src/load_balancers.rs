//! The load balancers before a cluster: they follow the pods' readiness, as Kubernetes does. With them a pod may be away.

use scenecast_scene::AccountName;
use scenecast_simulator::Simulator;
use scenecast_testing::FaultProxy;
use tokio::task::JoinSet;

use crate::{
    cluster::{Cluster, ClusterRedis, callback_url},
    crowd::{PodAddress, ReadyPods},
};

/// Load balancers of one cluster. Dropping it ends them.
#[derive(Debug)]
pub struct LoadBalancers {
    /// The gateways that take pages.
    pub gateways: ReadyPods,
    /// The internal listeners of the callbacks that take calls.
    pub callbacks: ReadyPods,
    /// The public listeners of the callbacks that take deliveries.
    pub public_callbacks: ReadyPods,
    _tasks: JoinSet<()>,
}

impl LoadBalancers {
    /// Balances pages, WeChat's deliveries, and through `internal` the gateways' calls. Each of these pods counts as ready
    /// until a probe says otherwise.
    pub fn start<R: ClusterRedis>(
        cluster: &Cluster<R>,
        gateways: usize,
        callbacks: usize,
        internal: FaultProxy,
    ) -> Self {
        let probe =
            |count, pod: &dyn Fn(usize) -> PodAddress| ReadyPods::probe(&(0..count).map(pod).collect::<Vec<_>>());
        let gateways =
            probe(gateways, &|n| PodAddress { address: cluster.gateway_address(n), admin: cluster.gateway_admin(n) });
        let public_callbacks =
            probe(callbacks, &|n| PodAddress { address: cluster.callback_public(n), admin: cluster.callback_admin(n) });
        let callbacks = probe(callbacks, &|n| PodAddress {
            address: cluster.callback_internal(n),
            admin: cluster.callback_admin(n),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(balance_internal_calls(callbacks.clone(), internal));
        tasks.spawn(balance_deliveries(public_callbacks.clone(), cluster.simulator.clone(), cluster.account.clone()));
        Self { gateways, callbacks, public_callbacks, _tasks: tasks }
    }
}

/// Sends the gateways' internal calls to the callbacks that are ready.
async fn balance_internal_calls(mut callbacks: ReadyPods, balancer: FaultProxy) {
    loop {
        balancer.set_upstreams(callbacks.ready());
        callbacks.changed().await;
    }
}

/// Sends WeChat's deliveries to the callbacks that are ready. If none is ready, they go to the last ones that were,
/// and get no answer.
async fn balance_deliveries(mut callbacks: ReadyPods, simulator: Simulator, account: AccountName) {
    loop {
        let urls: Vec<_> = callbacks.ready().into_iter().map(|address| callback_url(address, &account)).collect();
        if !urls.is_empty() {
            simulator.set_callbacks(&account, urls).expect("the simulator hosts this account");
        }
        callbacks.changed().await;
    }
}
