//! `[compatible]`: routes for login pages that were written for other servers. Each is off unless it names
//! the account that its pages log in with. `docs/compatible.md` says what they do and what they can't.

use std::{net::SocketAddr, time::Duration};

use scenecast_scene::AccountName;
use scenecast_service::config::listen_address;
use serde::Deserialize;
use strum::IntoStaticStr;

/// `[compatible]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompatibleConfig {
    /// The page chooses an id, and connects to a WebSocket whose path ends in it.
    pub path_socket: Option<CompatibleRoute>,
    /// The page chooses an id, and connects to a WebSocket with it in the query; the account is a mini program.
    pub client_id_socket: Option<CompatibleRoute>,
    /// The user types a code into a chat with the account.
    pub typed_code: Option<CompatibleRoute>,
    /// The page gets a QR code as soon as it connects, on a port of its own.
    pub qr_on_open: Option<CompatibleListener>,
    /// The page polls with a ticket.
    pub ticket_polling: Option<CompatibleRoute>,
}

impl CompatibleConfig {
    /// The longest life of a scene on the routes that are on; zero if none is.
    pub(crate) fn longest_scene_life(&self) -> Duration {
        let Self { path_socket, client_id_socket, typed_code, qr_on_open, ticket_polling } = self;
        let routes = [
            (CompatibleKind::PathSocket, path_socket.is_some()),
            (CompatibleKind::ClientIdSocket, client_id_socket.is_some()),
            (CompatibleKind::TypedCode, typed_code.is_some()),
            (CompatibleKind::QrOnOpen, qr_on_open.is_some()),
            (CompatibleKind::TicketPolling, ticket_polling.is_some()),
        ];
        routes.into_iter().filter(|(_, is_on)| *is_on).map(|(kind, _)| kind.scene_life()).max().unwrap_or_default()
    }
}

/// A compatible route of the public listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatibleRoute {
    /// The account that its pages log in with.
    pub account: AccountName,
}

/// A compatible route with a listener of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatibleListener {
    /// The account that its pages log in with.
    pub account: AccountName,
    /// Where its pages connect.
    #[serde(deserialize_with = "listen_address")]
    pub listen: SocketAddr,
}

/// How a page of another server and its phone find each other. As text, the name in configuration and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum CompatibleKind {
    PathSocket,
    ClientIdSocket,
    TypedCode,
    QrOnOpen,
    TicketPolling,
}

impl CompatibleKind {
    /// How long its scenes live: as long as on the server that its pages were written for.
    pub(crate) fn scene_life(self) -> Duration {
        Duration::from_secs(match self {
            Self::PathSocket | Self::TicketPolling => 3600,
            Self::ClientIdSocket | Self::TypedCode => 300,
            Self::QrOnOpen => 120,
        })
    }
}
