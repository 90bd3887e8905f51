//! Primaries of a Cluster, under Sentinel, or on their own die, are cut off, are added, and give slots away.

mod cluster;
mod cost;
mod flips;
mod membership;
mod min_replicas;
mod partition;
mod sentinel;
mod shards;
mod slots;
mod zones;
