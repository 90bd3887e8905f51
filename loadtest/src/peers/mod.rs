//! Servers that people use in Scenecast's place, measured beside it on one machine: `scenecast-loadtest peers`.
//!
//! | module | what it is for |
//! |---|---|
//! | `cli` | the command |
//! | `compare` | measures everybody in turn |
//! | `contestant` | who is compared |
//! | `install` | finds peers, or installs them into a folder |
//! | `running_peer` | starts a peer's servers |
//! | `scenecast` | starts ours |
//! | `process_usage` | CPU time and memory of its processes |
//! | `measurement` | one run of one contestant |
//! | `schedule` | in which order everybody is measured |
//! | `capacity` | the search for the highest rate that is answered in time |
//! | `comparison` | what was found, as JSON; the figures |
//! | `table` | what was found, as Markdown |
//! | `budgets` | what Scenecast may cost, as ratios to the best peer |
//!
//! How a peer is spoken to is in [`targets::peers`](crate::targets::peers).

mod budgets;
mod capacity;
mod cli;
mod compare;
mod comparison;
mod contestant;
mod install;
mod measurement;
mod process_usage;
mod running_peer;
#[cfg(test)]
mod sample;
mod scenecast;
mod schedule;
mod table;

pub use budgets::{BudgetOutcome, BudgetsError, PeerBudgets};
pub use capacity::CapacitySearch;
pub use cli::{PeersCli, default_cache, run};
pub use compare::CompareOptions;
pub use comparison::{
    AbsentContestant, ComparedLoad, ComparisonSample, ContestantResult, FAIRNESS, Figure, FoundCapacity, PEERS_FORMAT,
    PEERS_VERSION, PeerComparison, Spread,
};
pub use contestant::Contestant;
pub use install::{InstallError, InstalledPeer, PeerFiles, install};
pub use measurement::{MeasurementError, measure};
pub use process_usage::{UsageSoFar, WatchedProcess, WatchedProcesses};
pub use running_peer::{PeerStartError, RunningPeer};
pub use scenecast::{RunningScenecast, ScenecastStartError, UnredeemedScenecast};
pub use schedule::interleaved;
pub use table::Markdown;
