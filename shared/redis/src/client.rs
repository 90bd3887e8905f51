//! [`Redis`]: the commands that the bus and the stores use.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use prometheus::IntGaugeVec;
use scenecast_metrics::Metrics;
use scenecast_names::NameResolver;
use sha1::{Digest, Sha1};
use tokio::sync::Notify;

use crate::{
    address::{Layout, RedisAddress},
    command::RedisCommand,
    connection::{health::ConnectionHealth, heartbeat::ExpectedRole, pool::ConnectionPool},
    error::{RedisError, RedisErrorKind, error_code},
    inspection::{
        clock,
        each_connection::for_each_connection,
        losses::RecentLosses,
        refusals::RefusalCounter,
        rights::{CLUSTER_RIGHTS, CONNECTION_RIGHTS, PartRights},
        settings,
    },
    replication::{ReplicaAcknowledger, WritePosition},
    reply::Reply,
    routing::router::CommandRouter,
    topology::{
        refresher::{Topology, TopologyMetrics},
        slots::Slot,
        source::TopologySource,
    },
};

/// A filter for `tracing`: only errors of the client library. This crate logs everything else that it says, in better
/// words.
pub const CLIENT_LOG_FILTER: &str = "fred=error";

/// The fields of a hash, and its remaining life in milliseconds (−1: for ever, −2: there is no such key).
type Hash = (Vec<Option<String>>, i64);

/// Says whether a key is there.
static EXISTS: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('EXISTS', KEYS[1])"));

/// A Lua script. Its source is sent once to each server; later calls send only its digest.
#[derive(Debug, Clone)]
pub struct Script {
    source: &'static str,
    digest: String,
}

impl Script {
    /// Prepares a script; nothing is sent.
    pub fn new(source: &'static str) -> Self {
        Self { source, digest: hex::encode(Sha1::digest(source)) }
    }
}

/// All servers at one address, with connections that come back by themselves. Clones share them.
#[derive(Clone)]
pub struct Redis {
    pub(crate) address: RedisAddress,
    pub(crate) names: NameResolver,
    pub(crate) router: CommandRouter,
    pub(crate) acknowledgements: ConnectionPool,
    acknowledger: ReplicaAcknowledger,
    pub(crate) connected: IntGaugeVec,
    pub(crate) refusals: RefusalCounter,
    pub(crate) missing_rights: IntGaugeVec,
    pub(crate) losses: RecentLosses,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

impl Redis {
    /// Starts to connect and returns at once. Commands wait for the connection, at most as long as a command may take.
    pub fn connect(address: &RedisAddress, metrics: &Metrics) -> Self {
        Self::connect_with_names(address, metrics, NameResolver::system())
    }

    /// [`Redis::connect`], with the servers' names looked up so.
    pub fn connect_with_names(address: &RedisAddress, metrics: &Metrics, names: NameResolver) -> Self {
        let help = "1 while every connection of this kind to Redis is up.";
        let connected = metrics.gauge_vec("redis_connected", help, &["connection"]);
        let topology_metrics = TopologyMetrics {
            primaries: metrics.gauge("redis_primaries", "Servers that own slots of Redis."),
            obstructed: metrics.gauge_vec(
                "redis_primaries_obstructed",
                "Redis primaries at which no login counts as stored now, by the reason.",
                &["reason"],
            ),
        };
        let refresh = Arc::<Notify>::default();

        let commands = node_pool(&names, address, ConnectionHealth::new("commands", &connected, refresh.clone()));
        let acknowledgements =
            node_pool(&names, address, ConnectionHealth::new("acknowledgements", &connected, Arc::default()));
        let sentinels = {
            let (names, address) = (names.clone(), address.clone());
            let health = ConnectionHealth::new("sentinels", &connected, Arc::default());
            ConnectionPool::new(
                names,
                move |sentinel| address.sentinel_config(sentinel),
                ExpectedRole::Sentinel,
                health,
            )
        };

        let source = TopologySource::new(address.layout(), sentinels, address.min_replicas());
        let topology = Topology::start(source, commands.clone(), refresh, topology_metrics);
        let refusals = RefusalCounter::new(metrics);
        let acknowledger =
            ReplicaAcknowledger::new(&topology, acknowledgements.clone(), commands.clone(), refusals.clone());
        let has_nodes = matches!(address.layout(), Layout::Cluster { .. });
        let check = move |connection| settings::check(connection, has_nodes);
        tokio::spawn(for_each_connection(topology.clone(), commands.clone(), check));
        let help = "By how many seconds the clock of this primary is ahead of this pod's; negative if it is behind.";
        let skews = metrics.seconds_gauge_vec("redis_clock_skew_seconds", help, &["primary"]);
        let measure = move |connection| clock::measure(connection, skews.clone());
        tokio::spawn(for_each_connection(topology.clone(), commands.clone(), measure));
        let help = "Commands that this part of the pod needs, and that this primary forbids its user or doesn't know.";
        let missing_rights = metrics.gauge_vec("redis_missing_rights", help, &["primary", "part"]);
        let losses = RecentLosses::watch(&topology, &commands);
        let router = CommandRouter::new(commands, topology, refusals.clone(), has_nodes);
        let redis = Self {
            address: address.clone(),
            names,
            router,
            acknowledgements,
            acknowledger,
            connected,
            refusals,
            missing_rights,
            losses,
        };
        redis.check_rights("connection", CONNECTION_RIGHTS.iter().copied());
        if has_nodes {
            redis.check_rights("cluster", CLUSTER_RIGHTS.iter().copied());
        }
        redis
    }

    /// Checks at each primary, whenever it is connected to, that our user may send these commands. Each is written with
    /// arguments as this pod would send them, separated by spaces. What is refused is logged and counted for this
    /// `part` of the pod; nothing else follows from it.
    pub fn check_rights(&self, part: &'static str, commands: impl IntoIterator<Item = impl Into<String>>) {
        let commands = commands.into_iter().map(Into::into).collect();
        let rights = PartRights { part, commands, user: self.address.user(), missing: self.missing_rights.clone() };
        rights.watch(self.router.topology(), self.router.pool());
    }

    /// Whether all keys are at one server, so that a script may use any of them.
    pub fn is_one_server(&self) -> bool {
        match self.address.layout() {
            Layout::Independent(servers) => servers.len() == 1,
            Layout::Sentinel { .. } => true,
            Layout::Cluster { .. } => false,
        }
    }

    /// Calls a script with one key. It may be called twice, if the first answer is lost.
    pub async fn call(&self, script: &Script, key: &str, args: &[String]) -> Result<Reply, RedisError> {
        Ok(self.write(script, key, args).await?.0)
    }

    /// [`Redis::call`], which also returns where the script wrote, for [`Redis::wait_for_replicas`].
    pub async fn write(
        &self,
        script: &Script,
        key: &str,
        args: &[String],
    ) -> Result<(Reply, WritePosition), RedisError> {
        let call =
            |name, script| RedisCommand::new(name, [script, "1", key]).with_args(args.iter().map(String::as_str));
        let mut routed = self.router.execute(key, &[call("EVALSHA", &script.digest)]).await?;
        if matches!(&routed.replies[..], [Err(error)] if error_code(error) == "NOSCRIPT") {
            // The server doesn't know the script yet: it is new, or a failover has just happened.
            routed = self.router.execute(key, &[call("EVAL", script.source)]).await?;
        }
        let written = WritePosition::new(key, &routed);
        let reply = routed.replies.pop().unwrap_or_else(|| Err(fred::error::Error::new_canceled()))?;
        Ok((reply, written))
    }

    /// Returns when a write to this key can be acknowledged by [`Redis::wait_for_replicas`]; at once in normal times. Fails
    /// after two seconds.
    pub async fn until_writes_count(&self, key: &str) -> Result<(), RedisError> {
        self.acknowledger.until_attainable(Slot::of(key)).await
    }

    /// Returns when enough replicas have what was written, so that a failover doesn't lose it. Returns at once where
    /// the server has no replicas. A script that wrote nothing may be followed by this, too: what it found is what
    /// every later primary finds, and wasn't read at one that had been replaced.
    pub async fn wait_for_replicas(&self, written: &WritePosition) -> Result<(), RedisError> {
        self.acknowledger.wait(written).await
    }

    /// To be called when a key isn't there. An error says that its primary may have lost it a moment ago: it was emptied,
    /// or connected to anew, after a restart or a failover.
    pub async fn confirm_missing(&self, key: &str) -> Result<(), RedisError> {
        let Some(node) = self.router.topology().table().owner(Slot::of(key)).cloned() else { return Ok(()) };
        let connection = self.router.pool().get(&node).state().borrow().clone();
        if self.losses.may_have_lost_keys(&node, &connection).await {
            let message =
                format!("Redis at {node} may have lost keys a moment ago, so one that is missing says nothing");
            return Err(RedisError::new(RedisErrorKind::RecentLoss, message));
        }
        Ok(())
    }

    /// Whether this was written at another server than the one where subscribers of the same slot are. That happens
    /// while a slot moves; what the script published there hasn't reached them.
    ///
    /// See docs/decisions/006-publish-twice-while-a-slot-moves.md.
    pub fn was_written_elsewhere(&self, written: &WritePosition) -> bool {
        written.is_ask_target || self.router.topology().table().owner(written.slot) != Some(&written.node)
    }

    /// Publishes a message to the subscribers of a sharded channel.
    pub async fn publish(&self, channel: &str, message: &str) -> Result<(), RedisError> {
        self.router.execute_one(channel, RedisCommand::new("SPUBLISH", [channel, message])).await?;
        Ok(())
    }

    /// Reads these fields of the hash at each key. An error for one key doesn't affect the others.
    pub async fn hashes(&self, keys: &[String], fields: &[&'static str]) -> Vec<Result<Hash, RedisError>> {
        let outcomes = self.router.execute_each(keys, |key| read_hash(key, fields).into()).await;
        outcomes.into_iter().map(|replies| parse_hash(&replies?)).collect()
    }

    /// Removes some fields of a hash, sets one, and returns all fields that it has then.
    pub async fn update_hash(
        &self,
        key: &str,
        remove: &[String],
        field: &str,
        value: &str,
    ) -> Result<HashMap<String, String>, RedisError> {
        let mut commands = vec![];
        if !remove.is_empty() {
            commands.push(RedisCommand::new("HDEL", [key]).with_args(remove.iter().map(String::as_str)));
        }
        commands.push(RedisCommand::new("HSET", [key, field, value]));
        commands.push(RedisCommand::new("HGETALL", [key]));
        let mut last = None;
        for reply in self.router.execute(key, &commands).await?.replies {
            last = Some(reply?);
        }
        let all_fields = last.ok_or_else(RedisError::malformed)?;
        all_fields.convert().map_err(|_| RedisError::malformed())
    }

    /// Reads these fields of one hash, where nothing is found only if no later primary finds anything either.
    pub async fn find_hash(&self, key: &str, fields: &[&'static str]) -> Result<Hash, RedisError> {
        let routed = self.router.execute(key, &read_hash(key, fields)).await?;
        let read_at = WritePosition::new(key, &routed);
        let hash = parse_hash(&routed.replies)?;
        if hash.0.iter().all(Option::is_none) {
            self.confirm_unread(key).await?;
            self.wait_for_replicas(&read_at).await?;
        }
        Ok(hash)
    }

    /// To be called when a read found nothing: asks again by a script, which every proxy sends to the primary. An error says
    /// that the primary has the key.
    ///
    /// See docs/decisions/087-one-address-leads-to-one-primary.md.
    async fn confirm_unread(&self, key: &str) -> Result<(), RedisError> {
        if self.has_fixed_primaries() && self.call(&EXISTS, key, &[]).await? == Reply::Integer(1) {
            let message = "Redis has a key that a read didn't find. If this repeats, a proxy sends reads to replicas";
            return Err(RedisError::new(RedisErrorKind::RecentLoss, message));
        }
        Ok(())
    }

    /// Whether `bus.url` names all primaries, so that anything may be at their addresses.
    pub(crate) fn has_fixed_primaries(&self) -> bool {
        matches!(self.address.layout(), Layout::Independent(_))
    }
}

/// The pool of connections of one kind to the servers that have data.
pub(crate) fn node_pool(names: &NameResolver, address: &RedisAddress, health: Arc<ConnectionHealth>) -> ConnectionPool {
    let expected_role = address.expected_role();
    let address = address.clone();
    ConnectionPool::new(names.clone(), move |node| address.config(node), expected_role, health)
}

fn read_hash(key: &str, fields: &[&'static str]) -> [RedisCommand; 2] {
    [RedisCommand::new("HMGET", [key]).with_args(fields.iter().copied()), RedisCommand::new("PTTL", [key])]
}

/// Parses the answers to `HMGET` and `PTTL`.
fn parse_hash(replies: &[Result<Reply, fred::error::Error>]) -> Result<Hash, RedisError> {
    match replies {
        [Ok(fields), Ok(life_ms)] => {
            let fields = fields.clone().convert().map_err(|_| RedisError::malformed())?;
            let life_ms = life_ms.clone().convert().map_err(|_| RedisError::malformed())?;
            Ok((fields, life_ms))
        }
        [Err(error), ..] | [.., Err(error)] => Err(error.clone().into()),
        _ => Err(RedisError::new(RedisErrorKind::NoAnswer, "Redis answered only a part of the commands")),
    }
}
