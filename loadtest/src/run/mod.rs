//! `scenecast-loadtest run`: measures logins at a rate, at a cluster of its own or at one that somebody else runs.
//!
//! | module | what it is for |
//! |---|---|
//! | `command` | the command from its start to its exit code |
//! | `peer` | a server that people use in our place |
//! | `own_cluster` | starts gateways, callbacks and Redis |
//! | `probe` | one whole login before the run |
//! | `progress` | what is shown while it goes on |
//! | `assemble` | makes the result of what was recorded |
//! | `fault_schedule` | breaks what the plan says, at its moments |
//! | `sampler` | looks at processes and counts, each second |
//! | `interrupt` | Ctrl-C and SIGTERM |
//! | `summary` | what is printed at the end |
//! | `cli` | the arguments, and the plan that they say |
//! | `peer_options` | the arguments for a peer |
//! | `error` | why a run can't begin |
//!
//! Imports point downwards in this table.

mod assemble;
mod cli;
mod command;
mod error;
mod fault_schedule;
mod interrupt;
mod own_cluster;
mod peer;
mod peer_options;
mod probe;
mod progress;
mod sampler;
mod summary;

pub use cli::RunCli;
pub use command::run;
