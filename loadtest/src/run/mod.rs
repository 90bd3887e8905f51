//! `scenecast-loadtest run`: measures logins at a rate, at a cluster of its own or at one that somebody else runs.
//!
//! | module | what it is for |
//! |---|---|
//! | `command` | the command from its start to its exit code |
//! | `coordinator`, `coordination` | a run with workers: starts it; follows it to the result |
//! | `local_workers`, `meeting` | workers as processes here; the Redis in which all meet |
//! | `worker`, `reporter` | one worker of a run; its side of the streams |
//! | `alone` | a run without workers, at Scenecast or a peer |
//! | `keep` | prints the result, and writes it |
//! | `room` | whether this machine has room for it |
//! | `place` | where pages and phones go |
//! | `peer` | a server that people use in our place |
//! | `own_cluster` | starts gateways, callbacks and Redis |
//! | `probe` | one whole login before the run |
//! | `progress` | what is shown while it goes on |
//! | `assemble` | makes the result of what was recorded |
//! | `fault_schedule` | breaks what the plan says, at its moments |
//! | `sampler` | looks at processes and counts, each second |
//! | `interrupt` | Ctrl-C and SIGTERM |
//! | `summary` | what is printed at the end |
//! | `worker_options` | the part of a process in a run with workers |
//! | `cli` | the arguments, and the plan that they say |
//! | `cluster_options`, `plan_texts` | the arguments for the cluster, and texts of the plan |
//! | `peer_options` | the arguments for a peer |
//! | `error` | why a run can't begin |
//!
//! Imports point downwards in this table.

mod alone;
mod assemble;
mod cli;
mod cluster_options;
mod command;
mod coordination;
mod coordinator;
mod error;
mod fault_schedule;
mod interrupt;
mod keep;
mod local_workers;
mod meeting;
mod own_cluster;
mod peer;
mod peer_options;
mod place;
mod plan_texts;
mod probe;
mod progress;
mod reporter;
mod room;
mod sampler;
mod summary;
mod worker;
mod worker_options;

pub use cli::RunCli;
pub use command::run;
