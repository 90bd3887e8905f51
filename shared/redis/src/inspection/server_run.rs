//! Tells one run of a Redis server from the next, and how many times it was emptied since it started.

use fred::clients::Client;

use crate::{command::RedisCommand, reply::Reply};

/// What empties a server, as `INFO commandstats` writes it.
const EMPTYING: [&str; 3] = ["cmdstat_flushall:", "cmdstat_flushdb:", "cmdstat_swapdb:"];

/// One run of a server, as far as it tells. Two that differ mean that keys may have been lost between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerRun {
    /// Another one after each start, and at each server. `None` if it doesn't say.
    pub(crate) id: Option<String>,
    /// How many times it was emptied since it started.
    pub(crate) emptied: u64,
}

impl ServerRun {
    /// The command whose answer [`ServerRun::read`] reads.
    pub(crate) fn command() -> RedisCommand {
        RedisCommand::new("INFO", ["server", "commandstats"])
    }

    /// Asks a server. `None` if it doesn't tell.
    pub(crate) async fn ask(client: &Client) -> Option<Self> {
        Self::read(Self::command().send(client).await.ok()?)
    }

    pub(crate) fn read(info: Reply) -> Option<Self> {
        Some(Self::parse(&info.into_string()?))
    }

    fn parse(info: &str) -> Self {
        let id = info.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().to_owned());
        Self { id: id.filter(|id| !id.is_empty()), emptied: count_emptied(info) }
    }
}

/// `commandstats` has a line for each command that was called.
fn count_emptied(commandstats: &str) -> u64 {
    let calls = |line: &str| {
        let stats = EMPTYING.iter().find_map(|command| line.strip_prefix(command))?;
        stats.strip_prefix("calls=")?.split(',').next()?.parse::<u64>().ok()
    };
    commandstats.lines().filter_map(calls).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_empties_a_server_is_counted() {
        let stats = "# Commandstats\r\ncmdstat_get:calls=21,usec=175,usec_per_call=8.33\r\n\
                     cmdstat_flushall:calls=2,usec=9,usec_per_call=4.50,rejected_calls=0,failed_calls=0\r\n\
                     cmdstat_flushdb:calls=1,usec=9\r\ncmdstat_swapdb:calls=4\r\ncmdstat_flushing:calls=9\r\n";
        assert_eq!(count_emptied(stats), 7);
        for nothing in ["", "# Commandstats\r\n", "cmdstat_flushall:calls=x", "cmdstat_flushall:", "cmdstat_flushall"] {
            assert_eq!(count_emptied(nothing), 0, "{nothing}");
        }
    }

    #[test]
    fn a_run_has_the_id_that_the_server_tells() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:0f1e2d\r\ntcp_port:6379\r\n\r\n# Commandstats\r\n\
                    cmdstat_flushall:calls=1,usec=9\r\n";
        assert_eq!(ServerRun::parse(info), ServerRun { id: Some("0f1e2d".to_owned()), emptied: 1 });
        for without in ["", "run_id:\r\n", "redis_version:7.0.15\r\n"] {
            assert_eq!(ServerRun::parse(without), ServerRun { id: None, emptied: 0 }, "{without}");
        }
    }
}
