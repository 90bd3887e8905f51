//! Values under names, most of them with a life: over Redis, or inside one process.

use std::{sync::Arc, time::Duration};

use scenecast_redis::{KeptSince, Redis, RedisError, RedisErrorKind, Reply, Script};
use scenecast_scene::time::millis;

use crate::store::{
    memory::MemoryStore,
    rights::{self, StoredNames},
};

/// How often a change is repeated if others change the same value at the same time.
const MAX_ATTEMPTS: usize = 100;

/// Why the store gives no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Redis gave no answer, or refused. Whether a write happened is undecided: call again, or let your own caller do
    /// so.
    #[error("Redis did not carry out the command: {0}")]
    Undecided(#[source] RedisError),
    /// Others changed the same value during each attempt. Nothing was changed. Call again.
    #[error("too many change the same value at a time")]
    Contended,
    /// The stored value has a form that we don't write. Nothing was changed, and calling again doesn't help.
    #[error("what is stored can't be read: {what}")]
    Malformed {
        /// What can't be read.
        what: &'static str,
        /// The answer of Redis that says so, if it is one.
        #[source]
        cause: Option<RedisError>,
    },
}

impl StoreError {
    /// Whether calling again can help.
    pub fn is_undecided(&self) -> bool {
        !matches!(self, Self::Malformed { .. })
    }

    /// Whether Redis is away. Who connects to it says why in the log.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Undecided(error) => matches!(error.kind(), RedisErrorKind::NoAnswer | RedisErrorKind::NoPrimary),
            Self::Contended | Self::Malformed { .. } => false,
        }
    }

    /// What is stored, or was answered, isn't what we store.
    pub fn malformed(what: &'static str) -> Self {
        Self::Malformed { what, cause: None }
    }
}

impl From<RedisError> for StoreError {
    fn from(error: RedisError) -> Self {
        if error.may_succeed_later() {
            Self::Undecided(error)
        } else {
            Self::Malformed { what: "type", cause: Some(error) }
        }
    }
}

/// Values and streams by name. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Store(pub(crate) StoreBackend);

#[derive(Debug, Clone)]
pub(crate) enum StoreBackend {
    Memory(Arc<MemoryStore>),
    Redis(Redis, Arc<StoreScripts>),
}

#[derive(Debug)]
pub(crate) struct StoreScripts {
    count: Script,
    keep: Script,
    swap: Script,
    pub(crate) append: Script,
}

impl Store {
    /// Over this Redis, or inside this process if there is none.
    pub fn over(redis: Option<Redis>) -> Self {
        let scripts = || StoreScripts {
            count: Script::new(include_str!("count.lua")),
            keep: Script::new(include_str!("keep.lua")),
            swap: Script::new(include_str!("swap.lua")),
            append: Script::new(include_str!("append.lua")),
        };
        Self(match redis {
            None => StoreBackend::Memory(Arc::default()),
            Some(redis) => StoreBackend::Redis(redis, Arc::new(scripts())),
        })
    }

    /// Checks at each primary of Redis, whenever it is connected to, that our user may use these names. What is refused is
    /// logged and counted.
    pub fn check_rights(&self, names: StoredNames<'_>) {
        if let StoreBackend::Redis(redis, _) = &self.0 {
            redis.check_rights("stores", rights::commands(names));
        }
    }

    /// The value of this name, if it has one.
    pub async fn get(&self, name: &str) -> Result<Option<String>, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => Ok(memory.values().get(name).map(str::to_owned)),
            StoreBackend::Redis(redis, _) => Ok(redis.get(name).await?),
        }
    }

    /// The value that this name had when the same `reader` asked for the first time. The answer is remembered for `life`,
    /// so that a reader that comes again decides the same, whatever became of the value. `None` is as final as that of
    /// [`Store::find`].
    pub async fn get_once(&self, name: &str, reader: &str, life: Duration) -> Result<Option<String>, StoreError> {
        let copy = copy_name(name, reader);
        let kept = match &self.0 {
            StoreBackend::Memory(memory) => memory.values().keep(name, &copy, life),
            StoreBackend::Redis(redis, scripts) => {
                let (kept, read_at) = redis.write(&scripts.keep, name, &[copy, millis(life).to_string()]).await?;
                let kept = kept.into_string().ok_or(StoreError::malformed("copy"))?;
                if kept.is_empty() {
                    redis.confirm_missing(name).await?;
                    redis.wait_for_replicas(&read_at).await?;
                }
                kept
            }
        };
        Ok(Some(kept).filter(|kept| !kept.is_empty()))
    }

    /// [`Store::get`], for callers who tell somebody for good that there is nothing. Over Redis, `None` doesn't come from
    /// a primary that was replaced; that costs a wait for its replicas, and only then.
    ///
    /// See docs/decisions/039-a-negative-answer-is-acknowledged-too.md.
    pub async fn find(&self, name: &str) -> Result<Option<String>, StoreError> {
        match &self.0 {
            StoreBackend::Memory(_) => self.get(name).await,
            StoreBackend::Redis(redis, _) => Ok(redis.find(name).await?),
        }
    }

    /// [`Store::find`], for callers who tell somebody for good what the value is, too. Over Redis that costs a wait for the
    /// replicas each time.
    pub async fn find_current(&self, name: &str) -> Result<Option<String>, StoreError> {
        match &self.0 {
            StoreBackend::Memory(_) => self.get(name).await,
            StoreBackend::Redis(redis, _) => Ok(redis.find_current(name).await?),
        }
    }

    /// Sets the value of this name, for `life`.
    pub async fn put(&self, name: &str, value: String, life: Duration) -> Result<(), StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => {
                memory.values().put(name, value, Some(life));
                Ok(())
            }
            StoreBackend::Redis(redis, _) => Ok(redis.set(name, &value, life).await?),
        }
    }

    /// Sets the value of this name, for `life`, if it has none. Returns the value of another caller if there is one, or
    /// `None` if the name has our value now. It may have had our value before: after a lost connection the client
    /// repeats the command.
    pub async fn put_if_absent(&self, name: &str, value: &str, life: Duration) -> Result<Option<String>, StoreError> {
        let stored = match &self.0 {
            StoreBackend::Memory(memory) => {
                let mut values = memory.values();
                let stored = values.get(name).map(str::to_owned);
                if stored.is_none() {
                    values.put(name, value.to_owned(), Some(life));
                }
                stored
            }
            StoreBackend::Redis(redis, _) => redis.set_if_absent(name, value, life).await?,
        };
        Ok(stored.filter(|stored| stored != value))
    }

    /// [`Store::put_if_absent`], for what must not be forgotten: a failover doesn't lose it. Tells from when on such values
    /// were kept, too: where none was found, one may have been put before that moment, and is lost.
    pub async fn put_once(
        &self,
        name: &str,
        value: &str,
        life: Duration,
    ) -> Result<(Option<String>, KeptSince), StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => {
                Ok((self.put_if_absent(name, value, life).await?, KeptSince::Beginning(memory.began())))
            }
            StoreBackend::Redis(redis, _) => {
                let (stored, kept_since) = redis.set_once(name, value, life).await?;
                Ok((stored.filter(|stored| stored != value), kept_since))
            }
        }
    }

    /// From now on learns within a second when Redis loses what it kept, so that [`Store::put_once`] tells no much later
    /// moment. That asks each primary once a second. Call it once.
    pub fn date_losses(&self) {
        if let StoreBackend::Redis(redis, _) = &self.0 {
            redis.date_losses();
        }
    }

    /// Removes the name if it still has this value.
    pub async fn release(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.compare_and_swap(name, Some(value), None, None).await?;
        Ok(())
    }

    /// Replaces the value of this name by what `change` makes of it, for `life` from now on, or for ever. `change` is
    /// called again with the new value if others have changed it at the same time, and with its own result if the
    /// connection was lost before the answer came. A value that `change` leaves as it is keeps its life.
    ///
    /// See docs/decisions/024-what-changes-a-stored-value-is-a-function.md.
    pub async fn update<T: Send>(
        &self,
        name: &str,
        life: Option<Duration>,
        change: impl FnMut(Option<&str>) -> (Option<String>, T) + Send,
    ) -> Result<T, StoreError> {
        let stored = self.get(name).await?;
        self.update_from(name, stored, life, change).await
    }

    /// The same as [`Store::update`], beginning with a value that was read before. If the name has another value by
    /// now, that takes one more round trip.
    pub async fn update_from<T: Send>(
        &self,
        name: &str,
        mut stored: Option<String>,
        life: Option<Duration>,
        mut change: impl FnMut(Option<&str>) -> (Option<String>, T) + Send,
    ) -> Result<T, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let (value, answer) = change(stored.as_deref());
            if value == stored {
                return Ok(answer);
            }
            match self.compare_and_swap(name, stored.as_deref(), value.as_deref(), life).await? {
                Swap::Done => return Ok(answer),
                Swap::Changed(now) => stored = now,
            }
        }
        Err(StoreError::Contended)
    }

    async fn compare_and_swap(
        &self,
        name: &str,
        read: Option<&str>,
        value: Option<&str>,
        life: Option<Duration>,
    ) -> Result<Swap, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => {
                let mut values = memory.values();
                let stored = values.get(name);
                if stored != read {
                    return Ok(Swap::Changed(stored.map(str::to_owned)));
                }
                match value {
                    Some(value) => values.put(name, value.to_owned(), life),
                    None => values.remove(name),
                }
                Ok(Swap::Done)
            }
            StoreBackend::Redis(redis, scripts) => {
                let has = |value: Option<&str>| u8::from(value.is_some()).to_string();
                let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
                let life = life.map(|life| millis(life).to_string()).unwrap_or_default();
                let args = vec![has(read), text(read), has(value), text(value), life];
                match redis.call(&scripts.swap, name, &args).await? {
                    Reply::Integer(_) => Ok(Swap::Done),
                    stored => Ok(Swap::Changed(stored.into_string())),
                }
            }
        }
    }

    /// Adds one to a counter and returns the sum. The counter's life begins with the first call.
    pub async fn count(&self, name: &str, life: Duration) -> Result<u64, StoreError> {
        self.count_several(name, 1, life).await
    }

    /// The same for several at a time: at least one, and some dozens at most, since Redis adds one after the other.
    pub async fn count_several(&self, name: &str, several: u64, life: Duration) -> Result<u64, StoreError> {
        match &self.0 {
            StoreBackend::Memory(memory) => Ok(memory.values().count(name, several, life)),
            StoreBackend::Redis(redis, scripts) => {
                let args = vec![millis(life).to_string(), several.to_string()];
                let sum = redis.call(&scripts.count, name, &args).await?;
                sum.as_u64().ok_or(StoreError::malformed("count"))
            }
        }
    }
}

/// The name of a reader's copy. The braces put it into the slot of the name itself, so that one script may use both. It
/// begins as the name does, so that the same rights are enough.
fn copy_name(name: &str, reader: &str) -> String {
    let kind = name.split(':').next().unwrap_or_default();
    format!("{kind}:{{{name}}}:{reader}")
}

/// What became of a compare-and-swap.
enum Swap {
    Done,
    /// The name has this other value by now.
    Changed(Option<String>),
}
