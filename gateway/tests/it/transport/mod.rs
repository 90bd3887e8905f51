//! The own API, by each transport.

mod every_transport;
mod http;
mod poll;
mod sse;
mod websocket;
