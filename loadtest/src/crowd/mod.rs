//! A crowd: thousands of virtual login pages, people who scan their codes, and the site's backend that redeems their
//! grants. The [`Ledger`] records what becomes of their logins.
//!
//! | module | what it is for |
//! |---|---|
//! | `phones` | people scan at a steady rate, however slow the answers are |
//! | `reply_phrases` | how a phone's user understands the account's replies |
//! | `login_tab` | a browser tab: opens a scene, waits, reconnects, hands over its grant |
//! | `slow_reader` | a page that doesn't read what it is sent |
//! | `path_socket` | pages of the compatible route with a path socket; they don't reconnect |
//! | `state` | what all pages of a crowd share |
//! | `site_backend` | redeems grants, as carefully as a site should |
//! | `ready_pods` | which pods accept connections, as a load balancer knows it |
//! | `shown_codes` | the codes that pages show |

mod login_tab;
mod path_socket;
mod phones;
mod ready_pods;
mod reply_phrases;
mod shown_codes;
mod site_backend;
mod slow_reader;
mod state;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::MutexGuard;
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

pub(crate) use login_tab::{ASKS_AGAIN_AFTER, WITHOUT_QR_CODE};
pub use path_socket::PathSocketPages;
pub use phones::Phones;
pub use ready_pods::{PodAddress, ReadyPods};
pub(crate) use reply_phrases::ReplyMeaning;
pub use reply_phrases::ReplyPhrases;
pub(crate) use site_backend::PageGrant;
pub use site_backend::SiteBackend;
pub use state::CrowdConfig;

use crate::ledger::Ledger;
use state::CrowdState;

/// How many pages open their first scene at a time.
const OPENING_AT_ONCE: usize = 32;
/// The address that all pages of an office share (RFC 5737).
const OFFICE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// How often a waiting function looks at the ledger.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Pages, and the state that they share. Dropping it closes all pages.
#[derive(Debug)]
pub struct Crowd {
    state: Arc<CrowdState>,
    pages: JoinSet<()>,
}

impl Crowd {
    /// Starts this many pages. They open their scenes a few at a time.
    pub fn gather(config: CrowdConfig, pages: u32) -> Self {
        let mut crowd = Self::new(config, OPENING_AT_ONCE);
        crowd.add_pages(pages, address);
        crowd
    }

    /// Starts this many pages. They all open their scenes at once.
    pub fn rush(config: CrowdConfig, pages: u32) -> Self {
        let mut crowd = Self::new(config, Semaphore::MAX_PERMITS);
        crowd.add_pages(pages, address);
        crowd
    }

    /// Starts this many pages behind one address. They all open their scenes at once.
    pub fn office(config: CrowdConfig, pages: u32) -> Self {
        let mut crowd = Self::new(config, Semaphore::MAX_PERMITS);
        crowd.add_pages(pages, |_| OFFICE);
        crowd
    }

    /// Starts this many pages that don't read what `gateway` sends, until it cuts them off. Then they resume their
    /// scene at a gateway of `config`, and stop after that login.
    pub fn slow_readers(gateway: SocketAddr, config: CrowdConfig, pages: u32) -> Self {
        let mut crowd = Self::new(config, Semaphore::MAX_PERMITS);
        for nth in 0..pages {
            crowd.pages.spawn(slow_reader::run(crowd.state.clone(), address(nth), gateway));
        }
        crowd
    }

    fn new(config: CrowdConfig, opening_at_once: usize) -> Self {
        Self { state: Arc::new(CrowdState::new(config, opening_at_once)), pages: JoinSet::new() }
    }

    fn add_pages(&mut self, pages: u32, address: impl Fn(u32) -> Ipv4Addr) {
        for nth in 0..pages {
            self.pages.spawn(login_tab::run(self.state.clone(), address(nth)));
        }
    }

    /// Opens this many pages with a path socket at this gateway, each with its own code. Their logins are recorded in
    /// this crowd's ledger.
    pub async fn path_socket_pages(&self, gateway: SocketAddr, pages: u32, phones: &Phones) -> PathSocketPages {
        PathSocketPages::open(&self.state, gateway, pages, phones).await
    }

    /// Waits until pages show this many codes.
    pub async fn wait_for_codes(&self, codes: u32) {
        self.state.codes.wait_for(usize::try_from(codes).expect("at least 32 bits")).await;
    }

    /// Waits until this many slow readers have been cut off.
    pub async fn wait_for_cuts(&self, pages: u32) {
        while self.ledger().problems(slow_reader::CUT) < pages.into() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.state.ledger()
    }

    /// Lets this many people scan per second. Never returns.
    pub async fn scan(&self, phones: &Phones, per_second: f64) {
        phones.scan(&self.state, per_second).await;
    }

    /// Calls back every page that is away, and waits until every accepted login is delivered, at most this long.
    pub async fn wait_for_deliveries(&self, at_most: Duration) {
        self.state.called_back.cancel();
        let deadline = Instant::now() + at_most;
        while self.ledger().outstanding() > 0 && Instant::now() < deadline {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Makes the site redeem every grant a second time, as another login. All of them should be refused.
    pub async fn redeem_again(&self) {
        let note = |scene, redemption| self.ledger().redeemed(scene, redemption);
        self.state.config.site.redeem_again(note).await;
    }
}

/// The address of the `nth` browser, as an ingress tells it. Limits are per address, so each browser has its own. The
/// addresses are of the network for benchmarks (RFC 2544), because addresses of private networks are not limited.
fn address(nth: u32) -> Ipv4Addr {
    let [_, high, middle, low] = nth.to_be_bytes();
    Ipv4Addr::new(198, 18 + high % 2, middle, low)
}
