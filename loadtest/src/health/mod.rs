//! Whether the generator itself is the limit, before a run and after it.
//!
//! | module | what it is for |
//! |---|---|
//! | `verdict` | whether it did what the plan says. No I/O |
//! | `machine` | what this machine is, and what it has left |
//! | `preflight` | what would run out, before it does. No I/O |

mod machine;
mod preflight;
mod verdict;

pub use machine::{
    MachineTimes, ProcessReading, descriptors, free_memory, host_info, machine_times, open_files, port_range,
    process_usage, raise_descriptor_limit, tracked_connections,
};
pub use preflight::{PreflightNeeds, PreflightTable, Shortage, UsedOf, shortages};
pub use verdict::{HealthEvidence, allowed_lateness, judge};
