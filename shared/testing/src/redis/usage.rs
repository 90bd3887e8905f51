//! How many commands and bytes a Redis server has handled.

use std::{collections::BTreeMap, ops::Sub};

use crate::{redis::server::RedisServer, until};

/// What a server has handled since it started. Subtract an earlier value to get what it has handled in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessUsage {
    calls: BTreeMap<String, u64>,
    /// Bytes received from clients and from its primary.
    pub bytes_in: u64,
    /// Bytes sent to clients and to its replicas.
    pub bytes_out: u64,
}

impl RedisServer {
    /// What this server has handled so far.
    pub async fn usage(&self) -> ProcessUsage {
        let stats = self.info("stats").await;
        let bytes = |name: &str| stats.get(name).and_then(|bytes| bytes.parse().ok()).expect("INFO has this number");
        ProcessUsage {
            calls: self.info("commandstats").await.into_iter().filter_map(parse_calls).collect(),
            bytes_in: bytes("total_net_input_bytes"),
            bytes_out: bytes("total_net_output_bytes"),
        }
    }

    /// The fields of this section of `INFO`, by name.
    pub async fn info(&self, section: &str) -> BTreeMap<String, String> {
        let mut info = Err(String::new());
        // A Sentinel that makes a primary a replica also closes all connections to it.
        until("the server answers INFO", async || {
            info = self.cli(&["INFO", section]).await;
            info.is_ok()
        })
        .await;
        let info = info.unwrap_or_default();
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }
}

/// Reads a field of `INFO commandstats`, such as `cmdstat_get:calls=21,usec=175,…`.
fn parse_calls((name, stats): (String, String)) -> Option<(String, u64)> {
    let calls = stats.strip_prefix("calls=")?.split(',').next()?;
    Some((name.strip_prefix("cmdstat_")?.to_owned(), calls.parse().ok()?))
}

impl ProcessUsage {
    /// How many times this command was called, by clients and by scripts. Names are in lower case; a
    /// subcommand is written as `cluster|slots`.
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
