//! Which primary owns which slots.

pub(crate) mod cluster;
pub(crate) mod refresher;
pub(crate) mod sentinel;
pub(crate) mod slots;
pub(crate) mod source;
