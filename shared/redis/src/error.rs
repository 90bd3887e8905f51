//! Why a command had no result: of which kind that is, so that a caller can decide, and what caused it, so that an
//! operator can find it.

use std::borrow::Cow;

use fred::error::{Error, ErrorKind};

/// Why a command had no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RedisError {
    kind: RedisErrorKind,
    message: Cow<'static, str>,
    #[source]
    cause: Option<Error>,
}

/// What a caller can tell failures apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisErrorKind {
    /// No answer in time, or the connection ended. Whether the command was carried out is undecided.
    NoAnswer,
    /// No primary is known for the key. Nothing was sent.
    NoPrimary,
    /// Too many commands wait for this server already. Nothing was sent.
    Overloaded,
    /// It was written, and the replicas haven't acknowledged it in time.
    NotAcknowledged,
    /// The user may not do this (`NOPERM`).
    NotPermitted,
    /// The stream has no consumer group (`NOGROUP`).
    NoGroup,
    /// The stream has this consumer group already (`BUSYGROUP`).
    GroupExists,
    /// What is stored under the key, or was answered, isn't what we store. Asking again changes nothing.
    Malformed,
    /// Redis refused for any other reason.
    Refused,
}

impl RedisError {
    /// An error that no answer of Redis caused.
    pub(crate) fn new(kind: RedisErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    /// What is stored, or was answered, isn't what we store.
    pub(crate) fn malformed() -> Self {
        Self::new(RedisErrorKind::Malformed, "what is stored isn't what we store")
    }

    /// What a caller can tell it by.
    pub fn kind(&self) -> RedisErrorKind {
        self.kind
    }
}

impl From<Error> for RedisError {
    fn from(error: Error) -> Self {
        // Redis begins each error with a code in capitals.
        let code = error.details().split(' ').next().unwrap_or_default();
        let kind = match (code, error.kind()) {
            ("WRONGTYPE", _) | (_, ErrorKind::Parse) => RedisErrorKind::Malformed,
            ("NOPERM", _) => RedisErrorKind::NotPermitted,
            ("NOGROUP", _) => RedisErrorKind::NoGroup,
            ("BUSYGROUP", _) => RedisErrorKind::GroupExists,
            (_, ErrorKind::Timeout | ErrorKind::Canceled | ErrorKind::IO) => RedisErrorKind::NoAnswer,
            _ => RedisErrorKind::Refused,
        };
        Self { kind, message: error.to_string().into(), cause: Some(error) }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn errors_are_told_apart_by_the_code_that_redis_gives() {
        for (text, kind) in [
            ("WRONGTYPE Operation against a key", RedisErrorKind::Malformed),
            ("NOPERM this user has no permissions", RedisErrorKind::NotPermitted),
            ("NOGROUP No such key", RedisErrorKind::NoGroup),
            ("BUSYGROUP Consumer Group name already exists", RedisErrorKind::GroupExists),
            ("OOM command not allowed", RedisErrorKind::Refused),
            ("ERR says NOPERM and NOGROUP in its text", RedisErrorKind::Refused),
            ("", RedisErrorKind::Refused),
        ] {
            assert_eq!(RedisError::from(Error::new(ErrorKind::Unknown, text)).kind(), kind, "{text}");
        }
        for lost in [ErrorKind::Timeout, ErrorKind::Canceled, ErrorKind::IO] {
            assert_eq!(RedisError::from(Error::new(lost, "lost")).kind(), RedisErrorKind::NoAnswer);
        }
    }

    #[test]
    fn an_error_keeps_its_cause() {
        let cause = Error::new(ErrorKind::IO, "connection reset");
        let error = RedisError::from(cause.clone());
        assert_eq!(error.source().unwrap().to_string(), cause.to_string());
        assert!(error.to_string().contains("connection reset"), "{error}");
    }
}
