//! Drills: people log in while something breaks, and the ledger says what became of each login.
//!
//! | module | what it is for |
//! |---|---|
//! | `cli` | `scenecast-loadtest drill …` |
//! | `watch` | only the load and the ledger, at a cluster that somebody else runs |
//! | `table` | the rows that an operator reads |
//! | `kubernetes` | drills at a Kubernetes that somebody else runs |
//! | `catalog` | every other drill: what it proves, and what it breaks |
//! | `drill` | how such a drill is run |
//! | `environment` | the processes and the crowd of such a drill |
//! | `page_moves` | whether a draining gateway sends its pages away as it should |
//! | `people` | the pages and the phones of a drill |
//! | `load`, `report` | the size of a drill, and its result |
//!
//! Imports point downwards in this table.

mod catalog;
mod cli;
mod drill;
mod environment;
mod kubernetes;
mod load;
mod page_moves;
mod people;
mod report;
mod table;
mod watch;

pub use catalog::{DRILLS, find};
pub use cli::{DrillCli, run};
pub use drill::Drill;
pub use kubernetes::{KUBERNETES_DRILLS, KubernetesDrill};
pub use load::Load;
pub use report::{DrillCheck, DrillReport};
