//! Watches over one client: is its server alive, does it take commands, and is it still a primary?
//!
//! An address may lead to another server tomorrow: behind a load balancer, a Service or a managed Redis, a failover makes
//! the old primary a replica, and connections to it stay open. So each server is asked for its role, too, when the
//! client connects and every second.
//!
//! | answer | what is done |
//! |---|---|
//! | none for 5 s | the client is replaced |
//! | `ROLE` says that it is a replica, or a sentinel | the client is replaced: by one at another address of the name, or after a pause |
//! | an error to `PING`, such as `LOADING` | the same |
//! | anything else, also an error to `ROLE` | it is connected. The user may lack the right, or a proxy not know it |
//!
//! See docs/decisions/008-a-silent-redis-client-is-replaced.md.
//! See docs/decisions/034-a-connection-leads-to-a-primary-or-is-down.md.

use std::{ops::Range, pin::pin, time::Duration};

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::ClientLike,
    types::config::{Options, Server},
};
use tokio::{
    sync::{Notify, broadcast::Receiver},
    task::JoinError,
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    command::RedisCommand,
    error::{error_code, without_arguments},
    history::ReplicationHistory,
    reply::Reply,
    role,
};

/// How often a server is asked. An address that leads to a replica has to be noticed within two seconds.
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(1);
/// How long the answer may take. This is longer than a command may take: a new client subscribes to everything again,
/// and that would be even more work for a server that is only slow.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(5);
/// The pause before a server that ended the connection meanwhile is asked again.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// The pause before the next client, where the server can't be reached or has ended the connection. It is short, because
/// all pages of the pod wait; a few attempts a second from each pod do no harm to a server that refuses all of them. It
/// is random, so that many pods don't reconnect at the same moment.
const RECONNECT_DELAY_MS: Range<u64> = 50..300;
/// The pause before the next client, where the server can be reached and is of no use.
const UNUSABLE_PAUSE_MS: Range<u64> = 300..600;

/// Which servers a connection may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedRole {
    /// Only a primary is of use.
    Primary,
    /// Any node of a Cluster: the nodes themselves say who the primaries are, and replicas are asked, too.
    Node,
    Sentinel,
}

/// Why a client has to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionFailure {
    /// The attempt to connect has failed. `was_open` is whether the server had accepted the connection and wasn't heard
    /// of since.
    Unreachable { error: Error, was_open: bool },
    /// The connection has ended.
    Lost,
    /// The client's task has panicked.
    ClientEnded(String),
    /// The server doesn't answer.
    Silent,
    /// The address leads to a replica.
    Replica,
    /// The address leads to a sentinel, which has no scenes.
    Sentinel,
    /// The server answers `PING` with this error.
    Refuses(Error),
    /// Its name leads to another address now.
    Moved,
}

/// The client's task. It ends by itself if the first attempt to connect fails.
pub(crate) type ClientTask = AbortOnDropHandle<Result<(), Error>>;

/// What a client reports of itself.
pub(crate) struct ClientEvents {
    pub(crate) connects: Receiver<Server>,
    /// An error that ends the connection, and the server that it came from if the client was connected.
    pub(crate) errors: Receiver<(Error, Option<Server>)>,
}

/// What a server's answers say of it.
#[derive(Debug, PartialEq, Eq)]
enum Heartbeat {
    Usable,
    /// The connection ended before the answer.
    Interrupted,
    Failed(ConnectionFailure),
}

/// Watches over the one connection that this client makes. Calls `on_connected` once it leads to a usable server. Returns
/// when the client has to be replaced. A notification on `doubts` asks the server at once.
pub(crate) async fn watch_over(
    client: &Client,
    task: ClientTask,
    events: ClientEvents,
    expected: ExpectedRole,
    doubts: &Notify,
    on_connected: impl FnOnce(ReplicationHistory),
) -> ConnectionFailure {
    let ClientEvents { mut connects, errors } = events;
    let mut end = pin!(end_of(task, errors));
    tokio::select! {
        biased;
        end = &mut end => return end.before_it_was_usable(false),
        _ = connects.recv() => {}
    }
    let mut on_connected = Some(on_connected);
    let mut pause = Duration::ZERO;
    loop {
        let heartbeat = async {
            tokio::select! {
                () = sleep(pause) => {}
                () = doubts.notified() => {}
            }
            let heartbeat = ask(client, expected).await;
            // Asked before anybody can write to the server.
            let is_first = heartbeat == Heartbeat::Usable && on_connected.is_some();
            let history = if is_first { ReplicationHistory::ask(client).await } else { ReplicationHistory::default() };
            (heartbeat, history)
        };
        tokio::select! {
            biased;
            end = &mut end => return match on_connected {
                Some(_) => end.before_it_was_usable(true),
                None => end.of_a_usable_connection(),
            },
            (heartbeat, history) = heartbeat => match heartbeat {
                Heartbeat::Failed(failure) => return failure,
                Heartbeat::Interrupted => pause = RETRY_DELAY,
                Heartbeat::Usable => {
                    pause = HEARTBEAT_PERIOD;
                    if let Some(on_connected) = on_connected.take() {
                        on_connected(history);
                    }
                }
            },
        }
    }
}

/// How a client's connection has ended, or its attempt to make one.
enum ClientEnd {
    Error(Error),
    Panic(JoinError),
}

impl ClientEnd {
    fn before_it_was_usable(self, was_open: bool) -> ConnectionFailure {
        match self {
            Self::Error(error) => ConnectionFailure::Unreachable { error: without_arguments(error), was_open },
            Self::Panic(panic) => ConnectionFailure::ClientEnded(panic.to_string()),
        }
    }

    fn of_a_usable_connection(self) -> ConnectionFailure {
        match self {
            Self::Error(_) => ConnectionFailure::Lost,
            Self::Panic(panic) => ConnectionFailure::ClientEnded(panic.to_string()),
        }
    }
}

/// Waits for the end of the connection. Until this is dropped, the client keeps what it was given to send.
async fn end_of(mut task: ClientTask, mut errors: Receiver<(Error, Option<Server>)>) -> ClientEnd {
    tokio::select! {
        biased;
        error = errors.recv() => ClientEnd::Error(error.map_or_else(|_| Error::new_canceled(), |(error, _)| error)),
        ended = &mut task => match ended {
            Ok(Err(error)) => ClientEnd::Error(error),
            Ok(Ok(())) => ClientEnd::Error(Error::new_canceled()),
            Err(panic) if panic.is_panic() => ClientEnd::Panic(panic),
            // The process ends.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn ask(client: &Client, expected: ExpectedRole) -> Heartbeat {
    let patient = client.with_options(&Options { timeout: Some(HEARTBEAT_LIMIT), ..Options::default() });
    let ask_role = async {
        match expected {
            ExpectedRole::Primary => RedisCommand::role().send(&patient).await.ok(),
            ExpectedRole::Node | ExpectedRole::Sentinel => None,
        }
    };
    let (pong, role) = tokio::join!(patient.ping::<()>(None), ask_role);
    judge(pong, role.as_ref())
}

/// `role` is the answer to `ROLE`, if there is one.
fn judge(pong: Result<(), Error>, role: Option<&Reply>) -> Heartbeat {
    if role.is_some_and(role::is_sentinel) {
        return Heartbeat::Failed(ConnectionFailure::Sentinel);
    }
    if role.is_some_and(|role| !role::is_primary(role)) {
        return Heartbeat::Failed(ConnectionFailure::Replica);
    }
    let Err(error) = pong else { return Heartbeat::Usable };
    match (error.kind(), error_code(&error)) {
        (ErrorKind::Timeout, _) => Heartbeat::Failed(ConnectionFailure::Silent),
        (ErrorKind::Canceled | ErrorKind::IO, _) => Heartbeat::Interrupted,
        // It is alive, and may allow other commands.
        (_, "NOPERM") => Heartbeat::Usable,
        _ => Heartbeat::Failed(ConnectionFailure::Refuses(without_arguments(error))),
    }
}

impl ConnectionFailure {
    /// How long to wait before the next client connects.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::Silent | Self::Moved => Duration::ZERO,
            Self::Unreachable { .. } | Self::Lost | Self::ClientEnded(_) => reconnect_delay(),
            Self::Replica | Self::Sentinel | Self::Refuses(_) => {
                Duration::from_millis(rand::random_range(UNUSABLE_PAUSE_MS))
            }
        }
    }

    /// Whether the log needs no second line for this one. The words after an error's code may differ each time.
    pub(crate) fn is_like(&self, told: &Self) -> bool {
        match (self, told) {
            (Self::Refuses(error), Self::Refuses(told)) => error_code(error) == error_code(told),
            _ => self == told,
        }
    }

    /// Says it in the log. Causes of attempts that failed, and a lost connection, are reported elsewhere.
    pub(crate) fn log(&self, node: &Server) {
        match self {
            Self::Unreachable { .. } | Self::Lost => {}
            Self::ClientEnded(how) => {
                tracing::error!(%node, how, "the Redis client has stopped by itself; starting a new one");
            }
            Self::Silent => tracing::warn!(
                %node,
                "Redis hasn't answered PING for {HEARTBEAT_LIMIT:?}; replacing the connection. If this repeats, check \
                 whether the server is overloaded or the network drops packets"
            ),
            Self::Replica => tracing::warn!(
                %node,
                "this address leads to a replica of Redis, where nobody can log in; connecting again until it leads to \
                 the primary. If this lasts, check whether the failover is over, and which server is behind the address"
            ),
            Self::Sentinel => tracing::error!(
                %node,
                "this address leads to a sentinel, and bus.url takes it for a Redis server. Begin bus.url with \
                 redis-sentinel and add ?sentinelServiceName=, or name the port of Redis itself"
            ),
            Self::Moved => tracing::info!(%node, "the name leads to another address now; connecting to it there"),
            Self::Refuses(error) => tracing::warn!(
                %node, %error,
                "Redis can be reached, and takes no commands; connecting again until it does. If this lasts, see what \
                 the error says of the server, or of a proxy before it"
            ),
        }
    }
}

/// A pause before the next attempt to connect.
pub(crate) fn reconnect_delay() -> Duration {
    Duration::from_millis(rand::random_range(RECONNECT_DELAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &'static str) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Unknown, text))
    }

    fn role(role: &str) -> Reply {
        Reply::Array(vec![role.into(), Reply::Integer(42)])
    }

    #[test]
    fn a_server_is_usable_unless_it_says_otherwise() {
        for (pong, role) in [
            (Ok(()), Some(role("master"))),
            // The user may not run ROLE, or a proxy doesn't know it.
            (Ok(()), None),
            (refusal("NOPERM this user has no permissions to run the 'ping' command"), Some(role("master"))),
        ] {
            assert_eq!(judge(pong, role.as_ref()), Heartbeat::Usable);
        }
    }

    #[test]
    fn a_replica_is_of_no_use_whatever_else_it_answers() {
        for pong in [Ok(()), refusal("MASTERDOWN Link with MASTER is down"), refusal("LOADING Redis is loading")] {
            assert_eq!(judge(pong, Some(&role("slave"))), Heartbeat::Failed(ConnectionFailure::Replica));
        }
    }

    #[test]
    fn a_sentinel_is_no_replica() {
        assert_eq!(judge(Ok(()), Some(&role("sentinel"))), Heartbeat::Failed(ConnectionFailure::Sentinel));
    }

    #[test]
    fn a_server_or_proxy_that_answers_with_errors_is_of_no_use() {
        for text in ["LOADING Redis is loading", "MASTERDOWN Link", "CLUSTERDOWN no", "ERR no upstream", "NOAUTH no"] {
            let judged = judge(refusal(text), None);
            assert!(matches!(judged, Heartbeat::Failed(ConnectionFailure::Refuses(_))), "{text}: {judged:?}");
        }
    }

    #[test]
    fn no_answer_is_told_from_a_lost_connection() {
        let error = |kind| Err(Error::new(kind, "lost"));
        assert_eq!(judge(error(ErrorKind::Timeout), None), Heartbeat::Failed(ConnectionFailure::Silent));
        for lost in [ErrorKind::Canceled, ErrorKind::IO] {
            assert_eq!(judge(error(lost), None), Heartbeat::Interrupted);
        }
    }
}
