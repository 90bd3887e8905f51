//! A connection to one node that always comes back.
//!
//! The client reconnects by itself when it hears of an end. It doesn't hear of a peer that is gone
//! without a word: its own watch takes each command that it sends for a sign of life, and its task
//! can be blocked by what the peer doesn't take. So it is asked, and where nothing comes back,
//! another client takes its place.

use std::{sync::Arc, time::Duration};

use fred::{
    clients::Client,
    error::ErrorKind,
    interfaces::{ClientLike, EventInterface},
    types::{
        Builder, RespVersion,
        config::{Config, Options, ReconnectPolicy, Server, TcpConfig},
    },
};
use tokio::sync::{
    Semaphore, SemaphorePermit,
    broadcast::{Receiver, error::RecvError},
    watch,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection::health::HealthReporter,
    error::{RedisError, RedisErrorKind},
};

/// How long a command may take before its outcome counts as undecided.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(2);
/// Commands in flight or waiting, beyond which new ones are refused at once. The client's own limit
/// isn't used: it would refuse the client's own reconnect, too.
const COMMANDS_AT_MOST: usize = 20_000;
/// How often a connection is asked whether it is alive.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long it may take to answer. Longer than a command, because to subscribe again is work for a
/// Redis that is only slow.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon a client tries to connect, in milliseconds, and tries again: as often after an hour, since a whole pod's pages
/// wait for it; and a Redis that refuses everybody can bear a few attempts a second from each pod.
const CONNECT_MS: u32 = 50;
/// By how much later at random, so that a fleet doesn't come back at one instant.
const SPREAD_MS: u32 = 250;

/// A connection. Clones are of the same one.
#[derive(Clone)]
pub(crate) struct ManagedConnection {
    present: watch::Receiver<ConnectionState>,
    room: Arc<Semaphore>,
}

/// How it is now.
pub(crate) struct ConnectionState {
    pub(crate) client: Client,
    /// Which of the times that it stood this is; `None` while it doesn't stand.
    pub(crate) stands: Option<u64>,
    /// How often it has stood.
    times: u64,
}

/// What keeps a connection. Once this is dropped, what is in flight on it is given up at once.
pub(crate) type ConnectionTask = AbortOnDropHandle<()>;

/// Leave to use a connection, with its client.
pub(crate) struct CommandPermit<'a> {
    pub(crate) client: Client,
    _permit: SemaphorePermit<'a>,
}

impl ManagedConnection {
    /// Begins to connect, with `heard` places for what comes unasked; `part` is told how it stands.
    pub(crate) fn new(config: Config, heard: usize, part: HealthReporter) -> (Self, ConnectionTask) {
        let first = ConnectionState { client: build(config.clone(), heard), stands: None, times: 0 };
        let (sender, present) = watch::channel(first);
        let kept = tokio::spawn(keep(config, heard, sender, part));
        (Self { present, room: Arc::new(Semaphore::new(COMMANDS_AT_MOST)) }, ConnectionTask::new(kept))
    }

    /// The client, for one command.
    pub(crate) fn permit(&self) -> Result<CommandPermit<'_>, RedisError> {
        let permit = self
            .room
            .try_acquire()
            .map_err(|_| RedisError::new(RedisErrorKind::Overloaded, "too many commands wait for Redis already"))?;
        Ok(CommandPermit { client: self.present.borrow().client.clone(), _permit: permit })
    }

    /// How it is now, and whenever that changes.
    pub(crate) fn present(&self) -> watch::Receiver<ConnectionState> {
        self.present.clone()
    }
}

fn build(mut config: Config, heard: usize) -> Client {
    config.version = RespVersion::RESP3;
    config.fail_fast = false;
    let mut reconnect = ReconnectPolicy::new_constant(0, CONNECT_MS);
    reconnect.set_jitter(SPREAD_MS);
    Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_LIMIT;
            connection.internal_command_timeout = COMMAND_LIMIT;
            connection.max_command_attempts = 3;
            // Scripts are single small frames: waiting for more to send would only delay them.
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_LIMIT;
            performance.broadcast_channel_capacity = heard;
        })
        .set_policy(reconnect)
        .build()
        .expect("an address that was read makes a client")
}

/// Runs the present client until it is of no more use, and then the next.
async fn keep(config: Config, heard: usize, present: watch::Sender<ConnectionState>, part: HealthReporter) {
    let node = part.node();
    let tell = |stands| {
        part.set(stands);
        present.send_modify(|present| {
            present.times += u64::from(stands);
            present.stands = stands.then_some(present.times);
        });
    };
    loop {
        let client = present.borrow().client.clone();
        // Before it connects, so that none is missed.
        let (connects, errors) = (client.reconnect_rx(), client.error_rx());
        let running = AbortOnDropHandle::new(client.connect());
        tokio::select! {
            ended = running => match ended {
                // The process ends.
                Err(ended) if ended.is_cancelled() => return,
                ended => tracing::error!(%node, ?ended, "the client of Redis gave up; starting another"),
            },
            () = silence(&client) => tracing::warn!(%node, "Redis gives no sign of life; connecting anew"),
            () = follow(connects, errors, tell) => {}
        }
        tell(false);
        present.send_modify(|present| present.client = build(config.clone(), heard));
    }
}

/// Done when the client is asked and gives no answer.
async fn silence(client: &Client) {
    let patient = client.with_options(&Options { timeout: Some(PATIENCE), ..Options::default() });
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        // A refusal is an answer, too.
        if patient.ping::<()>(None).await.is_err_and(|error| *error.kind() == ErrorKind::Timeout) {
            return;
        }
    }
}

/// Tells whether the client is connected, whenever it connects or fails.
async fn follow<E>(mut connects: Receiver<Server>, mut errors: Receiver<E>, tell: impl Fn(bool))
where
    E: Clone,
{
    loop {
        tokio::select! {
            // An error first: where both have happened, it is more often what the connect has mended, and to be
            // taken for connected too early does no harm.
            biased;
            heard = errors.recv() => match heard {
                Ok(_) | Err(RecvError::Lagged(_)) => tell(false),
                Err(RecvError::Closed) => return,
            },
            heard = connects.recv() => match heard {
                Ok(_) | Err(RecvError::Lagged(_)) => tell(true),
                Err(RecvError::Closed) => return,
            },
        }
    }
}
