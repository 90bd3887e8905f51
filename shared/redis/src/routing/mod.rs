//! Sends each command to the server that must run it: `router` chooses the server, `redirect` reads MOVED and ASK.

pub(crate) mod redirect;
pub(crate) mod router;
