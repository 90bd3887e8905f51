//! Moving pages to other pods: all of them when this pod shuts down, some of them when it has more than its
//! share. No page is closed in any other way unless its scene ends or the page leaves.
//!
//! | module | what |
//! |---|---|
//! | `queue` | every page waits in a class of the [`DrainQueue`] until it is released |
//! | `pacer` | how many pages to release now, so that all are gone in time and none too fast |
//! | `shed` | counts this pod's pages for the fleet, and releases its excess |
//! | `balance` | decides whether this pod has an excess, and how much of it goes now |
//!
//! ```text
//! shutdown ──▶ DrainQueue::drain ──▶ pacer ──┐
//!                                            ├──▶ release ──▶ one page's connection tells it to reconnect
//! census ────▶ shed_excess ────────▶ balance ┘
//! ```

mod balance;
mod pacer;
mod queue;
mod shed;

pub(crate) use pacer::RECONNECT_WITHIN;
pub(crate) use queue::{DrainClass, DrainQueue, DrainReason, DrainTicket};
pub(crate) use shed::shed_excess;
