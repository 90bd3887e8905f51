//! What else the pods have in common, beside scenes: small values under names, each with a life.

mod budget;
mod js_codes;
mod replay;
mod token;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

pub use budget::{Budget, Spent};
pub use js_codes::JsCodes;
pub use replay::{Replay, ReplayGuard};
pub use token::{Lease, StoredToken, TokenStore};

use crate::redis::{Lua, Redis, RedisError};

/// The store gave no answer; nothing can be said about whether a write happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store gave no answer: {0}")]
pub struct StoreError(String);

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        Self(error.to_string())
    }
}

/// Values by name. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Store(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(Arc<Mutex<HashMap<String, (String, Instant)>>>),
    Redis { redis: Redis, release: Lua, count: Lua },
}

impl Store {
    /// Over this Redis, or inside this process if there is none.
    pub fn over(redis: Option<Redis>) -> Self {
        Self(match redis {
            None => Backend::Memory(Arc::default()),
            Some(redis) => Backend::Redis {
                redis,
                release: Lua::new(include_str!("release.lua")),
                count: Lua::new(include_str!("count.lua")),
            },
        })
    }

    async fn get(&self, name: &str) -> Result<Option<String>, StoreError> {
        match &self.0 {
            Backend::Memory(values) => Ok(alive(values).get(name).map(|(value, _)| value.clone())),
            Backend::Redis { redis, .. } => Ok(redis.get(name).await?),
        }
    }

    async fn put(&self, name: &str, value: String, life: Duration) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Memory(values) => {
                alive(values).insert(name.to_owned(), (value, Instant::now() + life));
                Ok(())
            }
            Backend::Redis { redis, .. } => Ok(redis.set(name, value, life).await?),
        }
    }

    /// Puts the value if the name is free; otherwise answers what is there instead. This value may be
    /// there already: the client asks again where a connection took the first answer with it.
    async fn claim(&self, name: &str, value: &str, life: Duration) -> Result<Option<String>, StoreError> {
        let there = match &self.0 {
            Backend::Memory(values) => {
                let mut values = alive(values);
                let there = values.get(name).map(|(value, _)| value.clone());
                if there.is_none() {
                    values.insert(name.to_owned(), (value.to_owned(), Instant::now() + life));
                }
                there
            }
            Backend::Redis { redis, .. } => redis.set_if_free(name, value, life).await?,
        };
        Ok(there.filter(|there| there != value))
    }

    /// Removes the name if it still has this value.
    async fn release(&self, name: &str, value: &str) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Memory(values) => {
                let mut values = alive(values);
                if values.get(name).is_some_and(|(there, _)| there == value) {
                    values.remove(name);
                }
                Ok(())
            }
            Backend::Redis { redis, release, .. } => {
                redis.call(release, name.to_owned(), vec![value.to_owned()]).await?;
                Ok(())
            }
        }
    }

    /// Adds one and answers the sum; the name's life begins with the first.
    async fn count(&self, name: &str, life: Duration) -> Result<u64, StoreError> {
        match &self.0 {
            Backend::Memory(values) => {
                let mut values = alive(values);
                let (count, _) =
                    values.entry(name.to_owned()).or_insert_with(|| ("0".to_owned(), Instant::now() + life));
                let sum = count.parse::<u64>().unwrap_or(0) + 1;
                *count = sum.to_string();
                Ok(sum)
            }
            Backend::Redis { redis, count, .. } => {
                let args = vec![life.as_millis().to_string()];
                let sum = redis.call(count, name.to_owned(), args).await?;
                sum.as_u64().ok_or_else(|| StoreError("a count that is no number".into()))
            }
        }
    }
}

fn alive(values: &Mutex<HashMap<String, (String, Instant)>>) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
    // No code that holds the lock panics half-way through a change.
    let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    values.retain(|_, (_, ends)| *ends > now);
    values
}
