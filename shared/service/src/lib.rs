//! How a process is configured, served and watched. Knows neither Redis, nor the bus, nor WeChat.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`] | one file and environment variables over it, checked |
//! | [`process`] | the command line, and what starts and ends around what a process serves |
//! | [`telemetry`] | log lines and traces |
//! | [`http`] | problem+json, bodies within limits, where a request came from |
//! | [`admission`] | which connections and requests a pod accepts |
//! | [`listener`] | the accept loop, connections, the admin listener |
//! | [`shutdown`] | the end of a process, step by step |

pub mod admission;
pub mod config;
pub mod http;
pub mod listener;
pub mod process;
pub mod shutdown;
pub mod telemetry;
