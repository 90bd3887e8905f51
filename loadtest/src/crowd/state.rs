//! What all pages of a crowd share.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use scenecast_scene::AccountName;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{ready_pods::ReadyPods, shown_codes::ShownCodes, site_backend::SiteBackend};
use crate::ledger::Ledger;

/// Where the pages of a crowd connect, and how they behave.
#[derive(Debug)]
pub struct CrowdConfig {
    pub gateways: ReadyPods,
    pub site: SiteBackend,
    /// The account that the pages log in with.
    pub account: AccountName,
    /// The origin of the pages.
    pub origin: String,
    /// Whether some pages disconnect for a while and come back, as browsers on phones do.
    pub restless: bool,
}

#[derive(Debug)]
pub(super) struct CrowdState {
    pub(super) config: CrowdConfig,
    pub(super) codes: ShownCodes,
    ledger: Mutex<Ledger>,
    /// Limits how many pages open their first scene at a time.
    pub(super) opening: Arc<Semaphore>,
    /// Cancelled when pages that are away have to come back at once.
    pub(super) called_back: CancellationToken,
}

impl CrowdState {
    pub(super) fn new(config: CrowdConfig, opening_at_once: usize) -> Self {
        Self {
            config,
            codes: ShownCodes::default(),
            ledger: Mutex::default(),
            opening: Arc::new(Semaphore::new(opening_at_once)),
            called_back: CancellationToken::new(),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
    }
}
