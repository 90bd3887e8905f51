//! Why the bus gave no answer.

use scenecast_redis::RedisError;

/// No answer from the bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// Redis is unreachable or slow, or refused. Whether a write happened is undecided: repeat it with the same delivery
    /// id, or let WeChat do so by delivering again.
    #[error("Redis did not carry out the command: {0}")]
    Undecided(#[source] RedisError),
    /// The caller's time was over first. Just as undecided as [`BusError::Undecided`].
    #[error("there was no answer in time")]
    TimedOut,
    /// The stored value has a form that we don't write. Nothing was changed, and repeating doesn't help.
    #[error("the mailbox can't be read: {what}")]
    Malformed {
        /// What can't be read.
        what: &'static str,
        /// The answer of Redis that says so, if it is one.
        #[source]
        cause: Option<RedisError>,
    },
}

impl BusError {
    /// What Redis holds, or has answered, isn't what we store.
    pub fn malformed(what: &'static str) -> Self {
        Self::Malformed { what, cause: None }
    }

    /// What happened, in one word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Undecided(error) => error.kind().into(),
            Self::TimedOut => "timed_out",
            Self::Malformed { .. } => "malformed",
        }
    }

    /// Whether a write may or may not have happened, so that asking again can help.
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::Undecided(_) | Self::TimedOut)
    }
}

impl From<RedisError> for BusError {
    fn from(error: RedisError) -> Self {
        if error.may_succeed_later() {
            Self::Undecided(error)
        } else {
            Self::Malformed { what: "type", cause: Some(error) }
        }
    }
}
