//! WebSocket, server side, for sockets that are idle nearly all of their life.
//!
//! Frame headers are tungstenite's; the buffers are ours, because they are the budget: bytes are
//! read into one buffer that all sockets of a thread share, and a socket keeps only what it got
//! of an incomplete frame, and what it couldn't send yet.

mod decoder;
mod handshake;
mod liveness;
mod socket;
mod upgrade;

pub(crate) use decoder::{Incoming, Violation};
pub(crate) use handshake::PROTOCOL;
pub(crate) use liveness::{Liveness, Silence};
pub(crate) use socket::{Broken, Socket};
pub(crate) use upgrade::Upgrade;

/// Close codes (RFC 6455 section 7.4 and the IANA registry) that this server sends.
pub(crate) mod close {
    /// The scene is over.
    pub(crate) const DONE: u16 = 1000;
    /// The peer broke the protocol.
    pub(crate) const PROTOCOL_ERROR: u16 = 1002;
    /// Binary frames carry nothing here.
    pub(crate) const UNSUPPORTED: u16 = 1003;
    /// Text that isn't UTF-8.
    pub(crate) const NOT_UTF8: u16 = 1007;
    /// What was asked for isn't allowed; asking again won't help.
    pub(crate) const POLICY: u16 = 1008;
    /// A message over the limit.
    pub(crate) const TOO_BIG: u16 = 1009;
    /// This pod is leaving; connect again.
    pub(crate) const RESTART: u16 = 1012;
    /// No room, or what is needed is away; connect again later.
    pub(crate) const TRY_LATER: u16 = 1013;
}
