//! [`Redis`]: what bus and stores call.

use std::{collections::HashMap, sync::Arc, time::Duration};

use prometheus::IntGaugeVec;
use scenecast_metrics::Metrics;
use scenecast_scene::time::millis;
use sha1::{Digest, Sha1};
use tokio::sync::Notify;

use crate::{
    address::RedisAddress,
    commands::{command::RedisCommand, routing::CommandRouter},
    connection::{health::ConnectionHealth, pool::ConnectionPool},
    error::{RedisError, RedisErrorKind},
    replication::{ReplicaAcknowledger, WritePosition},
    reply::Reply,
    startup_check,
    topology::{refresher::Topology, source::TopologySource},
};

/// The client's own log lines tell what ours say in better words, and more.
pub const CLIENT_LOGS: &str = "fred=error";

/// Fields of a hash, and its life in milliseconds (−2: no such key).
type Hash = (Vec<Option<String>>, i64);

/// A script that is sent once and called by its digest from then on.
#[derive(Debug, Clone)]
pub struct Script {
    source: &'static str,
    digest: String,
}

impl Script {
    /// A script with this source.
    pub fn new(source: &'static str) -> Self {
        Self { source, digest: hex::encode(Sha1::digest(source)) }
    }
}

/// The servers of one address, each with connections that come back by themselves. Clones share them.
#[derive(Clone)]
pub struct Redis {
    pub(crate) address: RedisAddress,
    pub(crate) router: CommandRouter,
    acknowledger: ReplicaAcknowledger,
    pub(crate) connected: IntGaugeVec,
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
            ConnectionPool::new(move |node| address.config(node), ConnectionHealth::new(kind, &connected, lost.clone()))
        };
        let sentinels = {
            let address = address.clone();
            let standing = ConnectionHealth::new("sentinels", &connected, Arc::default());
            ConnectionPool::new(move |node| address.sentinel_config(node), standing)
        };
        let commands = nodes("commands", &hint);
        let authority = TopologySource::of(address.layout(), sentinels);
        let topology = Topology::keep(authority, commands.clone(), hint, primaries);
        let acknowledger = ReplicaAcknowledger::new(&topology, nodes("acknowledgements", &Arc::default()));
        tokio::spawn(startup_check::warn(topology.clone(), commands.clone()));
        Self { address: address.clone(), router: CommandRouter::new(commands, topology), acknowledger, connected }
    }

    /// Calls a script on one key.
    pub async fn call(&self, lua: &Script, key: &str, args: &[String]) -> Result<Reply, RedisError> {
        Ok(self.write(lua, key, args).await?.0)
    }

    /// The same; answers where it wrote, too.
    pub async fn write(&self, lua: &Script, key: &str, args: &[String]) -> Result<(Reply, WritePosition), RedisError> {
        let call = |verb, script| RedisCommand::new(verb, [script, "1", key]).and(args.iter().map(String::as_str));
        let mut answered = self.router.execute(key, &[call("EVALSHA", &lua.digest)]).await?;
        if matches!(&answered.answers[..], [Err(error)] if error.details().starts_with("NOSCRIPT")) {
            // The first time, or after a failover; from then on the node knows it.
            answered = self.router.execute(key, &[call("EVAL", lua.source)]).await?;
        }
        let written = WritePosition::new(key, &answered);
        let reply = answered.answers.pop().unwrap_or_else(|| Err(fred::error::Error::new_canceled()))?;
        Ok((reply, written))
    }

    /// Done when a replica has what was written, if its node has any.
    pub async fn wait_for_replicas(&self, written: &WritePosition) -> Result<(), RedisError> {
        self.acknowledger.wait(written).await
    }

    /// Whether this was written by another node than the one where those who watch subscribe.
    pub fn was_written_elsewhere(&self, written: &WritePosition) -> bool {
        written.passed_on || self.router.topology().now().owner(written.slot) != Some(&written.node)
    }

    /// Tells those who have subscribed.
    pub async fn publish(&self, channel: &str, message: &str) -> Result<(), RedisError> {
        self.router.execute_one(channel, RedisCommand::new("SPUBLISH", [channel, message])).await.map(drop)
    }

    /// For each key, these fields of its hash; an error of one is not one of all.
    pub async fn hashes(&self, keys: &[String], fields: &[&'static str]) -> Vec<Result<Hash, RedisError>> {
        let asked = self.router.execute_each(keys, |key| {
            vec![RedisCommand::new("HMGET", [key]).and(fields.iter().copied()), RedisCommand::new("PTTL", [key])]
        });
        asked.await.into_iter().map(|answers| hash(&answers?)).collect()
    }

    /// Removes fields of a hash, gives one of them a value, and answers all.
    pub async fn update_hash(
        &self,
        key: &str,
        remove: &[String],
        field: &str,
        value: &str,
    ) -> Result<HashMap<String, String>, RedisError> {
        let removal = RedisCommand::new("HDEL", [key]).and(remove.iter().map(String::as_str));
        let update = [RedisCommand::new("HSET", [key, field, value]), RedisCommand::new("HGETALL", [key])];
        let commands: Vec<_> = Some(removal).filter(|_| !remove.is_empty()).into_iter().chain(update).collect();
        let answers = self.router.execute(key, &commands).await?.answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let all = answers.into_iter().last().ok_or(RedisError::malformed())?;
        all.convert().map_err(|_| RedisError::malformed())
    }

    /// The value of this name.
    pub async fn get(&self, name: &str) -> Result<Option<String>, RedisError> {
        Ok(self.router.execute_one(name, RedisCommand::new("GET", [name])).await?.convert()?)
    }

    /// Gives this name a value, for as long as `life`.
    pub async fn set(&self, name: &str, value: &str, life: Duration) -> Result<(), RedisError> {
        let set = RedisCommand::new("SET", [name, value, "PX", &millis(life).to_string()]);
        self.router.execute_one(name, set).await.map(drop)
    }

    /// The same if the name is free; otherwise answers what is there.
    pub async fn set_if_free(&self, name: &str, value: &str, life: Duration) -> Result<Option<String>, RedisError> {
        let set = RedisCommand::new("SET", [name, value, "PX", &millis(life).to_string(), "NX", "GET"]);
        Ok(self.router.execute_one(name, set).await?.convert()?)
    }
}

/// Reads the answers to `HMGET` and `PTTL`.
fn hash(answers: &[Result<Reply, fred::error::Error>]) -> Result<Hash, RedisError> {
    let foreign = |_| RedisError::malformed();
    match answers {
        [Ok(fields), Ok(life)] => {
            Ok((fields.clone().convert().map_err(foreign)?, life.clone().convert().map_err(foreign)?))
        }
        [Err(error), ..] | [.., Err(error)] => Err(error.clone().into()),
        _ => Err(RedisError::new(RedisErrorKind::NoAnswer, "Redis answered fewer commands than were sent")),
    }
}
