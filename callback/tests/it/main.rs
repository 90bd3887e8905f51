//! The callback as others meet it: over HTTP, with the simulator as WeChat, over the memory bus and a real Redis. The
//! directories have the names of the rooms in `src` that they test.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]
// The futures of a request are nested deeper than the compiler's default limit.
#![recursion_limit = "256"]

mod gateways;
mod inbound;
mod mini_program;
mod process;
mod site;
mod stores;
mod webhooks;
mod wechat;
mod world;
