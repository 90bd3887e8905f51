//! Why the bus gave no answer.

use scenecast_redis::{RedisError, RedisErrorKind};

/// Why the bus gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Redis is unreachable or slow, or refused. Whether a write happened is undecided: repeat it with the same delivery
    /// id, or let WeChat do so by delivering again.
    #[error("Redis gave no answer: {0}")]
    Undecided(#[source] RedisError),
    /// The caller's time was over first. Just as undecided as [`BusError::Undecided`].
    #[error("there was no answer in time")]
    TimedOut,
    /// The stored value has a form that we don't write. Nothing was changed, and repeating doesn't help.
    #[error("the mailbox can't be read: {0}")]
    Malformed(&'static str),
}

impl BusError {
    /// Whether a write may or may not have happened, so that asking again can help.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::Undecided(_) | Self::TimedOut)
    }
}

impl From<RedisError> for BusError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            RedisErrorKind::Malformed => Self::Malformed("type"),
            _ => Self::Undecided(error),
        }
    }
}
