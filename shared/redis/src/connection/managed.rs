//! A connection to one server that always comes back.
//!
//! The client library (fred) could reconnect by itself. It isn't let: it would know only the address that it was given,
//! and would send what waits to whichever server is there by then. Nor does it notice a server that vanishes without
//! closing the connection: it takes each command that it sends for a sign of life, and a full TCP buffer blocks its task.
//! Nor that a server has become a replica. So each client makes one connection. `heartbeat` asks the server over it; and
//! when it ends, or the wrong answer comes, or none, the next client takes its place, after `addresses` has looked the
//! server's name up again.
//!
//! ```text
//!        ┌──────────── pause ◀──────────┐ none is of use
//!        ▼                              │
//!   ┌─────────┐  addresses   ┌──────────┴──┐  a usable server answers  ┌────────────────┐
//!   │ look up │ ───────────▶ │ connecting, │ ────────────────────────▶ │   connected    │
//!   └─────────┘              │ one by one  │                           │ generation + 1 │
//!        ▲                   └─────────────┘                           └───────┬────────┘
//!        └──────────── pause ◀─────────────────────────────────────────────────┘
//!             the connection ends, no answer comes for 5 s, a replica or an error answers,
//!             or a late answer of the name server doesn't have the address any more
//! ```
//!
//! Commands wait while it isn't connected, and those in flight fail when it ends, so that the router sends them again.
//! The generation of its [`ConnectionState`] tells a subscriber that it is connected anew and has to subscribe again.
//!
//! See docs/decisions/008-a-silent-redis-client-is-replaced.md and
//! docs/decisions/075-names-are-resolved-outside-of-connect-limits.md.

use std::sync::Arc;

use fred::{clients::Client, types::config::Config};
use scenecast_names::NameResolver;
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit, watch},
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection::{
        client_settings::ClientSettings,
        connector::{ConnectionRequests, Connector},
        health::HealthReporter,
        heartbeat::ExpectedRole,
        state::{ConnectedClient, ConnectionState},
    },
    error::{RedisError, RedisErrorKind},
    history::ReplicationHistory,
};

/// How many commands may wait for an answer; more are refused at once.
const MAX_COMMANDS_IN_FLIGHT: usize = 20_000;

/// A connection. Clones share it.
#[derive(Clone)]
pub(crate) struct ManagedConnection {
    state: watch::Receiver<ConnectionState>,
    permits: Arc<Semaphore>,
    doubts: Arc<Notify>,
    ends: Arc<Notify>,
}

/// The task that runs a connection. Dropping it ends the connection, and commands in flight fail at once.
pub(crate) type ConnectionTask = AbortOnDropHandle<()>;

/// The right to have one command in flight, and the client to send it with.
pub(crate) struct CommandPermit<'a> {
    pub(crate) client: Client,
    /// That of the server before the command.
    pub(crate) history: ReplicationHistory,
    _permit: SemaphorePermit<'a>,
}

impl ManagedConnection {
    /// Starts to connect. At most `message_capacity` pub/sub messages can wait to be read.
    pub(crate) fn start(
        names: NameResolver,
        config: Config,
        message_capacity: usize,
        expected_role: ExpectedRole,
        reporter: HealthReporter,
    ) -> (Self, ConnectionTask) {
        let (sender, state) = watch::channel(ConnectionState::default());
        let (doubts, ends) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let settings = ClientSettings { config, message_capacity };
        let requests = ConnectionRequests { doubts: doubts.clone(), ends: ends.clone() };
        let connector = Connector::new(names, settings, expected_role, requests, sender, reporter);
        let permits = Arc::new(Semaphore::new(MAX_COMMANDS_IN_FLIGHT));
        (Self { state, permits, doubts, ends }, ConnectionTask::new(tokio::spawn(connector.run())))
    }

    /// Asks the server at once whether it is still a primary, because an answer of it suggests otherwise.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Ends the connection, and makes another one. Does nothing while there is none.
    pub(crate) fn replace(&self) {
        // It must not wait for the next connection, and end that.
        self.ends.notify_waiters();
    }

    /// Hold the permit until the command is answered. Refused while too many commands are in flight. Waits until
    /// the deadline while it isn't connected.
    pub(crate) async fn permit(&self, deadline: Instant) -> Result<CommandPermit<'_>, RedisError> {
        let permit = self.permits.try_acquire().map_err(|_| {
            RedisError::new(RedisErrorKind::Overloaded, "too many commands are waiting for this Redis server already")
        })?;
        let known = self.state.borrow().connected().cloned();
        let ConnectedClient { client, history } = match known {
            Some(connected) => connected,
            None => Box::pin(self.next_client(deadline)).await?,
        };
        Ok(CommandPermit { client, history, _permit: permit })
    }

    /// Whether its server isn't needed any more. Then it will never be connected again.
    pub(crate) fn was_removed(&self) -> bool {
        self.state.has_changed().is_err()
    }

    async fn next_client(&self, deadline: Instant) -> Result<ConnectedClient, RedisError> {
        let mut state = self.state.clone();
        let connected = timeout_at(deadline, state.wait_for(|state| state.connected().is_some())).await;
        let client = connected.ok().and_then(|state| state.ok()?.connected().cloned());
        client.ok_or_else(|| RedisError::new(RedisErrorKind::NoAnswer, "there is no connection to this Redis server"))
    }

    /// Receives the current state and each that follows.
    pub(crate) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }
}
