//! Descriptors that a listener keeps back, so that it can accept a connection, and turn it away, when the process has no
//! other left. A connection that isn't accepted hangs until its client gives up.
//!
//! See docs/decisions/055-limits-of-connections-fit-the-descriptors.md.

use std::fs::File;

/// Holds descriptors of `/dev/null`.
#[derive(Debug)]
pub(super) struct SpareDescriptors {
    held: Vec<File>,
    most: usize,
}

impl SpareDescriptors {
    /// Keeps back so many, as far as there are any.
    pub(super) fn new(most: usize) -> Self {
        let mut spare = Self { held: Vec::with_capacity(most), most };
        spare.refill();
        spare
    }

    /// Takes back what was released. Returns whether all are held again; if not, the process has none left.
    pub(super) fn refill(&mut self) -> bool {
        while self.held.len() < self.most {
            let Ok(file) = File::open("/dev/null") else { return false };
            self.held.push(file);
        }
        true
    }

    /// Closes one of them, for a connection. Returns false if none is left.
    pub(super) fn release(&mut self) -> bool {
        self.held.pop().is_some()
    }
}
