//! The bus: `open`, `watch` and `settle` carry scenes between pods.
//!
//! One contract for every backend, held by one test suite (`tests/it/bus`): a settle is atomic and
//! the first writer wins; the same delivery twice changes nothing; a watcher gets every event
//! after the one it names, those in the mailbox first, however the connection to Redis fares.

mod hub;
mod inbox;
mod keeper;
mod lane;
mod memory;
mod redis;

use std::{sync::Arc, time::Duration};

use crate::{
    config::BusUrl,
    redis::Redis,
    scene::{Cause, Event, Opening, SceneId, Settled, Standing, State, Transition},
    telemetry::Metrics,
};

pub use hub::Watch;
pub use inbox::Notice;

/// Why the bus gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Redis is away, slow, or refused. Whether a write happened is undecided: do it again with
    /// the same delivery id, or let the sender do so.
    #[error("Redis gave no answer: {0}")]
    Undecided(String),
    /// What Redis holds isn't what we store. Nothing was changed.
    #[error("the mailbox can't be read: {0}")]
    Malformed(&'static str),
}

/// A scene's stored state, as a watcher may know it.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Its state, by the bus's clock.
    pub state: State,
    /// What is left of that state's life.
    pub remaining: Duration,
    /// What has happened, oldest first.
    pub events: Vec<Arc<Event>>,
}

/// What this process does on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Holds pages: watches.
    Watches,
    /// Opens and settles, and never subscribes.
    Settles,
}

/// The bus. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Bus(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(memory::MemoryBus),
    Redis(redis::RedisBus),
}

impl Bus {
    /// The bus at this address. It needn't be reachable yet.
    pub fn connect(url: &BusUrl, role: Role, metrics: &Metrics) -> (Self, Option<Redis>) {
        match url {
            BusUrl::Memory => (Self::memory(), None),
            BusUrl::Redis(address) => {
                let redis = Redis::connect(address, metrics);
                (Self::over(&redis, role, metrics), Some(redis))
            }
        }
    }

    /// A bus inside this process.
    pub fn memory() -> Self {
        Self(Backend::Memory(memory::MemoryBus::default()))
    }

    /// A bus over this Redis.
    pub fn over(redis: &Redis, role: Role, metrics: &Metrics) -> Self {
        Self(Backend::Redis(redis::RedisBus::new(redis.clone(), role, metrics)))
    }

    /// Makes the scene exist until its life ends; one that exists already stays as it is. Answers
    /// whether it was made now; where an answer was lost on the way, it may have been made before.
    pub async fn open(&self, scene: SceneId, opening: &Opening) -> Result<bool, BusError> {
        match &self.0 {
            Backend::Memory(bus) => Ok(bus.open(scene, opening)),
            Backend::Redis(bus) => bus.open(scene, opening).await,
        }
    }

    /// The scene's events after `after`: those in the mailbox first, then live ones. The mailbox
    /// comes along as it was once the watch was confirmed; `None` if there is no such scene (yet).
    pub async fn watch(&self, scene: SceneId, after: u64) -> Result<(Watch, Option<Mailbox>), BusError> {
        match &self.0 {
            Backend::Memory(bus) => Ok(bus.watch(scene, after)),
            Backend::Redis(bus) => bus.watch(scene, after).await,
        }
    }

    /// Changes the scene, stores the event and tells its watchers, in one step or not at all.
    pub async fn settle(&self, scene: SceneId, cause: &Cause, transition: &Transition) -> Result<Settled, BusError> {
        let step = transition.step();
        match &self.0 {
            Backend::Memory(bus) => Ok(bus.settle(scene, cause, &step)),
            Backend::Redis(bus) => bus.settle(scene, cause, &step).await,
        }
    }

    /// The scene's mailbox as it is now.
    pub async fn read(&self, scene: SceneId) -> Result<Option<Mailbox>, BusError> {
        match &self.0 {
            Backend::Memory(bus) => Ok(bus.read(scene)),
            Backend::Redis(bus) => bus.read(scene).await,
        }
    }

    /// How the scene stands now, with what only those who settle may know.
    pub async fn standing(&self, scene: SceneId) -> Result<Option<Standing>, BusError> {
        match &self.0 {
            Backend::Memory(bus) => Ok(bus.standing(scene)),
            Backend::Redis(bus) => bus.standing(scene).await,
        }
    }

    /// How many scenes have a watcher in this process.
    pub fn held(&self) -> usize {
        match &self.0 {
            Backend::Memory(bus) => bus.held(),
            Backend::Redis(bus) => bus.held(),
        }
    }
}
