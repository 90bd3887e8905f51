//! The result of a drill.

use std::time::Duration;

use crate::ledger::Tally;

/// Something that must be true besides the promise that no login is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillCheck {
    pub what: String,
    pub holds: bool,
}

#[derive(Debug, Clone)]
pub struct DrillReport {
    /// The name of the drill.
    pub name: &'static str,
    /// What became of the logins.
    pub tally: Tally,
    pub checks: Vec<DrillCheck>,
    pub took: Duration,
}

impl DrillReport {
    /// Whether no login was lost, doubled or mixed up, and every check holds.
    pub fn passes(&self) -> bool {
        self.tally.keeps_the_promise() && self.checks.iter().all(|check| check.holds)
    }
}
