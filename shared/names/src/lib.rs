//! Looks up the host names of servers that a process connects to, outside of the time that a connection may take.
//!
//! A look-up mostly takes a millisecond. But where a packet is lost (on Kubernetes nodes often, by a race in conntrack), it
//! takes 5 seconds until the system asks again: longer than a connection may take. So
//!
//! ```text
//!   resolve(host) ──▶ is a look-up in progress? ──yes──▶ join it
//!                        │ no: start one, in the background: it goes on without its callers
//!                        ▼
//!   no address is known yet: wait for it, 15 s at most
//!   an address is known:     wait for it, 250 ms at most. Then, or if it fails, use the last good address
//! ```
//!
//! Each connection asks anew, so a server that moves is found at its new address.
//!
//! See docs/decisions/069-names-are-looked-up-beside-connections.md.

mod error;

use std::{collections::HashMap, io, net::IpAddr, sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

pub use error::NameError;

/// How long the first look-up of a name may take. The system asks each name server twice, with 5 s between.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(15);
/// How long a connection waits for a new address where an older one is known: less than any connect timeout.
const FRESH_WITHIN: Duration = Duration::from_millis(250);
/// A look-up that takes longer is told to the operator.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// The addresses of a name, in the order in which to try them. There is one at least.
pub type HostAddresses = Arc<[IpAddr]>;

type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;
type Outcome = Result<HostAddresses, NameError>;

/// Looks names up. Clones share what they know. It has to be used within one tokio runtime.
#[derive(Clone)]
pub struct NameResolver(Arc<Names>);

struct Names {
    look_up: Box<LookUp>,
    known: Mutex<HashMap<String, Name>>,
}

/// What is known of one name.
#[derive(Default)]
struct Name {
    last_good: Option<HostAddresses>,
    in_progress: Option<Shared<BoxFuture<'static, Outcome>>>,
    /// Whether the last look-up failed.
    is_failing: bool,
    /// Whether the last look-up took longer than [`SLOW_AFTER`], or the one in progress does.
    is_slow: bool,
}

impl NameResolver {
    /// Asks the system (`getaddrinfo`), as `/etc/hosts` and `/etc/resolv.conf` say.
    pub fn system() -> Self {
        Self::new(async |host: String| {
            let addresses = tokio::net::lookup_host((host, 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }

    /// Looks names up by this function.
    pub fn new<F>(look_up: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        let look_up = Box::new(move |host| look_up(host).boxed());
        Self(Arc::new(Names { look_up, known: Mutex::default() }))
    }

    /// The addresses of a host, whose name may be an address. Fails if the name was never found, within 15 s.
    pub async fn resolve(&self, host: &str) -> Outcome {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok([address].into());
        }
        let (last_good, in_progress) = self.join_or_start(host);
        let Some(last_good) = last_good else {
            let found = timeout(LONGEST_LOOK_UP, in_progress).await;
            return found.unwrap_or_else(|_| Err(NameError::TooSlow { host: host.to_owned() }));
        };
        match timeout(FRESH_WITHIN, in_progress).await {
            Ok(Ok(fresh)) => Ok(fresh),
            Ok(Err(_)) | Err(_) => Ok(last_good),
        }
    }

    /// The look-up of this host that is in progress, if one is: after [`NameResolver::resolve`], that means that its
    /// answer was an older one.
    pub fn in_progress(&self, host: &str) -> Option<impl Future<Output = Outcome> + Send + use<>> {
        self.0.known.lock().get(host)?.in_progress.clone().filter(|look_up| look_up.peek().is_none())
    }

    /// Waits until an address of the host is known, so that the time of a connection to it isn't spent on that. Returns
    /// at once where one was known before.
    pub async fn wait_until_known(&self, host: &str) -> Result<(), NameError> {
        if self.0.known.lock().get(host).is_some_and(|name| name.last_good.is_some()) {
            return Ok(());
        }
        self.resolve(host).await.map(drop)
    }

    /// The last good addresses, and the look-up in progress.
    fn join_or_start(&self, host: &str) -> (Option<HostAddresses>, Shared<BoxFuture<'static, Outcome>>) {
        let mut known = self.0.known.lock();
        let name = known.entry(host.to_owned()).or_default();
        // One whose task was dropped has an outcome and is still here.
        let joined = name.in_progress.as_ref().filter(|look_up| look_up.peek().is_none()).cloned();
        let in_progress = joined.unwrap_or_else(|| {
            let looking = tokio::spawn(self.clone().look_up(host.to_owned()));
            let host = host.to_owned();
            looking.map(|joined| joined.unwrap_or(Err(NameError::TooSlow { host }))).boxed().shared()
        });
        name.in_progress = Some(in_progress.clone());
        (name.last_good.clone(), in_progress)
    }

    async fn look_up(self, host: String) -> Outcome {
        let began = Instant::now();
        let mut looking = (self.0.look_up)(host.clone());
        let found = match timeout(SLOW_AFTER, &mut looking).await {
            Ok(found) => found,
            Err(_) => {
                self.note_slow(&host);
                looking.await
            }
        };
        self.note(&host, found, began.elapsed() > SLOW_AFTER)
    }

    /// Tells the operator where look-ups begin to be slow.
    fn note_slow(&self, host: &str) {
        let was_slow = std::mem::replace(&mut self.0.known.lock().entry(host.to_owned()).or_default().is_slow, true);
        if !was_slow {
            tracing::warn!(
                host,
                "name resolution of a server takes longer than 1 s; connections use its last address, or wait if there \
                 is none. If it takes 5 s each time, packets to the name server are lost (a known race of conntrack): use \
                 NodeLocal DNSCache, or options use-vc in resolv.conf"
            );
        }
    }

    /// Takes over what a look-up has found, and tells the operator where look-ups begin to fail or work again.
    fn note(&self, host: &str, found: io::Result<Vec<IpAddr>>, is_slow: bool) -> Outcome {
        let outcome = match found {
            Ok(addresses) if addresses.is_empty() => Err(NameError::none(host)),
            Ok(addresses) => Ok(HostAddresses::from(addresses)),
            Err(error) => Err(NameError::failed(host, error)),
        };
        let mut known = self.0.known.lock();
        let name = known.entry(host.to_owned()).or_default();
        name.in_progress = None;
        let was_failing = std::mem::replace(&mut name.is_failing, outcome.is_err());
        let was_slow = std::mem::replace(&mut name.is_slow, is_slow);
        match &outcome {
            Ok(addresses) => {
                name.last_good = Some(addresses.clone());
                if was_failing || (was_slow && !is_slow) {
                    tracing::info!(host, is_slow, "name resolution of a server works again");
                }
            }
            Err(_) if was_failing => {}
            Err(error) => tracing::warn!(
                %error,
                has_last_address = name.last_good.is_some(),
                "name resolution of a server failed; connections use its last address, if there is one; check the name in \
                 the configuration, and the pod's DNS"
            ),
        }
        outcome
    }
}

impl std::fmt::Debug for NameResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameResolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
