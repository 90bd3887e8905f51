//! The arguments for the cluster that a run is aimed at.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use scenecast_testing::{RedisCluster, RedisSentinels};

use crate::{
    faults::{FaultyRedis, ProxiedRedis},
    plan::{FaultKind, FaultyPart, PlanError, PlannedFault},
};

#[derive(Debug, Args)]
pub(super) struct ClusterOptions {
    /// Aim at a cluster that you run: the file that describes it, as for `drill watch`. Without it, the run starts its own
    #[arg(long, value_name = "FILE", conflicts_with_all = ["gateways", "callbacks", "redis", "log"])]
    pub(super) target: Option<PathBuf>,
    /// How many gateways the own cluster has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(super) gateways: u32,
    /// How many callbacks the own cluster has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(super) callbacks: u32,
    /// The Redis of the own cluster
    #[arg(long, default_value = "single")]
    pub(super) redis: RedisLayout,
    /// The log level of the own cluster: as shipped, or another value of telemetry.log
    #[arg(long, value_name = "LEVEL")]
    pub(super) log: Option<String>,
    /// How many source addresses the pages have; only for servers on this machine
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=250))]
    pub(super) sources: u32,
    /// How many different people log in, each in turn
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) people: u64,
}

/// The layout of an own cluster's Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RedisLayout {
    /// One server
    Single,
    /// A Redis Cluster: three primaries with a replica each
    Cluster,
    /// A primary with replicas under Sentinel
    Sentinel,
}

impl ClusterOptions {
    /// Refuses a fault that the own cluster can't have.
    pub(super) fn check_fault(&self, fault: &PlannedFault) -> Result<(), PlanError> {
        let count = match fault.kind.part() {
            FaultyPart::Gateway => self.gateways,
            FaultyPart::Callback => self.callbacks,
            FaultyPart::Redis => 1,
        };
        let can_have = match self.redis {
            RedisLayout::Single => ProxiedRedis::can_have,
            RedisLayout::Cluster => RedisCluster::can_have,
            RedisLayout::Sentinel => RedisSentinels::can_have,
        };
        if fault.pod >= count {
            return Err(PlanError::new("faults", format!("{fault}: there are {count}, and they count from 0")));
        }
        if !can_have(fault.kind) {
            let layouts = if can_have(FaultKind::RedisPartitioned) { "single" } else { "cluster or sentinel" };
            return Err(PlanError::new("faults", format!("{fault} needs --redis {layouts}")));
        }
        Ok(())
    }
}
