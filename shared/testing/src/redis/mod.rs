//! Real Redis servers in every layout, and their faults.

pub(crate) mod cluster;
pub(crate) mod launch;
pub(crate) mod partition;
pub(crate) mod peer_proxies;
pub(crate) mod sentinel;
pub(crate) mod server;
pub(crate) mod shards;
pub(crate) mod slot_move;
pub(crate) mod test_backend;
pub(crate) mod usage;
