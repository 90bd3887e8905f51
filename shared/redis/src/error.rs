//! Why a command had no result: the kind of the error, which callers decide by, and its cause, which operators need.

use std::borrow::Cow;

use fred::{
    error::{Error, ErrorKind},
    types::config::Server,
};

/// Why a command had no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RedisError {
    kind: RedisErrorKind,
    message: Cow<'static, str>,
    #[source]
    cause: Option<Error>,
}

/// Kinds of errors, by what a caller can do about them. As text, the `error.type` of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RedisErrorKind {
    /// There was no answer in time, or the connection ended. The command may or may not have been carried out.
    NoAnswer,
    /// No primary is known for the key, for example during a failover. Nothing was sent.
    NoPrimary,
    /// Too many commands are waiting for this server already. Nothing was sent.
    Overloaded,
    /// The replicas haven't acknowledged the write in time, so a failover may lose it; or it wasn't even carried out,
    /// because they couldn't.
    NotAcknowledged,
    /// The key isn't there, and its primary may have lost it a moment ago.
    RecentLoss,
    /// The ACL of our Redis user forbids the command, the key or the channel (`NOPERM`).
    NotPermitted,
    /// Whatever is at the address doesn't know the command: a proxy, or a service that only resembles Redis.
    UnknownCommand,
    /// The stream has no consumer group (`NOGROUP`).
    NoGroup,
    /// The stream already has this consumer group (`BUSYGROUP`).
    GroupExists,
    /// The key holds, or Redis answered, something that this program didn't store. Trying again doesn't help.
    Malformed,
    /// Redis refused the command for any other reason.
    Refused,
}

impl RedisError {
    /// An error that wasn't caused by an error of the client library.
    pub(crate) fn new(kind: RedisErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    pub(crate) fn malformed() -> Self {
        Self::new(RedisErrorKind::Malformed, "Redis holds a value that this program didn't store")
    }

    pub(crate) fn timed_out(node: &Server) -> Self {
        Self::new(RedisErrorKind::NoAnswer, format!("Redis at {node} didn't answer in time"))
    }

    /// Whether the same command can have a result later. A refusal can, too: an operator grants the right, or makes
    /// room in Redis.
    pub fn may_succeed_later(&self) -> bool {
        self.kind != RedisErrorKind::Malformed
    }

    /// What a caller decides by.
    pub fn kind(&self) -> RedisErrorKind {
        self.kind
    }
}

impl From<Error> for RedisError {
    fn from(error: Error) -> Self {
        let error = without_arguments(error);
        let kind = match (error_code(&error), error.kind()) {
            _ if is_forbidden(&error) => RedisErrorKind::NotPermitted,
            _ if is_unknown_command(&error) => RedisErrorKind::UnknownCommand,
            ("WRONGTYPE", _) | (_, ErrorKind::Parse) => RedisErrorKind::Malformed,
            ("NOGROUP", _) => RedisErrorKind::NoGroup,
            ("BUSYGROUP", _) => RedisErrorKind::GroupExists,
            (_, ErrorKind::Timeout) => RedisErrorKind::NoAnswer,
            _ if connection_ended(&error) => RedisErrorKind::NoAnswer,
            _ => RedisErrorKind::Refused,
        };
        Self { kind, message: error.to_string().into(), cause: Some(error) }
    }
}

/// Whether the connection ended before the command's answer came.
pub(crate) fn connection_ended(error: &Error) -> bool {
    // The client was dropped, before it took the command or with it: nobody holds the other end of its channel any more.
    // (Errors of Redis begin with a code in capitals.)
    const DROPPED: [&str; 2] = ["channel closed", "Failed to send command to router."];
    let was_dropped = || *error.kind() == ErrorKind::Unknown && DROPPED.contains(&error.details());
    matches!(error.kind(), ErrorKind::Canceled | ErrorKind::IO) || was_dropped()
}

/// The code in capitals with which each error of Redis begins, for example `MOVED`. The rest of the text is for humans.
pub(crate) fn error_code(error: &Error) -> &str {
    error.details().split(' ').next().unwrap_or_default()
}

/// The text of an error, without the command's arguments. Redis answers an unknown command with its first ones, and these
/// may be a password or an access token.
pub(crate) fn text_of(error: &Error) -> &str {
    error.details().split(", with args beginning with").next().unwrap_or_default()
}

/// The error as it may be logged; see [`text_of`].
pub(crate) fn without_arguments(error: Error) -> Error {
    if text_of(&error) == error.details() {
        return error;
    }
    Error::new(error.kind().clone(), text_of(&error).to_owned())
}

/// Whether the ACL of our user forbids the command, the key or the channel. Where a script was refused, the code says
/// less than the text: Redis 7.0 and 7.2 each write it in their own words.
pub(crate) fn is_forbidden(error: &Error) -> bool {
    const IN_SCRIPTS: [&str; 2] = ["ERR The user executing the script can't", "ERR ACL failure in script"];
    error_code(error) == "NOPERM" || IN_SCRIPTS.iter().any(|text| error.details().starts_with(text))
}

/// Whether the server doesn't know the command, its subcommand, or a command in a script.
pub(crate) fn is_unknown_command(error: &Error) -> bool {
    const TEXTS: [&str; 4] =
        ["err unknown command", "err unknown subcommand", "err unknown redis command", "err unsupported command"];
    let text = error.details().to_ascii_lowercase();
    TEXTS.iter().any(|known| text.starts_with(known))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_code_of_a_redis_error_decides_its_kind() {
        for (text, kind) in [
            ("WRONGTYPE Operation against a key", RedisErrorKind::Malformed),
            ("NOPERM this user has no permissions", RedisErrorKind::NotPermitted),
            ("ERR The user executing the script can't publish to the channel", RedisErrorKind::NotPermitted),
            ("ERR ACL failure in script: no", RedisErrorKind::NotPermitted),
            ("ERR unknown command 'ROLE', with args beginning with:", RedisErrorKind::UnknownCommand),
            (
                "ERR Unknown Redis command called from script script: 0a, on @user_script:1.",
                RedisErrorKind::UnknownCommand,
            ),
            ("ERR Unknown subcommand or wrong number of arguments for 'DRYRUN'", RedisErrorKind::UnknownCommand),
            ("NOGROUP No such key", RedisErrorKind::NoGroup),
            ("BUSYGROUP Consumer Group name already exists", RedisErrorKind::GroupExists),
            ("OOM command not allowed", RedisErrorKind::Refused),
            ("ERR says NOPERM and NOGROUP in its text", RedisErrorKind::Refused),
            // This the client library says itself.
            ("channel closed", RedisErrorKind::NoAnswer),
            ("Failed to send command to router.", RedisErrorKind::NoAnswer),
            ("", RedisErrorKind::Refused),
        ] {
            assert_eq!(RedisError::from(Error::new(ErrorKind::Unknown, text)).kind(), kind, "{text}");
        }
        for lost in [ErrorKind::Timeout, ErrorKind::Canceled, ErrorKind::IO] {
            assert_eq!(RedisError::from(Error::new(lost, "lost")).kind(), RedisErrorKind::NoAnswer);
        }
    }

    #[test]
    fn an_error_does_not_tell_the_arguments_of_its_command() {
        for text in [
            "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'callback' 'hush' ",
            "ERR unknown command `SET`, with args beginning with: `token:demo`, `hush`, ",
        ] {
            let error = RedisError::from(Error::new(ErrorKind::Unknown, text));
            assert_eq!(error.kind(), RedisErrorKind::UnknownCommand);
            let told = format!("{error} {:?} {}", error, error.source().unwrap());
            assert!(!told.contains("hush") && told.contains("unknown command"), "{told}");
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
