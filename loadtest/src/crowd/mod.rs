//! A crowd before its login pages: virtual browsers in their thousands, people who scan what those show, and the
//! site's backend that redeems what they get. What happens to their logins is in the [`Ledger`].
//!
//! | module | what it is for |
//! |---|---|
//! | `page` | one browser: opens, waits, comes back, hands over its grant |
//! | `deaf` | one that doesn't read what it is sent |
//! | `foreign` | one whose page was written for another server, and doesn't come back |
//! | `phones` | people scan at a steady rate, however long the answers take |
//! | `site` | the backend redeems, as carefully as a site should |
//! | `pods` | which pods take connections: what a load balancer knows |
//! | `board` | the codes that pages show |

mod board;
mod deaf;
mod foreign;
mod page;
mod phones;
mod pods;
mod site;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use scenecast_shared::scene::AccountName;
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

pub use foreign::Foreign;
pub use phones::{Phones, Words};
pub use pods::{Pod, Pods};
pub use site::Site;

use crate::ledger::Ledger;
use board::Board;

/// So many pages open their first scene at a time.
const OPENING_AT_ONCE: usize = 32;
/// The address that a whole office has (RFC 5737).
const OFFICE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// How often is looked whether enough has happened.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What all pages of a crowd share.
#[derive(Debug)]
pub struct Venue {
    /// The gateways.
    pub gateways: Pods,
    /// The site's backend.
    pub site: Site,
    /// Which account its pages log in with.
    pub account: AccountName,
    /// Whose pages they are.
    pub origin: String,
    /// Whether some go away for a while and come back, as phones' browsers do.
    pub restless: bool,
}

/// Pages, and what they share. They go when it is dropped.
#[derive(Debug)]
pub struct Crowd {
    here: Arc<Here>,
    pages: JoinSet<()>,
}

#[derive(Debug)]
struct Here {
    venue: Venue,
    board: Board,
    ledger: Mutex<Ledger>,
    opening: Arc<Semaphore>,
    /// Who is away comes back now.
    called_back: CancellationToken,
}

impl Here {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    /// So many pages, which begin to open their scenes now, a few at a time.
    pub fn gather(venue: Venue, pages: u32) -> Self {
        let mut crowd = Self::before(venue, OPENING_AT_ONCE);
        crowd.visit(pages, address);
        crowd
    }

    /// The same, all at once.
    pub fn rush(venue: Venue, pages: u32) -> Self {
        let mut crowd = Self::before(venue, Semaphore::MAX_PERMITS);
        crowd.visit(pages, address);
        crowd
    }

    /// The same, all of them behind one address.
    pub fn office(venue: Venue, pages: u32) -> Self {
        let mut crowd = Self::before(venue, Semaphore::MAX_PERMITS);
        crowd.visit(pages, |_| OFFICE);
        crowd
    }

    /// So many that don't read what this gateway sends, until it has had enough of them. They go on elsewhere, and
    /// show nothing any more once they are logged in.
    pub fn deaf_to(gateway: SocketAddr, elsewhere: Venue, pages: u32) -> Self {
        let mut crowd = Self::before(elsewhere, Semaphore::MAX_PERMITS);
        for nth in 0..pages {
            crowd.pages.spawn(deaf::visit(crowd.here.clone(), address(nth), gateway));
        }
        crowd
    }

    fn before(venue: Venue, opening_at_once: usize) -> Self {
        let here = Here {
            venue,
            board: Board::default(),
            ledger: Mutex::default(),
            opening: Arc::new(Semaphore::new(opening_at_once)),
            called_back: CancellationToken::new(),
        };
        Self { here: Arc::new(here), pages: JoinSet::new() }
    }

    fn visit(&mut self, pages: u32, address: impl Fn(u32) -> Ipv4Addr) {
        for nth in 0..pages {
            self.pages.spawn(page::visit(self.here.clone(), address(nth)));
        }
    }

    /// So many pages of a compatible route, each before a code of its own and waiting at this gateway. What comes of
    /// their logins is in this crowd's ledger.
    pub async fn foreign(&self, gateway: SocketAddr, pages: u32, phones: &Phones) -> Foreign {
        Foreign::gather(&self.here, gateway, pages, phones).await
    }

    /// Done when so many codes are shown.
    pub async fn shows(&self, codes: u32) {
        self.here.board.has(usize::try_from(codes).expect("at least 32 bits")).await;
    }

    /// Done when so many of those that don't read have been cut off.
    pub async fn are_cut(&self, pages: u32) {
        while self.ledger().problems(deaf::CUT) < pages.into() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What has happened so far.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.here.ledger()
    }

    /// Lets people scan, so many a second; done when nobody does any more, which is for ever.
    pub async fn scan(&self, phones: &Phones, a_second: f64) {
        phones.scan(&self.here, a_second).await;
    }

    /// Has every page come back that is away, and waits until every accepted login has come through, this long at
    /// the most.
    pub async fn comes_through(&self, at_most: Duration) {
        self.here.called_back.cancel();
        let deadline = Instant::now() + at_most;
        while self.ledger().outstanding() > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The site presents every grant that it had redeemed once more, as another login.
    pub async fn presents_again(&self) {
        self.here.venue.site.presents_again(|scene, redemption| self.ledger().redeemed(scene, redemption)).await;
    }
}

/// Each browser has an address of its own, as behind an ingress: limits are by address. Those of private networks
/// have none, so they are of the one that is for trials like this (RFC 2544).
fn address(nth: u32) -> Ipv4Addr {
    let [_, high, middle, low] = nth.to_be_bytes();
    Ipv4Addr::new(198, 18 + high % 2, middle, low)
}
