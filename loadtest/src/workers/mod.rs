//! A run by several workers: what they and their coordinator tell each other, and how their measurements become one.
//!
//! Each worker is a process that takes one [segment](crate::plan::Segment) of the plan. All of them, and the coordinator,
//! connect to one Redis, which isn't under test. Nothing connects to a worker.
//!
//! ```text
//!                 offer · start · pass · stop
//!  coordinator ──────────── orders ───────────▶ workers
//!       ▲                                          │
//!       └────────────────── reports ◀──────────────┘
//!            ready or refused · measured (each second) · over or failed
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `run_streams` | the two streams of a run, in Redis |
//! | `roll_call` | who is where: a state machine over the reports. No I/O |
//! | `worker_log` | what of a worker's record is new since its last report. No I/O |
//! | `merge` | makes one measurement of many records. No I/O |
//! | `protocol` | orders and reports as JSON; which programs can work together |
//! | `record` | what a worker has measured, as JSON |
//! | `clock_offset` | how far two clocks are apart |
//!
//! Imports point downwards in this table.
//!
//! See docs/decisions/105-workers-meet-in-two-streams-of-a-redis.md.

mod clock_offset;
mod merge;
mod protocol;
mod record;
mod roll_call;
#[cfg(test)]
mod roll_call_tests;
mod run_streams;
mod worker_log;

pub use clock_offset::{ClockOffset, MAX_CLOCK_OFFSET};
pub use merge::{MergedRun, merge};
pub use protocol::{OfferError, Order, ProgramVersion, RunOffer, WorkerNews, WorkerReport};
pub use record::{DescriptorUse, Processors, WorkerRecord};
pub use roll_call::{RollCall, WorkerStage};
pub use run_streams::{RunStreams, RunStreamsError};
pub use worker_log::{WorkerLog, WorkerSamples};
