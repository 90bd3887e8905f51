//! Which pods accept connections, as a load balancer knows it. It probes each pod's `/readyz`, as Kubernetes does, and
//! so notices changes a little late.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rand::seq::IndexedRandom;
use scenecast_simulator::http;
use tokio::{sync::watch, task::AbortHandle};

const PROBE_INTERVAL: Duration = Duration::from_millis(500);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// After this many probes without an answer a pod is not ready. If it answers that it isn't, one probe is enough.
const MAX_FAILED_PROBES: u32 = 3;

/// The addresses of a pod.
#[derive(Debug, Clone, Copy)]
pub struct PodAddress {
    /// The listener that gets connections when the pod is ready.
    pub address: SocketAddr,
    /// The admin listener, which answers probes.
    pub admin: SocketAddr,
}

/// The ready pods of one kind. Clones share the probes.
#[derive(Debug, Clone)]
pub struct ReadyPods {
    ready: watch::Receiver<Vec<SocketAddr>>,
    _probes: Arc<ProbeTasks>,
}

/// Dropping this ends the probes.
#[derive(Debug)]
struct ProbeTasks(Vec<AbortHandle>);

impl Drop for ProbeTasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl ReadyPods {
    /// Probes these pods. Each one counts as ready until a probe says otherwise.
    pub fn probe(pods: &[PodAddress]) -> Self {
        let (sender, ready) = watch::channel(pods.iter().map(|pod| pod.address).collect());
        let client = reqwest::Client::builder().timeout(PROBE_TIMEOUT).no_proxy().build();
        let client = client.expect("the TLS library starts");
        let probe = |pod: &PodAddress| tokio::spawn(probe(client.clone(), *pod, sender.clone())).abort_handle();
        Self { ready, _probes: Arc::new(ProbeTasks(pods.iter().map(probe).collect())) }
    }

    /// Takes these pods as ready forever, without probes.
    pub fn fixed(addresses: Vec<SocketAddr>) -> Self {
        Self { ready: watch::channel(addresses).1, _probes: Arc::new(ProbeTasks(vec![])) }
    }

    /// The pods that are ready now.
    pub fn ready(&self) -> Vec<SocketAddr> {
        self.ready.borrow().clone()
    }

    /// One of the pods that are ready now, in turn; `None` if there is none.
    pub fn nth(&self, number: u64) -> Option<SocketAddr> {
        let ready = self.ready.borrow();
        let place = number.checked_rem(u64::try_from(ready.len()).ok()?)?;
        ready.get(usize::try_from(place).ok()?).copied()
    }

    /// Any ready pod. Waits for one if there is none.
    pub async fn pick(&self) -> SocketAddr {
        let mut ready = self.ready.clone();
        let ready = ready.wait_for(|ready| !ready.is_empty()).await.expect("the probes run as long as self lives");
        *ready.choose(&mut rand::rng()).expect("it isn't empty")
    }

    /// Waits until exactly this many pods are ready.
    pub async fn wait_for(&self, pods: usize) {
        let mut ready = self.ready.clone();
        ready.wait_for(|ready| ready.len() == pods).await.expect("the probes run as long as self lives");
    }

    /// Waits until the set of ready pods has changed.
    pub async fn changed(&mut self) {
        self.ready.changed().await.expect("the probes run as long as self lives");
    }
}

async fn probe(client: reqwest::Client, pod: PodAddress, ready: watch::Sender<Vec<SocketAddr>>) {
    let url = http(pod.admin).join("/readyz").expect("a valid path");
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    let mut failed_probes = 0;
    loop {
        ticks.tick().await;
        let is_ready = match client.get(url.clone()).send().await {
            Ok(answer) => {
                failed_probes = 0;
                answer.status().is_success()
            }
            Err(_) => {
                failed_probes += 1;
                let was_ready = ready.borrow().contains(&pod.address);
                was_ready && failed_probes < MAX_FAILED_PROBES
            }
        };
        ready.send_if_modified(|ready| {
            let was_ready = ready.contains(&pod.address);
            match (was_ready, is_ready) {
                (false, true) => ready.push(pod.address),
                (true, false) => ready.retain(|address| *address != pod.address),
                _ => {}
            }
            was_ready != is_ready
        });
    }
}
