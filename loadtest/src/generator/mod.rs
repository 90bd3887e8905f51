//! The generator: pages that wait, and logins that begin at their planned instants whatever the answers do (an open
//! loop). A login is paired with its page within this process, by one monotonic clock.
//!
//! See docs/decisions/089-a-load-is-an-open-loop.md.
//!
//! | module | what it is for |
//! |---|---|
//! | `phases` | the phases of a run, one after the other |
//! | `pages` | one page: opens, waits, reconnects, opens again |
//! | `logins` | one login: phone, page, redemption |
//! | `generator_state` | what all of these share |
//! | `waiting_pages` | the pages that can be logged in |
//! | `phase_gate` | where workers wait for each other between phases |
//! | `recording` | everything that is counted and timed |
//! | `recorded` | what was so far |
//! | `measured` | the same as plain data |
//!
//! Imports point downwards in this table.

mod generator_state;
mod logins;
mod measured;
mod pages;
mod phase_gate;
mod phases;
mod recorded;
mod recording;
#[cfg(test)]
mod tests;
mod waiting_pages;

pub use measured::{FaultWindow, LiveCounts, Measured, MeasuredPhases, PhaseWindow};
pub use phase_gate::{GateKeeper, PhaseGate};
pub use phases::{Generator, STOPPED_EARLY};
pub use recorded::Recorded;
pub use recording::RunRecorder;
