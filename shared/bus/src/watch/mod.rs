//! This process's watchers, and what each is told.

pub(crate) mod inbox;
pub(crate) mod logical_time;
pub(crate) mod registry;
