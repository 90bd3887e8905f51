//! What to do when a server answers a command with an error that another server, or a later attempt, would not give.
//!
//! | answer | what it means | what to do |
//! |---|---|---|
//! | `MOVED slot host:port` | that server owns the slot | send it there, and refresh the slot table |
//! | `ASK slot host:port` | the slot is being moved, and this key is at the new server | send it there, with `ASKING` before it |
//! | `TRYAGAIN` | the slot is being moved, and only some of the keys are at the new server | try again later |
//! | `READONLY`, `LOADING`, `MASTERDOWN`, `CLUSTERDOWN` | a failover, or a server that starts | try again later |
//! | the connection ended | the server may have failed over | try again later |

use fred::{error::Error, types::config::Server};

use crate::{
    error::{connection_ended, error_code},
    topology::slots::Slot,
};

/// What to do about an error, so that the command succeeds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// Send it to this server, which owns the slot.
    Moved(Server),
    /// Send it to this server, with `ASKING` before it. The slot still belongs to the server that answered.
    Ask(Server),
    /// Send it again later, to the slot's owner at that time.
    TryAgain,
}

impl Redirect {
    /// `None` if the error is final. `answered_by` is the server that gave it.
    pub(crate) fn from_error(error: &Error, answered_by: &Server) -> Option<Self> {
        if connection_ended(error) {
            return Some(Self::TryAgain);
        }
        let target = || parse_address(error.details().split(' ').nth(2)?, answered_by);
        match error_code(error) {
            "MOVED" => target().map(Self::Moved),
            "ASK" => target().map(Self::Ask),
            "TRYAGAIN" | "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" => Some(Self::TryAgain),
            _ => None,
        }
    }

    /// The slot that a MOVED or ASK error names.
    pub(crate) fn slot(error: &Error) -> Option<Slot> {
        error.details().split(' ').nth(1)?.parse().ok().and_then(Slot::from_number)
    }
}

/// Parses `host:port`. An empty host means the host that was asked.
fn parse_address(text: &str, answered_by: &Server) -> Option<Server> {
    let (host, port) = text.rsplit_once(':')?;
    let host = if host.is_empty() { &*answered_by.host } else { host };
    Some(Server::new(host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    fn redirect(text: &str) -> Option<Redirect> {
        Redirect::from_error(&Error::new(ErrorKind::Unknown, text.to_owned()), &Server::new("asked", 1))
    }

    #[test]
    fn moved_and_ask_name_the_server() {
        let node = |host: &str| Server::new(host, 7001);
        assert_eq!(redirect("MOVED 3999 10.0.0.2:7001"), Some(Redirect::Moved(node("10.0.0.2"))));
        assert_eq!(redirect("ASK 3999 redis-1.example:7001"), Some(Redirect::Ask(node("redis-1.example"))));
        assert_eq!(redirect("MOVED 3999 fd00::2:7001"), Some(Redirect::Moved(node("fd00::2"))));
        assert_eq!(redirect("MOVED 3999 :7001"), Some(Redirect::Moved(node("asked"))));
    }

    #[test]
    fn a_temporary_error_asks_for_another_try() {
        let of_redis = ["TRYAGAIN Multiple keys", "READONLY You can't", "LOADING Redis is", "CLUSTERDOWN The cluster"];
        // What the client library says when its client has ended, before it took the command or with it.
        for text in of_redis.into_iter().chain(["channel closed", "Failed to send command to router."]) {
            assert_eq!(redirect(text), Some(Redirect::TryAgain), "{text}");
        }
    }

    #[test]
    fn any_other_error_is_final() {
        for text in ["", "ERR no", "NOPERM no", "MOVED", "MOVED 1", "ASK 1 nowhere", "MOVED 1 a:99999", "WRONGTYPE no"]
        {
            assert_eq!(redirect(text), None, "{text}");
        }
    }
}
