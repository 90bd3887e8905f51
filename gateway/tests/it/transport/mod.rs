//! The own API, by each transport.

mod every_transport;
mod http;
mod origins;
mod poll;
mod sse;
mod websocket;
