//! How pages are reached.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a page is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayIn {
    WebSocket,
    /// Server-sent events.
    Sse,
    /// Long polls.
    Poll,
    /// The compatible route of a page that chooses an id and waits on a socket at that path.
    PathSocket,
    /// The same with the id in the query, and a mini program's code.
    ClientIdSocket,
    /// The compatible route of a page whose code people type.
    TypedCode,
    /// The compatible route of a page that gets its code as soon as its socket is open.
    QrOnOpen,
    /// The compatible route of a page that polls with a ticket.
    TicketPolling,
}

impl WayIn {
    pub const ALL: [Self; 8] = [
        Self::WebSocket,
        Self::Sse,
        Self::Poll,
        Self::PathSocket,
        Self::ClientIdSocket,
        Self::TypedCode,
        Self::QrOnOpen,
        Self::TicketPolling,
    ];

    /// Its name on the command line and in the result file.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::Poll => "poll",
            Self::PathSocket => "path-socket",
            Self::ClientIdSocket => "client-id",
            Self::TypedCode => "typed-code",
            Self::QrOnOpen => "qr-on-open",
            Self::TicketPolling => "ticket",
        }
    }

    /// Whether it is a route for pages that were written for another server.
    pub fn is_compatible(self) -> bool {
        !matches!(self, Self::WebSocket | Self::Sse | Self::Poll)
    }
}

/// How many of the pages come this way, in proportion to the other weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedWay {
    pub way: WayIn,
    pub weight: u32,
}

impl fmt::Display for WayIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
