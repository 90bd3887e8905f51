//! What gateways ask: open a scene with something for its page to show, open lost scenes again, cancel a scene.
//!
//! | module | what it is for |
//! |---|---|
//! | `calls` | the three calls, which a gateway signs |
//! | `handle` | what the page shows: a QR code, a mini program's code or a typed code |

mod calls;
mod handle;

pub(crate) use calls::{GatewayCalls, router};
pub(crate) use handle::HandleFactory;
