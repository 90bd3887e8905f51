//! How a process is configured, how it serves HTTP, and how it is observed. Knows neither Redis, nor the bus, nor WeChat.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`] | a TOML file, environment variables that override it, and checks |
//! | [`ceilings`] | limits of connections, lowered where the process can't hold as many |
//! | `descriptors` | how many files the process may open |
//! | `memory` | how much memory the process may have |
//! | [`process`] | the command line: `serve`, `check-config`, `healthcheck` |
//! | [`threads`] | how many threads do a process's work |
//! | [`telemetry`] | log lines and traces |
//! | [`http`] | problem+json, request bodies within limits, client addresses |
//! | [`admission`] | which connections and requests a pod accepts, and what the others are told |
//! | [`listener`] | the accept loop, connections, the admin listener |
//! | [`outbound`] | requests of our own: proxies, names |
//! | [`signals`] | what stops a process, and what doesn't |
//! | [`shutdown`] | how a process shuts down, step by step |

pub mod admission;
pub mod ceilings;
pub mod config;
mod descriptors;
pub mod http;
pub mod listener;
pub mod memory;
pub mod outbound;
pub mod process;
pub mod shutdown;
pub mod signals;
pub mod telemetry;
pub mod threads;
