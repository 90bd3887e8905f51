//! Commands: `command` builds and sends them, `routing` chooses the server, `redirect` reads MOVED and ASK.

pub(crate) mod command;
pub(crate) mod redirect;
pub(crate) mod routing;
