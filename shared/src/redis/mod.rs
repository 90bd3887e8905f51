//! The Redis client and its topology. Bus and stores stand on this; nobody else names the client.

mod address;
mod connection;
mod roll;
mod streams;
mod subscriptions;

use std::time::Duration;

use connection::Connection;
use fred::{
    clients::{Client, Pipeline},
    interfaces::{ClientLike, HashesInterface, KeysInterface},
    types::{Expiration, InfoKind, SetOptions, scripts::Script},
};

pub use address::RedisAddress;
pub(crate) use fred::types::Value as Reply;
pub(crate) use streams::{Entry, Out};
pub(crate) use subscriptions::{Doorbell, Subscriber, Subscriptions};

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
pub(crate) struct Lua(Script);

impl Lua {
    pub(crate) fn new(source: &'static str) -> Self {
        Self(Script::from_lua(source))
    }
}

/// A connection to Redis that comes back by itself. Clones share it.
#[derive(Clone)]
pub struct Redis {
    address: RedisAddress,
    connection: Connection,
    connected: prometheus::IntGaugeVec,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

impl Redis {
    /// Begins to connect; commands wait for it, each up to its own time limit.
    pub fn connect(address: &RedisAddress, metrics: &Metrics) -> Self {
        let connected = metrics.gauges("redis_connected", "1 while this connection to Redis stands.", &["connection"]);
        let connection = Connection::new(address, 32, connected.with_label_values(&["commands"]));
        let redis = Self { address: address.clone(), connection, connected };
        tokio::spawn(redis.clone().warn_of_settings());
        redis
    }

    /// Calls a script on one key.
    pub(crate) async fn call(&self, lua: &Lua, key: String, args: Vec<String>) -> Result<Reply, RedisError> {
        let place = self.connection.place()?;
        Ok(lua.0.evalsha_with_reload(&place.client, vec![key], args).await?)
    }

    /// For each key, these fields of its hash; an error of one is not one of all.
    pub(crate) async fn hashes(
        &self,
        keys: Vec<String>,
        fields: &[&'static str],
    ) -> Result<Vec<Result<Hash, RedisError>>, RedisError> {
        let place = self.connection.place()?;
        let pipeline: Pipeline<Client> = place.client.pipeline();
        for key in keys {
            let () = pipeline.hmget(key.clone(), fields.to_vec()).await?;
            let () = pipeline.pttl(key).await?;
        }
        let mut hashes = vec![];
        for answers in pipeline.try_all::<Reply>().await.chunks(2) {
            match hash(answers) {
                Err(RedisError::NoAnswer(why)) => return Err(RedisError::NoAnswer(why)),
                hash => hashes.push(hash),
            }
        }
        Ok(hashes)
    }

    /// The value of this name.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<String>, RedisError> {
        let place = self.connection.place()?;
        Ok(place.client.get(name).await?)
    }

    /// Gives this name a value, for as long as `life`.
    pub(crate) async fn set(&self, name: &str, value: String, life: Duration) -> Result<(), RedisError> {
        let place = self.connection.place()?;
        Ok(place.client.set(name, value, Some(expiration(life)), None, false).await?)
    }

    /// The same if the name is free; otherwise answers what is there.
    pub(crate) async fn set_if_free(
        &self,
        name: &str,
        value: &str,
        life: Duration,
    ) -> Result<Option<String>, RedisError> {
        let place = self.connection.place()?;
        Ok(place.client.set(name, value, Some(expiration(life)), Some(SetOptions::NX), true).await?)
    }

    /// Warns of settings that lose scenes; a user that may not ask isn't warned.
    async fn warn_of_settings(self) {
        let client = self.connection.clients().borrow().clone();
        let Ok(info) = client.info::<String>(None::<InfoKind>).await else { return };
        let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        let version = line("redis_version:");
        if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 7) {
            tracing::warn!(version, "Redis is older than 7.0, which this needs");
        }
        let policy = line("maxmemory_policy:");
        if policy != "noeviction" {
            tracing::warn!(policy, "Redis may evict scenes while they are shown; set maxmemory-policy to noeviction");
        }
    }
}

fn expiration(life: Duration) -> Expiration {
    Expiration::PX(i64::try_from(millis(life)).unwrap_or(i64::MAX))
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
