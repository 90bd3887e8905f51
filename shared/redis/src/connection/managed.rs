//! A connection to one server that always comes back.
//!
//! Two things keep it alive. The client library (fred) reconnects by itself when the TCP connection ends. It doesn't
//! notice a server that vanishes without closing the connection: it takes each command that it sends for a sign of
//! life, and a full TCP buffer blocks its task. Nor does it notice that a server has become a replica. So `heartbeat`
//! asks the server, and when no answer comes back, or the wrong one, the whole client is replaced by a new one.
//!
//! The address of the server's name is found first, by `addresses`; the client knows only the address. When an attempt
//! to connect fails, the name is looked up again.
//!
//! ```text
//!   ┌────────────┐ connected  ┌────────────────┐ lost       ┌──────────────┐
//!   │ connecting │ ─────────▶ │   connected    │ ─────────▶ │ reconnecting │  the same client tries
//!   └────────────┘            │ generation + 1 │ ◀───────── │              │  every 50–300 ms
//!         ▲                   └───────┬────────┘ connected  └──────┬───────┘
//!         │                           │                            │
//!         │ a new client              │  no answer for 5 s, a replica answers, the client's task ends, or the name
//!         │                           │  has another address after a failed attempt
//!         └───────────────────────────┴────────────────────────────┘
//! ```
//!
//! `generation` in [`ConnectionState`] tells a subscriber that it is connected anew and has to subscribe again.
//!
//! See docs/decisions/008-a-silent-redis-client-is-replaced.md.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use fred::{
    clients::Client,
    interfaces::{ClientLike, EventInterface},
    types::{
        Builder, RespVersion,
        config::{Config, ReconnectPolicy, Server, ServerConfig, TcpConfig},
    },
};
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit, watch},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection::{
        addresses::ServerAddresses,
        health::HealthReporter,
        heartbeat::{ClientEvents, ConnectionFailure, ExpectedRole, LinkChange, watch_over},
        hello::hello_word,
        unreachable::UnreachableCause,
    },
    error::{RedisError, RedisErrorKind},
};

/// How long a command may take. Later, whether it was carried out is undecided.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(2);
/// How many commands may wait for an answer; more are refused at once. The client's own limit isn't used, because the
/// client would apply it to its reconnect, too.
const MAX_COMMANDS_IN_FLIGHT: usize = 20_000;
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
    doubts: Arc<Notify>,
}

/// The state of a connection.
#[derive(Clone)]
pub(crate) struct ConnectionState {
    /// `None` while there is none: the server's name is being resolved, or the client is being replaced.
    client: Option<Client>,
    /// Counts how many times it has connected; `None` while it isn't connected.
    pub(crate) generation: Option<u64>,
    last_generation: u64,
    /// When it was lost last. `None` if it never was so far, not even before it was confirmed.
    pub(crate) lost_at: Option<SystemTime>,
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
    pub(crate) fn start(
        config: Config,
        message_capacity: usize,
        expected_role: ExpectedRole,
        reporter: HealthReporter,
    ) -> (Self, ConnectionTask) {
        let (sender, state) =
            watch::channel(ConnectionState { client: None, generation: None, last_generation: 0, lost_at: None });
        let doubts = Arc::<Notify>::default();
        let settings = ClientSettings { config, message_capacity };
        let task = tokio::spawn(run(settings, expected_role, doubts.clone(), sender, reporter));
        let permits = Arc::new(Semaphore::new(MAX_COMMANDS_IN_FLIGHT));
        (Self { state, permits, doubts }, ConnectionTask::new(task))
    }

    /// Asks the server at once whether it is still a primary, because an answer of it suggests otherwise.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Hold the permit until the command is answered. Refused while too many commands are in flight. Waits until
    /// the deadline while the server's name is being resolved, or its client replaced.
    pub(crate) async fn permit(&self, deadline: Instant) -> Result<CommandPermit<'_>, RedisError> {
        let permit = self.permits.try_acquire().map_err(|_| {
            RedisError::new(RedisErrorKind::Overloaded, "too many commands are waiting for this Redis server already")
        })?;
        let known = self.state.borrow().client.clone();
        let client = match known {
            Some(client) => client,
            None => Box::pin(self.next_client(deadline)).await?,
        };
        Ok(CommandPermit { client, _permit: permit })
    }

    async fn next_client(&self, deadline: Instant) -> Result<Client, RedisError> {
        let mut state = self.state.clone();
        let replaced = timeout_at(deadline, state.wait_for(|state| state.client.is_some())).await;
        let client = replaced.ok().and_then(|state| state.ok()?.client.clone());
        client.ok_or_else(|| RedisError::new(RedisErrorKind::NoAnswer, "there is no connection to this Redis server"))
    }

    /// Receives the current state and each that follows.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }
}

impl ConnectionState {
    /// The client, while it is connected.
    pub(crate) fn connected_client(&self) -> Option<&Client> {
        self.client.as_ref().filter(|_| self.generation.is_some())
    }
}

/// What the clients of one connection have in common.
struct ClientSettings {
    config: Config,
    message_capacity: usize,
}

fn build_client(settings: &ClientSettings, server: Server) -> Client {
    let message_capacity = settings.message_capacity;
    let mut config = Config { server: ServerConfig::Centralized { server }, ..settings.config.clone() };
    config.username = config.username.as_deref().map(hello_word);
    config.password = config.password.as_deref().map(hello_word);
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
async fn run(
    settings: ClientSettings,
    expected_role: ExpectedRole,
    doubts: Arc<Notify>,
    state: watch::Sender<ConnectionState>,
    reporter: HealthReporter,
) {
    let has_tls = settings.config.tls.is_some();
    let attempt_failed = Notify::new();
    let report_cause = |cause: &UnreachableCause| reporter.report_unreachable(cause);
    let mut addresses = ServerAddresses::find(reporter.node(), report_cause).await;
    let set_connected = |is_connected: bool| {
        reporter.report(is_connected);
        state.send_modify(|state| {
            if is_connected {
                state.last_generation += 1;
            } else if state.generation.is_some() || state.lost_at.is_none() {
                state.lost_at = Some(SystemTime::now());
            }
            state.generation = is_connected.then_some(state.last_generation);
        });
    };
    let mut failure = None;
    loop {
        let client = build_client(&settings, addresses.in_use());
        state.send_modify(|state| state.client = Some(client.clone()));
        // These must exist before the client connects, or they miss its first event.
        let events = ClientEvents { connects: client.reconnect_rx(), errors: client.error_rx() };
        let mut is_confirmed = false;
        let on_change = |change: LinkChange| match change {
            LinkChange::Up => {
                is_confirmed = true;
                set_connected(true);
            }
            LinkChange::Down => set_connected(false),
            LinkChange::AttemptFailed { error, was_open } => {
                set_connected(false);
                attempt_failed.notify_one();
                if let Some(cause) = UnreachableCause::of(&error, has_tls, was_open) {
                    report_cause(&cause);
                }
            }
        };
        let client_task = AbortOnDropHandle::new(client.connect());
        let ended = tokio::select! {
            ended = client_task => match ended {
                // The process ends.
                Err(error) if error.is_cancelled() => return,
                result => ConnectionFailure::ClientEnded(format!("{result:?}")),
            },
            ended = watch_over(&client, expected_role, events, &doubts, on_change) => ended,
            () = addresses.until_another(&attempt_failed, report_cause) => ConnectionFailure::OtherAddress,
        };
        set_connected(false);
        // The same failure of one client after the other is said once.
        if is_confirmed || failure.as_ref() != Some(&ended) {
            ended.log(reporter.node());
        }
        let pause = ended.pause();
        failure = Some(ended);
        // Commands wait for the next client, instead of failing with this one.
        state.send_modify(|state| state.client = None);
        sleep(pause).await;
    }
}
