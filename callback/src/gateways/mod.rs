//! What gateways ask: open a scene with something for its page to show, open lost scenes again, cancel a scene.
//!
//! | module | what it is for |
//! |---|---|
//! | `calls` | the three calls, which a gateway signs |
//! | `address_share` | how many of a day's QR codes each client address gets |
//! | `handle` | what the page shows: a QR code, a mini program's code or a typed code |

mod address_share;
mod calls;
mod handle;

pub(crate) use address_share::AddressShares;
pub(crate) use calls::{GatewayCalls, router};
pub(crate) use handle::HandleFactory;
