//! The parts of a run. What is measured in one is never added to another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Pages open.
    Ramp,
    /// All pages are open, and nobody logs in.
    Hold,
    /// People log in.
    Load,
    /// People log in while something is broken.
    Fault,
    /// Nobody begins to log in any more. What is under way ends.
    CoolDown,
}

impl Phase {
    /// All phases, in the order of a run.
    pub const ALL: [Self; 5] = [Self::Ramp, Self::Hold, Self::Load, Self::Fault, Self::CoolDown];

    /// Its name, as in the result file and in thresholds.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Hold => "hold",
            Self::Load => "load",
            Self::Fault => "fault",
            Self::CoolDown => "cool_down",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
