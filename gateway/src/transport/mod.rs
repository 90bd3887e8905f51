//! What carries a scene's events to its page.
//!
//! | module | what |
//! |---|---|
//! | `http` | the routes of the own API: `/v1/…` |
//! | `websocket` | `GET /v1/ws`: WebSocket framing in next to no memory, and one page's connection |
//! | `sse` | `GET /v1/scenes/{scene}/events`: one long response |
//! | `poll` | `GET /v1/scenes/{scene}`: one answer at a time |
//! | `problem` | a refusal as HTTP problem, with its status |
//! | `reconnect` | how long a page waits before it reconnects, with jitter |
//! | `timer_grid` | deadlines that needn't be exact, together for many pages |
//! | `page_origin` | from pages of which origins a request may come |
//! | `origin_check` | refuses pages of other origins, and tells them and the operator |
//! | `cors` | what browsers let pages of other hosts send and read |
//! | `visitor` | what a request tells of its client and page |
//! | `page_module` | the page's JavaScript |
//! | `page_files` | how it is served, with its types |
//!
//! A new transport is a module here with a handler in `http`. It gets its updates from a
//! [`SceneFeed`](crate::session::SceneFeed), counts its connections with
//! [`GatewayMetrics::connection_opened`](crate::metrics::GatewayMetrics::connection_opened), and waits with
//! `reconnect`.
//!
//! See docs/decisions/030-all-transports-tell-the-same-story.md.

mod cors;
pub(crate) mod http;
mod origin_check;
mod page_files;
mod page_module;
mod page_origin;
mod poll;
mod problem;
mod reconnect;
mod sse;
pub(crate) mod timer_grid;
pub(crate) mod visitor;
pub(crate) mod websocket;

pub use page_module::{login_box_module, page_module};
pub(crate) use sse::stream_headers;
