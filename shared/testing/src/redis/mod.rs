//! Real Redis servers in every layout, their faults, and what is sent to them.

pub(crate) mod cluster;
pub(crate) mod launch;
pub(crate) mod partition;
pub(crate) mod peer_proxies;
pub(crate) mod recording_proxy;
pub(crate) mod sentinel;
pub(crate) mod server;
pub(crate) mod shards;
pub(crate) mod slot_move;
pub(crate) mod splitting_proxy;
pub(crate) mod usage;
pub(crate) mod users;
