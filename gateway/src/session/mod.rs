//! One page's session: what happens to its scene, and what the page is told of it. It knows nothing of HTTP or
//! of what carries it to the page.
//!
//! | module | what |
//! |---|---|
//! | `machine` | [`Session`](machine::Session), the state machine of one page's scene; no I/O and no clock |
//! | `feed` | [`SceneFeed`], which runs a session with the bus and the clock |
//! | `handover` | logins that were sent to their page, and whether the page acknowledged them |
//! | `messages` | the JSON that a page sends and gets |
//!
//! See docs/decisions/030-all-transports-tell-the-same-story.md.

mod feed;
mod handover;
mod machine;
mod messages;

pub(crate) use feed::SceneFeed;
pub(crate) use handover::SentLogin;
pub(crate) use machine::{Handover, SessionEnd, SessionUpdate};
pub(crate) use messages::{ClientMessage, HEARTBEAT, LaterMessage, PollResponse, ServerMessage};
