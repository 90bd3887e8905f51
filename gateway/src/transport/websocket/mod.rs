//! WebSockets, server side, for sockets that are idle nearly all of their life.
//!
//! | module | what |
//! |---|---|
//! | `handshake` | which requests become a WebSocket (RFC 6455 section 4.2) |
//! | `upgrade` | takes the socket from the HTTP server |
//! | `decoder` | bytes to messages; no I/O |
//! | `socket` | reads and writes one socket |
//! | `liveness` | whether the peer is still there; no I/O |
//! | `keep_alive` | how a page and its socket know that the connection works; no I/O |
//! | `peer` | what a page may send; no I/O |
//! | `close` | why a socket is closed, and what its page is told |
//! | `close_code` | the close codes |
//! | `connection` | the task of one page's socket |
//!
//! Frame headers come from tungstenite. The buffers are our own, because they decide how much memory a page takes:
//! all sockets of a thread share one read buffer, and a socket keeps only the bytes of an incomplete frame and the
//! bytes that it couldn't send yet.
//!
//! See docs/decisions/012-our-own-websocket-reading-and-writing.md.

mod close;
mod close_code;
mod connection;
mod decoder;
mod handshake;
mod keep_alive;
mod liveness;
mod peer;
mod socket;
mod upgrade;

pub(crate) use close::CloseReason;
pub(crate) use connection::serve_page;
pub(crate) use decoder::Incoming;
pub(crate) use handshake::SUBPROTOCOL;
pub(crate) use keep_alive::KeepAlive;
pub(crate) use liveness::{Liveness, LivenessCheck};
pub(crate) use socket::WebSocket;
#[cfg(feature = "bench")]
pub(crate) use socket::text_frame;
pub(crate) use upgrade::{WebSocketUpgrade, close_unadmitted};
