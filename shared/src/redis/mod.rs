//! The Redis client, and who owns what. Bus and stores stand on this; nobody else names the client.
//!
//! Whatever the layout, there is one way: a table says which primary owns which of 16,384 slots, and
//! each primary has clients of its own, which know of no other node.
//!
//! | module | what it is for |
//! |---|---|
//! | `address`, `tls` | where Redis is, and whom to believe that it is that |
//! | `slots` | the table, as plain data |
//! | `topology`, `authority` | keep the table current, by asking those who know |
//! | `cluster`, `sentinel` | what they say, and whom of them to believe; no I/O |
//! | `connection`, `nodes`, `standing` | a client that always comes back; one for each node; how they stand |
//! | `command`, `route`, `redirect` | what is sent, to whom, and where it goes on from there |
//! | `acknowledge` | waits until a replica has what was written |
//! | `subscriptions` | what is heard unasked |
//! | `streams` | what several take from one queue |
//! | `settings` | warns of a Redis that loses scenes |

mod acknowledge;
mod address;
mod authority;
mod cluster;
mod command;
mod connection;
mod nodes;
mod redirect;
mod route;
mod sentinel;
mod settings;
mod slots;
mod standing;
mod streams;
mod subscriptions;
mod tls;
mod topology;

use std::{collections::HashMap, sync::Arc, time::Duration};

use acknowledge::Acknowledger;
use authority::Authority;
use command::Command;
use nodes::Nodes;
use prometheus::IntGaugeVec;
use sha1::{Digest, Sha1};
use standing::Standing;
use tokio::sync::Notify;
use topology::Topology;

pub(crate) use acknowledge::Written;
pub use address::RedisAddress;
pub(crate) use fred::types::{Value as Reply, config::Server as Node};
pub(crate) use slots::{Slot, Slots};
pub(crate) use streams::{Entry, Out};
pub(crate) use subscriptions::{Doorbell, Subscriber};

use crate::{telemetry::Metrics, time::millis};

/// The client's own log lines tell what ours say in better words, and more.
pub(crate) const CLIENT_LOGS: &str = "fred=error";

/// Why a command had no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedisError {
    /// Redis gave no answer, or refused.
    #[error("{0}")]
    NoAnswer(String),
    /// What is stored under the key isn't what we store there.
    #[error("what is stored isn't ours")]
    Foreign,
}

impl From<fred::error::Error> for RedisError {
    fn from(error: fred::error::Error) -> Self {
        if error.details().starts_with("WRONGTYPE") { Self::Foreign } else { Self::NoAnswer(error.to_string()) }
    }
}

/// Fields of a hash, and its life in milliseconds (−2: no such key).
type Hash = (Vec<Option<String>>, i64);

/// A script that is sent once and called by its digest from then on.
#[derive(Debug, Clone)]
pub(crate) struct Lua {
    source: &'static str,
    digest: String,
}

impl Lua {
    pub(crate) fn new(source: &'static str) -> Self {
        Self { source, digest: hex::encode(Sha1::digest(source)) }
    }
}

/// The servers of one address, each with connections that come back by themselves. Clones share them.
#[derive(Clone)]
pub struct Redis {
    address: RedisAddress,
    nodes: Nodes,
    topology: Topology,
    acknowledger: Acknowledger,
    connected: IntGaugeVec,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

impl Redis {
    /// Begins to connect; commands wait for it, each up to its own time limit.
    pub fn connect(address: &RedisAddress, metrics: &Metrics) -> Self {
        let about = "1 while every connection of this kind to Redis stands.";
        let connected = metrics.gauges("redis_connected", about, &["connection"]);
        let primaries = metrics.gauge("redis_primaries", "Servers that own slots of Redis.");
        let hint = Arc::<Notify>::default();
        let nodes = |kind, lost: &Arc<Notify>| {
            let address = address.clone();
            Nodes::new(move |node| address.config(node), Standing::new(kind, &connected, lost.clone()))
        };
        let sentinels = {
            let address = address.clone();
            let standing = Standing::new("sentinels", &connected, Arc::default());
            Nodes::new(move |node| address.sentinel_config(node), standing)
        };
        let commands = nodes("commands", &hint);
        let authority = Authority::of(address.layout(), sentinels);
        let topology = Topology::keep(authority, commands.clone(), hint, primaries);
        let acknowledger = Acknowledger::new(&topology, nodes("acknowledgements", &Arc::default()));
        tokio::spawn(settings::warn(topology.clone(), commands.clone()));
        Self { address: address.clone(), nodes: commands, topology, acknowledger, connected }
    }

    /// Calls a script on one key.
    pub(crate) async fn call(&self, lua: &Lua, key: &str, args: &[String]) -> Result<Reply, RedisError> {
        Ok(self.write(lua, key, args).await?.0)
    }

    /// The same; answers where it wrote, too.
    pub(crate) async fn write(&self, lua: &Lua, key: &str, args: &[String]) -> Result<(Reply, Written), RedisError> {
        let call = |verb, script| Command::new(verb, [script, "1", key]).and(args.iter().map(String::as_str));
        let mut answered = self.ask(key, &[call("EVALSHA", &lua.digest)]).await?;
        if matches!(&answered.answers[..], [Err(error)] if error.details().starts_with("NOSCRIPT")) {
            // The first time, or after a failover; from then on the node knows it.
            answered = self.ask(key, &[call("EVAL", lua.source)]).await?;
        }
        let written = Written::new(key, &answered);
        let reply = answered.answers.pop().unwrap_or_else(|| Err(fred::error::Error::new_canceled()))?;
        Ok((reply, written))
    }

    /// Done when a replica has what was written, if its node has any.
    pub(crate) async fn acknowledged(&self, written: &Written) -> Result<(), RedisError> {
        self.acknowledger.wait(written).await
    }

    /// Whether this was written by another node than the one where those who watch subscribe.
    pub(crate) fn was_elsewhere(&self, written: &Written) -> bool {
        written.passed_on || self.topology.now().owner(written.slot) != Some(&written.node)
    }

    /// Tells those who have subscribed.
    pub(crate) async fn ring(&self, channel: &str, message: &str) -> Result<(), RedisError> {
        self.ask_one(channel, Command::new("SPUBLISH", [channel, message])).await.map(drop)
    }

    /// For each key, these fields of its hash; an error of one is not one of all.
    pub(crate) async fn hashes(&self, keys: &[String], fields: &[&'static str]) -> Vec<Result<Hash, RedisError>> {
        let asked = self.ask_each(keys, |key| {
            vec![Command::new("HMGET", [key]).and(fields.iter().copied()), Command::new("PTTL", [key])]
        });
        asked.await.into_iter().map(|answers| hash(&answers?)).collect()
    }

    /// Removes fields of a hash, gives one of them a value, and answers all.
    pub(crate) async fn update_hash(
        &self,
        key: &str,
        remove: &[String],
        field: &str,
        value: &str,
    ) -> Result<HashMap<String, String>, RedisError> {
        let removal = Command::new("HDEL", [key]).and(remove.iter().map(String::as_str));
        let update = [Command::new("HSET", [key, field, value]), Command::new("HGETALL", [key])];
        let commands: Vec<_> = Some(removal).filter(|_| !remove.is_empty()).into_iter().chain(update).collect();
        let answers = self.ask(key, &commands).await?.answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let all = answers.into_iter().last().ok_or(RedisError::Foreign)?;
        all.convert().map_err(|_| RedisError::Foreign)
    }

    /// The value of this name.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<String>, RedisError> {
        Ok(self.ask_one(name, Command::new("GET", [name])).await?.convert()?)
    }

    /// Gives this name a value, for as long as `life`.
    pub(crate) async fn set(&self, name: &str, value: &str, life: Duration) -> Result<(), RedisError> {
        let set = Command::new("SET", [name, value, "PX", &millis(life).to_string()]);
        self.ask_one(name, set).await.map(drop)
    }

    /// The same if the name is free; otherwise answers what is there.
    pub(crate) async fn set_if_free(
        &self,
        name: &str,
        value: &str,
        life: Duration,
    ) -> Result<Option<String>, RedisError> {
        let set = Command::new("SET", [name, value, "PX", &millis(life).to_string(), "NX", "GET"]);
        Ok(self.ask_one(name, set).await?.convert()?)
    }
}

/// Reads the answers to `HMGET` and `PTTL`.
fn hash(answers: &[Result<Reply, fred::error::Error>]) -> Result<Hash, RedisError> {
    let foreign = |_| RedisError::Foreign;
    match answers {
        [Ok(fields), Ok(life)] => {
            Ok((fields.clone().convert().map_err(foreign)?, life.clone().convert().map_err(foreign)?))
        }
        [Err(error), ..] | [.., Err(error)] => Err(error.clone().into()),
        _ => Err(RedisError::NoAnswer("too few answers".into())),
    }
}
