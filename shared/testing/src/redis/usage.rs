//! What a server says that it was asked to do.

use std::{collections::BTreeMap, ops::Sub};

use crate::redis::server::RedisServer;

/// What one server has done since it was started, or between two looks: their difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessUsage {
    calls: BTreeMap<String, u64>,
    /// Bytes that it got from clients and from its primary.
    pub bytes_in: u64,
    /// Bytes that it sent to clients and to its replicas.
    pub bytes_out: u64,
}

impl RedisServer {
    /// What it has done so far.
    pub async fn usage(&self) -> ProcessUsage {
        let calls = self.info("commandstats").await.into_iter().filter_map(|(name, stats)| {
            let calls = stats.strip_prefix("calls=")?.split(',').next()?;
            Some((name.strip_prefix("cmdstat_")?.to_owned(), calls.parse().ok()?))
        });
        let calls = calls.collect();
        let bytes = self.info("stats").await;
        let bytes = |name| bytes.get(name).and_then(|bytes| bytes.parse().ok()).expect("it counts its bytes");
        ProcessUsage { calls, bytes_in: bytes("total_net_input_bytes"), bytes_out: bytes("total_net_output_bytes") }
    }

    /// What this section of `INFO` says, by name.
    pub async fn info(&self, section: &str) -> BTreeMap<String, String> {
        let info = self.cli(&["INFO", section]).await.expect("it answers");
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }
}

impl ProcessUsage {
    /// How many times this command was called, by clients and by scripts. Names are in lower case, and
    /// a subcommand's is `cluster|slots`.
    pub fn calls(&self, command: &str) -> u64 {
        self.calls.get(command).copied().unwrap_or(0)
    }
}

impl Sub for ProcessUsage {
    type Output = Self;

    fn sub(mut self, before: Self) -> Self {
        for (command, calls) in &mut self.calls {
            *calls -= before.calls(command);
        }
        Self {
            calls: self.calls,
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }
}
