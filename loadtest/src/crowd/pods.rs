//! Which pods take connections, as a load balancer knows it: it asks each whether it is ready, as Kubernetes does,
//! and so notices a little late.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rand::seq::IndexedRandom;
use tokio::{sync::watch, task::AbortHandle};
use url::Url;

use crate::http;

/// How often a pod is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long its answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// So many times without an answer, and it isn't ready. One that says so itself is not from then on.
const SILENCES: u32 = 3;

/// Where a pod is.
#[derive(Debug, Clone, Copy)]
pub struct Pod {
    /// Where it takes connections.
    pub address: SocketAddr,
    /// Where it says whether it is ready.
    pub admin: SocketAddr,
}

/// Pods of one kind.
#[derive(Debug, Clone)]
pub struct Pods {
    ready: watch::Receiver<Vec<SocketAddr>>,
    _asking: Arc<Asking>,
}

/// Ends when nobody wants to know any more.
#[derive(Debug)]
struct Asking(Vec<AbortHandle>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Pods {
    /// These, each ready until it says otherwise.
    pub fn of(pods: &[Pod]) -> Self {
        let (ready, is_ready) = watch::channel(pods.iter().map(|pod| pod.address).collect());
        let http = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build();
        let http = http.expect("the TLS library starts");
        let ask = |pod: &Pod| tokio::spawn(ask(http.clone(), *pod, ready.clone())).abort_handle();
        Self { ready: is_ready, _asking: Arc::new(Asking(pods.iter().map(ask).collect())) }
    }

    /// These, whether they are ready or not: something else knows, if anything does.
    pub fn fixed(addresses: Vec<SocketAddr>) -> Self {
        Self { ready: watch::channel(addresses).1, _asking: Arc::new(Asking(vec![])) }
    }

    /// Those that are ready.
    pub fn ready(&self) -> Vec<SocketAddr> {
        self.ready.borrow().clone()
    }

    /// Any that is ready, as soon as one is.
    pub async fn pick(&self) -> SocketAddr {
        let mut ready = self.ready.clone();
        let ready = ready.wait_for(|ready| !ready.is_empty()).await.expect("pods are asked as long as we are here");
        *ready.choose(&mut rand::rng()).expect("it isn't empty")
    }

    /// Done when so many are ready.
    pub async fn are_ready(&self, pods: usize) {
        let mut ready = self.ready.clone();
        ready.wait_for(|ready| ready.len() == pods).await.expect("pods are asked as long as we are here");
    }

    /// Done when it isn't these any more.
    pub async fn change(&mut self) {
        self.ready.changed().await.expect("pods are asked as long as we are here");
    }
}

async fn ask(http: reqwest::Client, pod: Pod, ready: watch::Sender<Vec<SocketAddr>>) {
    let url = readyz(pod.admin);
    let mut moments = tokio::time::interval(ASK_EVERY);
    let mut silences = 0;
    loop {
        moments.tick().await;
        let is_ready = match http.get(url.clone()).send().await {
            Ok(answer) => {
                silences = 0;
                answer.status().is_success()
            }
            Err(_) => {
                silences += 1;
                // As it was.
                silences < SILENCES && ready.borrow().contains(&pod.address)
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

fn readyz(admin: SocketAddr) -> Url {
    http(admin).join("/readyz").expect("a valid path")
}
