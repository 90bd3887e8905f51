//! How many of a listener's connections may be in the middle of a large head. Each holds its memory for as long as its
//! client takes to send it, and few clients have a reason to.
//!
//! See docs/decisions/067-heads-of-64-kilobytes.md.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A head that is longer takes a place, in bytes. Without a site's cookies, heads have 2 KB at most.
pub(super) const LARGE_HEAD_BYTES: usize = 16 * 1024;
/// With the most bytes of a head that are read, that is 20 MB for each listener.
const PLACES: usize = 256;

/// The places for large heads that are arriving. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct LargeHeads(Arc<Semaphore>);

/// A place for one large head, until it is dropped.
#[derive(Debug)]
pub(super) struct LargeHead {
    _permit: OwnedSemaphorePermit,
}

/// All places are taken.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{PLACES} other clients are sending more than 16 KB of headers")]
pub(super) struct TooManyLargeHeads;

impl LargeHeads {
    /// So many places.
    fn with_places(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// Takes a place, if there is one.
    pub(super) fn begin(&self) -> Result<LargeHead, TooManyLargeHeads> {
        let permit = self.0.clone().try_acquire_owned().map_err(|_| TooManyLargeHeads)?;
        Ok(LargeHead { _permit: permit })
    }

    /// One place, for tests.
    #[cfg(test)]
    pub(super) fn one() -> Self {
        Self::with_places(1)
    }
}

impl Default for LargeHeads {
    fn default() -> Self {
        Self::with_places(PLACES)
    }
}
