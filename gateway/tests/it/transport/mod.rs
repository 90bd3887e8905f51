//! The own API, by each transport.

mod every_transport;
mod files;
mod http;
mod origins;
mod poll;
mod sse;
mod websocket;
