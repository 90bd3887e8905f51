//! What gateway and callback share: scenes, the bus that carries them, WeChat's wire formats,
//! and how a process is configured, served and watched.
//!
//! | module | what it is for |
//! |---|---|
//! | [`scene`] | ids, keys, grants, and the transitions of one login; no I/O |
//! | [`wechat`] | WeChat's signatures, messages and errors; pure functions on bytes |
//! | [`internal`] | how gateway and callback authenticate to each other |
//! | [`bus`] | `open`, `watch`, `settle`: scenes carried between pods |
//! | [`store`] | what else pods have in common: tokens, users, typed codes, budgets; the outbox; the census |
//! | [`redis`] | the Redis client and its topology; nothing else names it |
//! | [`config`], [`process`] | file, environment and command line |
//! | [`telemetry`], [`serve`] | observe; accept, answer, leave |
//! | [`time`] | the time of day |
//! | `testing` | fixtures that start real servers (feature `testing`) |

pub mod bus;
pub mod config;
pub mod internal;
pub mod process;
pub mod redis;
pub mod scene;
pub mod serve;
pub mod store;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod wechat;
