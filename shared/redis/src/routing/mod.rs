//! Sends each command to the server that must run it: `router` chooses the server, `redirect` reads MOVED and ASK.
//!
//! See docs/decisions/005-one-way-to-redis-whatever-the-layout.md.

pub(crate) mod redirect;
pub(crate) mod router;
