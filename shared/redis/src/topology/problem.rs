//! Why it can't be found out which servers are the primaries, in words that tell an operator what to do. No I/O.

use std::fmt;

use fred::{error::Error, types::config::Server};

use crate::error::{RedisError, RedisErrorKind, is_unknown_command};

/// Why a server doesn't tell the primaries, or not all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TopologyProblem {
    /// None of those that could tell answers. The log says of each connection why.
    NoAnswer,
    /// It doesn't know the commands of sentinels.
    NoSentinel(Server),
    /// The sentinels know no primary by this name.
    UnknownService(String),
    /// It is no node of a Cluster.
    NoNode(Server),
    /// Its user lacks rights.
    Forbidden(Server),
    /// Some slots of the Cluster belong to no node, or all.
    SlotsWithoutNode,
    Other(RedisError),
}

impl TopologyProblem {
    /// What a sentinel's error says that was asked for this service.
    pub(crate) fn at_sentinel(sentinel: &Server, service: &str, error: Error) -> Self {
        if error.details().starts_with("ERR No such master with that name") {
            Self::UnknownService(service.to_owned())
        } else if is_unknown_command(&error) {
            Self::NoSentinel(sentinel.clone())
        } else {
            Self::at(sentinel, error.into())
        }
    }

    /// What the error says of a server that was asked for the nodes of its Cluster.
    pub(crate) fn at_node(node: &Server, error: RedisError) -> Self {
        let has_no_cluster = error.to_string().contains("cluster support disabled");
        if has_no_cluster || error.kind() == RedisErrorKind::UnknownCommand {
            Self::NoNode(node.clone())
        } else {
            Self::at(node, error)
        }
    }

    fn at(server: &Server, error: RedisError) -> Self {
        match error.kind() {
            RedisErrorKind::NoAnswer => Self::NoAnswer,
            RedisErrorKind::NotPermitted => Self::Forbidden(server.clone()),
            _ => Self::Other(error),
        }
    }

    /// Whether it stays so until somebody changes the settings. The others may come and go.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self, Self::NoSentinel(_) | Self::UnknownService(_) | Self::NoNode(_) | Self::Forbidden(_))
    }

    /// Whether the log needs no second line for this one. The words of other errors may differ each time.
    fn is_like(&self, told: &Self) -> bool {
        match (self, told) {
            (Self::Other(error), Self::Other(told)) => error.kind() == told.kind(),
            _ => self == told,
        }
    }
}

impl From<RedisError> for TopologyProblem {
    fn from(error: RedisError) -> Self {
        if error.kind() == RedisErrorKind::NoAnswer { Self::NoAnswer } else { Self::Other(error) }
    }
}

/// The problems that the log has told since there was none. Several may take turns.
#[derive(Debug, Default)]
pub(crate) struct ToldProblems(Vec<TopologyProblem>);

impl ToldProblems {
    /// Adds these, and returns those that the log hasn't told yet.
    pub(crate) fn add(&mut self, problems: Vec<TopologyProblem>) -> Vec<TopologyProblem> {
        let before = self.0.len();
        for problem in problems {
            if !self.0.iter().any(|told| problem.is_like(told)) {
                self.0.push(problem);
            }
        }
        self.0[before..].to_vec()
    }

    /// There is no problem now. Returns whether there was one before.
    pub(crate) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }
}

/// Says it to an operator, with what to do.
impl fmt::Display for TopologyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str(
                "no server that bus.url names for this answers. The lines \u{201c}can't connect to Redis\u{201d} say why",
            ),
            Self::NoSentinel(server) => write!(
                f,
                "{server} is no sentinel. If it is Redis itself, begin bus.url with redis in place of redis-sentinel, or name \
                 the port of a sentinel"
            ),
            Self::UnknownService(service) => write!(
                f,
                "the sentinels watch over no primary with the name {service}. Write into sentinelServiceName of bus.url the \
                 name that sentinel monitor has in sentinel.conf"
            ),
            Self::NoNode(server) => write!(
                f,
                "{server} is no node of a Redis Cluster. If it is a single Redis, begin bus.url with redis in place of \
                 redis-cluster; if it is a sentinel, with redis-sentinel"
            ),
            Self::Forbidden(server) => write!(
                f,
                "{server} forbids this pod's user to ask. Load deploy/redis/users.acl of this version there, or \
                 deploy/redis/users-at-sentinels.acl if it is a sentinel"
            ),
            Self::SlotsWithoutNode => f.write_str(
                "slots of the Redis Cluster belong to no node, so logins whose keys are in them fail. Assign them with \
                 redis-cli --cluster create, or --cluster fix",
            ),
            Self::Other(error) => write!(f, "{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    fn refusal(text: &'static str) -> Error {
        Error::new(ErrorKind::Unknown, text)
    }

    #[test]
    fn what_servers_of_another_kind_answer_is_told_apart() {
        let server = Server::new("redis-0", 6379);
        let at_sentinel = |text| TopologyProblem::at_sentinel(&server, "main", refusal(text));
        let at_node = |text| TopologyProblem::at_node(&server, refusal(text).into());
        assert_eq!(at_sentinel("ERR unknown command 'SENTINEL'"), TopologyProblem::NoSentinel(server.clone()));
        assert_eq!(
            at_sentinel("ERR No such master with that name"),
            TopologyProblem::UnknownService("main".to_owned())
        );
        assert_eq!(at_node("ERR This instance has cluster support disabled"), TopologyProblem::NoNode(server.clone()));
        assert_eq!(at_node("ERR unknown command 'CLUSTER'"), TopologyProblem::NoNode(server.clone()));
        for problem in [at_sentinel("NOPERM no"), at_node("NOPERM no")] {
            assert_eq!(problem, TopologyProblem::Forbidden(server.clone()));
        }
        let lost = Error::new(ErrorKind::Timeout, "late");
        assert_eq!(TopologyProblem::at_sentinel(&server, "main", lost), TopologyProblem::NoAnswer);
    }

    #[test]
    fn problems_that_take_turns_are_told_once_each_until_all_are_over() {
        let [no_answer, a, b] = [
            TopologyProblem::NoAnswer,
            TopologyProblem::NoSentinel(Server::new("a", 6379)),
            TopologyProblem::NoSentinel(Server::new("b", 6379)),
        ];
        let mut told = ToldProblems::default();
        assert_eq!(told.add(vec![no_answer.clone(), no_answer.clone()]), std::slice::from_ref(&no_answer));
        assert_eq!(told.add(vec![a.clone(), no_answer.clone()]), std::slice::from_ref(&a));
        assert_eq!(told.add(vec![b.clone()]), std::slice::from_ref(&b));
        for again in [&no_answer, &a, &b] {
            assert_eq!(told.add(vec![again.clone()]), []);
        }
        assert!(told.clear() && !told.clear());
        assert_eq!(told.add(vec![no_answer.clone()]), [no_answer], "it is another outage");
    }

    #[test]
    fn other_words_for_the_same_error_are_no_other_problem() {
        let other = |text| TopologyProblem::from(RedisError::from(refusal(text)));
        assert!(other("ERR one").is_like(&other("ERR two")));
        assert!(!other("ERR one").is_like(&other("NOPERM two")));
        assert!(!TopologyProblem::NoAnswer.is_like(&other("ERR one")));
    }
}
