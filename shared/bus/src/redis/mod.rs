//! Scenes in Redis: a hash for each, and a sharded channel of the same name. Reads, opens and settles them.

mod hash;
pub(crate) mod mailboxes;
pub(crate) mod scene_name;
pub(crate) mod writer;
