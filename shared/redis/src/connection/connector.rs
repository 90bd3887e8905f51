//! The task behind a connection: connects, and connects again.

use std::{sync::Arc, time::Duration};

use fred::{
    interfaces::{ClientLike, EventInterface},
    types::config::Server,
};
use scenecast_names::NameResolver;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use crate::connection::{
    addresses::ServerAddresses,
    client_settings::ClientSettings,
    health::HealthReporter,
    heartbeat::{ClientEvents, ConnectionFailure, ExpectedRole, reconnect_delay, watch_over},
    state::{ConnectedClient, ConnectionState},
    unreachable::UnreachableCause,
};

/// What others ask of a connection.
pub(crate) struct ConnectionRequests {
    /// To ask the server at once whether it is of use.
    pub(crate) doubts: Arc<Notify>,
    /// To end the connection.
    pub(crate) ends: Arc<Notify>,
}

/// Connects to one server for as long as it is needed.
pub(crate) struct Connector {
    addresses: ServerAddresses,
    settings: ClientSettings,
    expected_role: ExpectedRole,
    requests: ConnectionRequests,
    state: watch::Sender<ConnectionState>,
    reporter: HealthReporter,
    /// What tries have ended with since it was connected last. The log has said it.
    told: Vec<ConnectionFailure>,
}

impl Connector {
    pub(crate) fn new(
        names: NameResolver,
        settings: ClientSettings,
        expected_role: ExpectedRole,
        requests: ConnectionRequests,
        state: watch::Sender<ConnectionState>,
        reporter: HealthReporter,
    ) -> Self {
        let addresses = ServerAddresses::new(names, reporter.node().clone());
        Self { addresses, settings, expected_role, requests, state, reporter, told: vec![] }
    }

    /// Connects again and again, for ever.
    pub(crate) async fn run(mut self) {
        loop {
            let pause = match self.addresses.look_up().await {
                Ok(servers) => self.try_each(servers).await,
                Err(error) => {
                    self.reporter.report_unreachable(&UnreachableCause::NameResolution(error.to_string()));
                    reconnect_delay()
                }
            };
            sleep(pause).await;
        }
    }

    /// Connects to the first of these that is of use, and waits until that connection ends. If none is, says why.
    /// Returns the pause before the next try.
    async fn try_each(&mut self, servers: Vec<Server>) -> Duration {
        let mut failures = vec![];
        for server in servers {
            let failure = self.connect(&server).await;
            let was_connected = self.state.borrow().connected_client().is_some();
            if was_connected {
                // What was wrong with the addresses before it doesn't matter.
                failures = vec![failure];
                self.told.clear();
                break;
            }
            tracing::debug!(node = %self.reporter.node(), address = %server, ?failure, "couldn't connect to Redis");
            failures.push(failure);
        }
        let pause = failures.last().map_or_else(reconnect_delay, ConnectionFailure::pause);
        self.reporter.report(false);
        self.state.send_modify(ConnectionState::set_lost);
        for failure in failures {
            // Each is said once, also if several take turns.
            if !self.told.iter().any(|told| failure.is_like(told)) {
                self.tell(&failure);
                self.told.push(failure);
            }
        }
        pause
    }

    /// Makes one connection. Returns why it failed or ended.
    async fn connect(&mut self, server: &Server) -> ConnectionFailure {
        let client = self.settings.client_of(server.clone());
        // These must exist before the client connects, or they miss its first event.
        let events = ClientEvents { connects: client.reconnect_rx(), errors: client.error_rx() };
        let client_task = AbortOnDropHandle::new(client.connect());
        let moved = self.addresses.moved_from(server);
        let mut is_connected = false;
        let on_connected = |history| {
            is_connected = true;
            self.reporter.report(true);
            let connected = ConnectedClient { client: client.clone(), history };
            self.state.send_modify(|state| state.set_connected(connected));
        };
        let watched = watch_over(&client, client_task, events, self.expected_role, &self.requests.doubts, on_connected);
        let failure = tokio::select! {
            failure = watched => failure,
            () = moved => ConnectionFailure::Moved,
            () = self.requests.ends.notified() => ConnectionFailure::Lost,
        };
        if is_connected {
            self.addresses.remember(server);
        }
        failure
    }

    fn tell(&self, failure: &ConnectionFailure) {
        failure.log(self.reporter.node());
        if let ConnectionFailure::Unreachable { error, was_open } = failure
            && let Some(cause) =
                UnreachableCause::of(error, self.settings.config.tls.is_some(), self.expected_role, *was_open)
        {
            self.reporter.report_unreachable(&cause);
        }
    }
}
