//! The state of a connection, as those who use it see it.

use std::time::SystemTime;

use fred::clients::Client;

use crate::history::ReplicationHistory;

/// A client that leads to a usable server.
#[derive(Clone)]
pub(crate) struct ConnectedClient {
    pub(crate) client: Client,
    /// That of the server before anything was sent to it over this connection.
    pub(crate) history: ReplicationHistory,
}

/// The state of a connection.
#[derive(Clone, Default)]
pub(crate) struct ConnectionState {
    /// `None` while it isn't connected to a usable server.
    client: Option<ConnectedClient>,
    /// Counts how many times it has connected; `None` while it isn't connected.
    pub(crate) generation: Option<u64>,
    last_generation: u64,
    /// When it was lost last, or first couldn't be made. `None` if neither was so far.
    pub(crate) lost_at: Option<SystemTime>,
}

impl ConnectionState {
    /// The client, while it is connected.
    pub(crate) fn connected_client(&self) -> Option<&Client> {
        self.client.as_ref().map(|connected| &connected.client)
    }

    /// The client and what is known of its server, while it is connected.
    pub(crate) fn connected(&self) -> Option<&ConnectedClient> {
        self.client.as_ref()
    }

    /// Notes that this client has reached a usable server.
    pub(crate) fn set_connected(&mut self, client: ConnectedClient) {
        self.last_generation += 1;
        self.generation = Some(self.last_generation);
        self.client = Some(client);
    }

    /// Notes that the connection was lost, or couldn't be made.
    pub(crate) fn set_lost(&mut self) {
        if self.client.is_some() || self.lost_at.is_none() {
            self.lost_at = Some(SystemTime::now());
        }
        self.generation = None;
        self.client = None;
    }
}
