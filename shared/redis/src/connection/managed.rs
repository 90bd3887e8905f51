//! A connection to one server that always comes back.
//!
//! Two things keep it alive. The client library (fred) reconnects by itself when the TCP connection ends. It doesn't
//! notice a server that vanishes without closing the connection: it takes each command that it sends for a sign of
//! life, and a full TCP buffer blocks its task. So a heartbeat sends PING here, and when no answer comes back, the
//! whole client is replaced by a new one.
//!
//! ```text
//!   ┌────────────┐ connected  ┌────────────────┐ lost       ┌──────────────┐
//!   │ connecting │ ─────────▶ │   connected    │ ─────────▶ │ reconnecting │  the same client tries
//!   └────────────┘            │ generation + 1 │ ◀───────── │              │  every 50–300 ms
//!         ▲                   └───────┬────────┘ connected  └──────┬───────┘
//!         │                           │                            │
//!         │ a new client              │  PING isn't answered for 5 s, or the client's task ends
//!         └───────────────────────────┴────────────────────────────┘
//! ```
//!
//! `generation` in [`ConnectionState`] tells a subscriber that it is connected anew and has to subscribe again.
//!
//! See docs/decisions/008-a-silent-redis-client-is-replaced.md.

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

/// How long a command may take. Later, whether it was carried out is undecided.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(2);
/// How many commands may wait for an answer; more are refused at once. The client's own limit isn't used, because the
/// client would apply it to its reconnect, too.
const MAX_COMMANDS_IN_FLIGHT: usize = 20_000;
/// How often PING is sent.
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(3);
/// How long the answer to PING may take. This is longer than a command may take: a new client subscribes to everything
/// again, and that would be even more work for a server that is only slow.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(5);
/// The pause before each attempt to connect. It stays short, because all pages of the pod wait; a few attempts a
/// second from each pod do no harm to a server that refuses all of them.
const RECONNECT_DELAY_MS: u32 = 50;
/// The most that is added to the pause at random, so that many pods don't reconnect at the same moment.
const RECONNECT_JITTER_MS: u32 = 250;

/// A connection. Clones share it.
#[derive(Clone)]
pub(crate) struct ManagedConnection {
    state: watch::Receiver<ConnectionState>,
    permits: Arc<Semaphore>,
}

/// The state of a connection.
pub(crate) struct ConnectionState {
    pub(crate) client: Client,
    /// Counts how many times it has connected; `None` while it isn't connected.
    pub(crate) generation: Option<u64>,
    last_generation: u64,
}

/// The task that runs a connection. Dropping it ends the connection, and commands in flight fail at once.
pub(crate) type ConnectionTask = AbortOnDropHandle<()>;

/// The right to have one command in flight, and the client to send it with.
pub(crate) struct CommandPermit<'a> {
    pub(crate) client: Client,
    _permit: SemaphorePermit<'a>,
}

impl ManagedConnection {
    /// Starts to connect. At most `message_capacity` pub/sub messages can wait to be read.
    pub(crate) fn start(config: Config, message_capacity: usize, reporter: HealthReporter) -> (Self, ConnectionTask) {
        let client = build_client(config.clone(), message_capacity);
        let (sender, state) = watch::channel(ConnectionState { client, generation: None, last_generation: 0 });
        let task = tokio::spawn(run(config, message_capacity, sender, reporter));
        let permits = Arc::new(Semaphore::new(MAX_COMMANDS_IN_FLIGHT));
        (Self { state, permits }, ConnectionTask::new(task))
    }

    /// Hold the permit until the command is answered. Refused while too many commands are in flight.
    pub(crate) fn permit(&self) -> Result<CommandPermit<'_>, RedisError> {
        let permit = self.permits.try_acquire().map_err(|_| {
            RedisError::new(RedisErrorKind::Overloaded, "too many commands are waiting for this Redis server already")
        })?;
        Ok(CommandPermit { client: self.state.borrow().client.clone(), _permit: permit })
    }

    /// Receives the current state and each that follows.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }
}

fn build_client(mut config: Config, message_capacity: usize) -> Client {
    config.version = RespVersion::RESP3;
    config.fail_fast = false;
    let mut reconnect = ReconnectPolicy::new_constant(0, RECONNECT_DELAY_MS);
    reconnect.set_jitter(RECONNECT_JITTER_MS);
    Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = COMMAND_LIMIT;
            connection.internal_command_timeout = COMMAND_LIMIT;
            connection.max_command_attempts = 3;
            // A script call is one small packet. To wait for more to send would only delay it.
            connection.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = COMMAND_LIMIT;
            performance.broadcast_channel_capacity = message_capacity;
        })
        .set_policy(reconnect)
        .build()
        .expect("the configuration comes from an address that was parsed, and uses no option that a build can refuse")
}

/// Runs the client until it must be replaced, then the next one, for ever.
async fn run(config: Config, message_capacity: usize, state: watch::Sender<ConnectionState>, reporter: HealthReporter) {
    let node = reporter.node();
    let set_connected = |is_connected: bool| {
        reporter.report(is_connected);
        state.send_modify(|state| {
            if is_connected {
                state.last_generation += 1;
            }
            state.generation = is_connected.then_some(state.last_generation);
        });
    };
    loop {
        let client = state.borrow().client.clone();
        // These must exist before the client connects, or they miss its first event.
        let connects = client.reconnect_rx();
        let errors = client.error_rx();
        let client_task = AbortOnDropHandle::new(client.connect());
        tokio::select! {
            ended = client_task => match ended {
                // The process ends.
                Err(error) if error.is_cancelled() => return,
                result => tracing::error!(%node, ?result, "the Redis client has stopped by itself; starting a new one"),
            },
            () = until_silent(&client) => tracing::warn!(
                %node,
                "Redis hasn't answered PING for {HEARTBEAT_LIMIT:?}; replacing the connection. If this repeats, check \
                 whether the server is overloaded or the network drops packets"
            ),
            () = follow_events(connects, errors, set_connected) => {}
        }
        set_connected(false);
        state.send_modify(|state| state.client = build_client(config.clone(), message_capacity));
    }
}

/// Sends PING again and again. Returns when one isn't answered in time.
async fn until_silent(client: &Client) {
    let client = client.with_options(&Options { timeout: Some(HEARTBEAT_LIMIT), ..Options::default() });
    loop {
        tokio::time::sleep(HEARTBEAT_PERIOD).await;
        // Any other error is an answer, so the server is alive.
        if client.ping::<()>(None).await.is_err_and(|error| *error.kind() == ErrorKind::Timeout) {
            return;
        }
    }
}

/// Calls `set_connected` each time that the client connects or fails. Returns when the client is gone.
async fn follow_events<E: Clone>(
    mut connects: Receiver<Server>,
    mut errors: Receiver<E>,
    set_connected: impl Fn(bool),
) {
    loop {
        tokio::select! {
            // Errors first. When an error and a connect are both waiting, the connect usually came second. If it came
            // first, the connection counts as up for a moment too long, which does no harm.
            biased;
            error = errors.recv() => match error {
                Ok(_) | Err(RecvError::Lagged(_)) => set_connected(false),
                Err(RecvError::Closed) => return,
            },
            connect = connects.recv() => match connect {
                Ok(_) | Err(RecvError::Lagged(_)) => set_connected(true),
                Err(RecvError::Closed) => return,
            },
        }
    }
}
