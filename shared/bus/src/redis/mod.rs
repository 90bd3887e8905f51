//! The bus over Redis: a hash for each scene, and a sharded channel of the same name.

mod hash;
pub(crate) mod mailboxes;
pub(crate) mod reader;
pub(crate) mod scene_name;
pub(crate) mod writer;
