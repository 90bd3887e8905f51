//! Tells one run of a Redis server from the next, and how many times it was emptied since it started.

use fred::clients::Client;

use crate::{command::RedisCommand, reply::Reply};

/// What empties a server, as `INFO commandstats` writes it.
const EMPTYING: [&str; 3] = ["cmdstat_flushall:", "cmdstat_flushdb:", "cmdstat_swapdb:"];

/// One run of a server, as far as it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerRun {
    /// Another one after each start, and at each server. `None` if it doesn't say.
    pub(crate) id: Option<String>,
    /// How many times it was emptied since it started, or since somebody reset its statistics.
    pub(crate) emptied: u64,
    /// By its own clock, in µs since 1970. 0 if it doesn't say.
    pub(crate) told_at: u64,
}

/// What happened between two answers of a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BetweenRuns {
    Nothing,
    /// It was emptied.
    Emptied,
    /// It has started again, or another server has taken its place.
    AnotherRun,
    /// The other way round: the answer is older than the one before.
    Reversed,
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

    /// What happened since this earlier answer, as far as both tell.
    pub(crate) fn since(&self, before: &Self) -> BetweenRuns {
        if self.id != before.id {
            BetweenRuns::AnotherRun
        } else if self.told_at < before.told_at {
            BetweenRuns::Reversed
        } else if self.emptied > before.emptied {
            BetweenRuns::Emptied
        } else {
            BetweenRuns::Nothing
        }
    }

    fn parse(info: &str) -> Self {
        let field = |name| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Self {
            id: field("run_id:").filter(|id| !id.is_empty()).map(str::to_owned),
            emptied: count_emptied(info),
            told_at: field("server_time_usec:").and_then(|time| time.parse().ok()).unwrap_or_default(),
        }
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
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:0f1e2d\r\ntcp_port:6379\r\nserver_time_usec:17\r\n\r\n\
                    # Commandstats\r\ncmdstat_flushall:calls=1,usec=9\r\n";
        assert_eq!(ServerRun::parse(info), ServerRun { id: Some("0f1e2d".to_owned()), emptied: 1, told_at: 17 });
        for without in ["", "run_id:\r\n", "redis_version:7.0.15\r\n"] {
            assert_eq!(ServerRun::parse(without), ServerRun { id: None, emptied: 0, told_at: 0 }, "{without}");
        }
    }
}
