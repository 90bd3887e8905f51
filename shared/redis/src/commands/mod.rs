//! Commands: as data, routed, redirected.

pub(crate) mod command;
pub(crate) mod redirect;
pub(crate) mod routing;
