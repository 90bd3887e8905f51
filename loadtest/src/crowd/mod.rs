//! A crowd before its login pages: virtual browsers in their thousands, people who scan what those show, and the
//! site's backend that redeems what they get. What happens to their logins is in the [`Ledger`].
//!
//! | module | what it is for |
//! |---|---|
//! | `page` | one browser: opens, waits, comes back, hands over its grant |
//! | `phones` | people scan at a steady rate, however long the answers take |
//! | `site` | the backend redeems, as carefully as a site should |
//! | `pods` | which pods take connections: what a load balancer knows |
//! | `board` | the codes that pages show |

mod board;
mod page;
mod phones;
mod pods;
mod site;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use scenecast_shared::scene::AccountName;
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

pub use phones::{Phones, Words};
pub use pods::{Pod, Pods};
pub use site::Site;

use crate::ledger::Ledger;
use board::Board;

/// So many pages open their first scene at a time.
const OPENING_AT_ONCE: usize = 32;
/// How often is looked whether all logins have come through.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What all pages of a crowd share.
#[derive(Debug)]
pub struct Place {
    /// The gateways.
    pub gateways: Pods,
    /// The site's backend.
    pub site: Site,
    /// Which account its pages log in with.
    pub account: AccountName,
    /// Whose pages they are.
    pub origin: String,
}

/// Pages, and what they share. They go when it is dropped.
#[derive(Debug)]
pub struct Crowd {
    here: Arc<Here>,
    pages: JoinSet<()>,
}

#[derive(Debug)]
struct Here {
    place: Place,
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
    pub fn gather(place: Place, pages: u32) -> Self {
        Self::gather_by(place, pages, OPENING_AT_ONCE)
    }

    /// The same, all at once.
    pub fn rush(place: Place, pages: u32) -> Self {
        Self::gather_by(place, pages, Semaphore::MAX_PERMITS)
    }

    fn gather_by(place: Place, pages: u32, opening_at_once: usize) -> Self {
        let here = Here {
            place,
            board: Board::default(),
            ledger: Mutex::default(),
            opening: Arc::new(Semaphore::new(opening_at_once)),
            called_back: CancellationToken::new(),
        };
        let mut crowd = Self { here: Arc::new(here), pages: JoinSet::new() };
        for nth in 0..pages {
            crowd.pages.spawn(page::visit(crowd.here.clone(), address(nth)));
        }
        crowd
    }

    /// Done when so many codes are shown.
    pub async fn shows(&self, codes: u32) {
        self.here.board.has(usize::try_from(codes).expect("at least 32 bits")).await;
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
        self.here.place.site.presents_again(|scene, redemption| self.ledger().redeemed(scene, redemption)).await;
    }
}

/// Each browser has an address of its own, as behind an ingress: limits are by address.
fn address(nth: u32) -> Ipv4Addr {
    let [_, high, middle, low] = nth.to_be_bytes();
    Ipv4Addr::new(10, high, middle, low)
}
