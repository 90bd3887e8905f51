//! What else the pods have in common, beside scenes: small values under names, most of them with a
//! life; and letters to the sites.
//!
//! | module | what it is for |
//! |---|---|
//! | `token`, `replay`, `budget` | access tokens, the replay guard, what is left of a day's quota |
//! | `users`, `pending` | what is known of people; which scene somebody has yet to answer |
//! | `codes`, `guesses` | typed codes, and how fast somebody may guess them |
//! | `js_codes` | who sent which `js_code` |
//! | `outbox`, `pauses` | letters to the sites, until they are delivered |
//! | `census` | which gateways there are, and how many pages each holds |
//! | `memory`, `stream` | what a Redis would hold, inside one process; streams over either |

mod budget;
mod census;
mod codes;
mod guesses;
mod js_codes;
mod memory;
mod outbox;
mod pauses;
mod pending;
mod replay;
mod stream;
mod token;
mod users;

use std::{sync::Arc, time::Duration};

pub use budget::{Budget, Spent};
pub use census::{Census, Report, Reports};
pub use codes::{Code, Codes};
pub use guesses::{Guess, Guesses};
pub use js_codes::JsCodes;
use memory::Memory;
pub use outbox::{Letter, LetterKind, Outbox, Posted, Room, Sweep, Taken};
pub use pauses::Pauses;
pub use pending::{Asked, Pending};
pub use replay::{Replay, ReplayGuard};
pub use token::{Lease, StoredToken, TokenStore};
pub use users::{Follow, Told, User, Users};

use crate::{
    redis::{Lua, Redis, RedisError, Reply},
    time::millis,
};

/// How often a change is tried over while others change the same value.
const ATTEMPTS: usize = 100;

/// Why the store didn't do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer, or a refusal. Whether a write happened is undecided: ask again, or let the sender do so.
    #[error("the store gave no answer: {0}")]
    Undecided(String),
    /// What is stored isn't what we store. Nothing was changed, and asking again changes nothing.
    #[error("what is stored can't be read: {0}")]
    Malformed(&'static str),
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Foreign => Self::Malformed("type"),
            RedisError::NoAnswer(why) => Self::Undecided(why),
        }
    }
}

/// Values by name. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Store(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(Arc<Memory>),
    Redis(Redis, Arc<Scripts>),
}

#[derive(Debug)]
struct Scripts {
    count: Lua,
    swap: Lua,
    append: Lua,
}

impl Store {
    /// Over this Redis, or inside this process if there is none.
    pub fn over(redis: Option<Redis>) -> Self {
        let scripts = || Scripts {
            count: Lua::new(include_str!("count.lua")),
            swap: Lua::new(include_str!("swap.lua")),
            append: Lua::new(include_str!("append.lua")),
        };
        Self(match redis {
            None => Backend::Memory(Arc::default()),
            Some(redis) => Backend::Redis(redis, Arc::new(scripts())),
        })
    }

    async fn get(&self, name: &str) -> Result<Option<String>, StoreError> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.values().get(name).map(str::to_owned)),
            Backend::Redis(redis, _) => Ok(redis.get(name).await?),
        }
    }

    async fn put(&self, name: &str, value: String, life: Duration) -> Result<(), StoreError> {
        match &self.0 {
            Backend::Memory(memory) => {
                memory.values().put(name, value, Some(life));
                Ok(())
            }
            Backend::Redis(redis, _) => Ok(redis.set(name, &value, life).await?),
        }
    }

    /// Puts the value if the name is free; otherwise answers what is there instead. This value may be
    /// there already: the client asks again where a connection took the first answer with it.
    async fn claim(&self, name: &str, value: &str, life: Duration) -> Result<Option<String>, StoreError> {
        let there = match &self.0 {
            Backend::Memory(memory) => {
                let mut values = memory.values();
                let there = values.get(name).map(str::to_owned);
                if there.is_none() {
                    values.put(name, value.to_owned(), Some(life));
                }
                there
            }
            Backend::Redis(redis, _) => redis.set_if_free(name, value, life).await?,
        };
        Ok(there.filter(|there| there != value))
    }

    /// Removes the name if it still has this value.
    async fn release(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.swap(name, Some(value), None, None).await?;
        Ok(())
    }

    /// Gives the name what `change` makes of its value, for `life` from now on, or no end. Where others
    /// change it at the same time, `change` is called again with what they made of it; where a
    /// connection took the answer with it, with what it made itself. What it leaves as it is, keeps
    /// its life.
    async fn update<T: Send>(
        &self,
        name: &str,
        life: Option<Duration>,
        change: impl FnMut(Option<&str>) -> (Option<String>, T) + Send,
    ) -> Result<T, StoreError> {
        let there = self.get(name).await?;
        self.update_from(name, there, life, change).await
    }

    /// The same from what was read before; if that isn't so any more, it takes one step more.
    async fn update_from<T: Send>(
        &self,
        name: &str,
        mut there: Option<String>,
        life: Option<Duration>,
        mut change: impl FnMut(Option<&str>) -> (Option<String>, T) + Send,
    ) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS {
            let (value, answer) = change(there.as_deref());
            if value == there {
                return Ok(answer);
            }
            match self.swap(name, there.as_deref(), value.as_deref(), life).await? {
                Swapped::Yes => return Ok(answer),
                Swapped::No(now) => there = now,
            }
        }
        Err(StoreError::Undecided("too many change the same value".into()))
    }

    async fn swap(
        &self,
        name: &str,
        read: Option<&str>,
        value: Option<&str>,
        life: Option<Duration>,
    ) -> Result<Swapped, StoreError> {
        match &self.0 {
            Backend::Memory(memory) => {
                let mut values = memory.values();
                let there = values.get(name);
                if there != read {
                    return Ok(Swapped::No(there.map(str::to_owned)));
                }
                match value {
                    Some(value) => values.put(name, value.to_owned(), life),
                    None => values.remove(name),
                }
                Ok(Swapped::Yes)
            }
            Backend::Redis(redis, scripts) => {
                let has = |value: Option<&str>| u8::from(value.is_some()).to_string();
                let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
                let life = life.map(|life| millis(life).to_string()).unwrap_or_default();
                let args = vec![has(read), text(read), has(value), text(value), life];
                match redis.call(&scripts.swap, name, &args).await? {
                    Reply::Integer(_) => Ok(Swapped::Yes),
                    there => Ok(Swapped::No(there.into_string())),
                }
            }
        }
    }

    /// Adds one and answers the sum; the name's life begins with the first.
    async fn count(&self, name: &str, life: Duration) -> Result<u64, StoreError> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.values().count(name, life)),
            Backend::Redis(redis, scripts) => {
                let args = vec![millis(life).to_string()];
                let sum = redis.call(&scripts.count, name, &args).await?;
                sum.as_u64().ok_or(StoreError::Malformed("count"))
            }
        }
    }
}

/// What became of a swap.
enum Swapped {
    Yes,
    /// Somebody else was faster, and this is what is there now.
    No(Option<String>),
}
