//! The bus: scenes carried between pods, over Redis or inside one process.
//!
//! One contract for every backend, held by one test suite (`tests/it/bus/contract`): a settle is atomic and the first
//! writer wins; the same delivery twice changes nothing; a watcher gets every event after the one that it names,
//! those in the mailbox first, however the connection to Redis fares.
//!
//! A gateway has a [`SceneReader`], which can watch and read. Only a callback has a [`SceneWriter`], which can open
//! and settle:
//!
//! ```
//! # use scenecast_bus::SceneWriter;
//! # use scenecast_scene::{Cause, SceneId, Transition};
//! async fn settle(scenes: SceneWriter, id: SceneId, cause: &Cause, transition: &Transition) {
//!     let _ = scenes.settle(id, cause, transition).await;
//! }
//! ```
//!
//! A gateway that settles doesn't compile:
//!
//! ```compile_fail,E0599
//! # use scenecast_bus::SceneReader;
//! # use scenecast_scene::{Cause, SceneId, Transition};
//! async fn settle(scenes: SceneReader, id: SceneId, cause: &Cause, transition: &Transition) {
//!     let _ = scenes.settle(id, cause, transition).await;
//! }
//! ```
//!
//! A new backend is a variant in `ReaderBackend`, `WriterBackend`, `StoreBackend`, `CensusBackend`, [`BusUrl`], and
//! `TestBackend` in `shared/testing`.
//!
//! | module | what it is for |
//! |---|---|
//! | `reader`, `writer` | the two halves of the bus |
//! | `mailbox`, `error` | what is read, and why there is no answer |
//! | `memory` | both halves inside one process |
//! | `redis` | scenes in Redis: a hash for each, and a sharded channel of the same name |
//! | `watch` | this process's watchers, and what each is told |
//! | `subscriptions` | the reader over Redis: keeps what is subscribed there the same as what is watched here |
//! | `replacement` | a stored value that is replaced along with a settle |
//! | `store` | [`Store`]: values under names, and streams, on which the callback's stores stand |
//! | `census` | which gateways there are, and how many pages each holds |
//! | `config` | `[bus]` in the configuration |
//!
//! ```text
//!  reader ──▶ subscriptions (manager ──▶ a worker for each primary) ──▶ watch (registry, inbox)
//!                    │
//!                    └──▶ redis/mailboxes            writer ──▶ redis/writer (open.lua, settle.lua)
//! ```

mod census;
mod config;
mod error;
mod mailbox;
mod memory;
mod reader;
mod redis;
mod replacement;
mod store;
mod subscriptions;
mod watch;
mod writer;

pub use census::{Census, GatewayReport, GatewayReports};
pub use config::{BusConfig, BusUrl};
pub use error::BusError;
pub use mailbox::Mailbox;
pub use reader::SceneReader;
pub use replacement::{Replacement, SettledAlong};
pub use scenecast_redis::{CLIENT_LOG_FILTER, KeptSince, PendingEntry, StreamEntry};
pub use store::{
    key_value::{Store, StoreError},
    rights::StoredNames,
};
pub use watch::{inbox::Notice, registry::Watch};
pub use writer::SceneWriter;

/// Both halves of a bus inside this process: what the writer settles, the reader's watchers are told.
pub fn in_memory() -> (SceneReader, SceneWriter) {
    let scenes = memory::MemoryScenes::default();
    (SceneReader::in_memory(scenes.clone()), SceneWriter::in_memory(scenes))
}
