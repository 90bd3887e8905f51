//! What a node's error asks for: another node, or patience.

use fred::{
    error::{Error, ErrorKind},
    types::config::Server,
};

use crate::topology::slots::Slot;

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// This node owns the slot.
    Moved(Server),
    /// The slot is on its way to this node, and the key is there already, or will be.
    Ask(Server),
    /// The node can't say now, and some node soon can.
    Later,
}

impl Redirect {
    /// What this error of that node asks for, if anything.
    pub(crate) fn of(error: &Error, from: &Server) -> Option<Self> {
        // The connection's end, too: its node may have left, and another one owns the slot by now.
        if matches!(error.kind(), ErrorKind::Canceled | ErrorKind::IO) {
            return Some(Self::Later);
        }
        let mut words = error.details().split(' ');
        match words.next()? {
            "MOVED" => Some(Self::Moved(node(words.nth(1)?, from)?)),
            "ASK" => Some(Self::Ask(node(words.nth(1)?, from)?)),
            "TRYAGAIN" | "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" => Some(Self::Later),
            _ => None,
        }
    }

    /// The slot that a redirection is about.
    pub(crate) fn slot(error: &Error) -> Option<Slot> {
        error.details().split(' ').nth(1)?.parse().ok().and_then(Slot::numbered)
    }
}

/// Reads `host:port`. A node that doesn't know how it is reached leaves the host out: it is the one that was asked.
fn node(text: &str, asked: &Server) -> Option<Server> {
    let (host, port) = text.rsplit_once(':')?;
    let host = if host.is_empty() { &*asked.host } else { host };
    Some(Server::new(host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(text: &str) -> Option<Redirect> {
        Redirect::of(&Error::new(ErrorKind::Unknown, text.to_owned()), &Server::new("asked", 1))
    }

    #[test]
    fn a_redirection_names_the_node() {
        let node = |host: &str| Server::new(host, 7001);
        assert_eq!(redirect("MOVED 3999 10.0.0.2:7001"), Some(Redirect::Moved(node("10.0.0.2"))));
        assert_eq!(redirect("ASK 3999 redis-1.example:7001"), Some(Redirect::Ask(node("redis-1.example"))));
        assert_eq!(redirect("MOVED 3999 fd00::2:7001"), Some(Redirect::Moved(node("fd00::2"))));
        assert_eq!(redirect("MOVED 3999 :7001"), Some(Redirect::Moved(node("asked"))));
    }

    #[test]
    fn a_node_that_cannot_say_now_is_asked_later() {
        for text in ["TRYAGAIN Multiple keys", "READONLY You can't", "LOADING Redis is", "CLUSTERDOWN The cluster"] {
            assert_eq!(redirect(text), Some(Redirect::Later), "{text}");
        }
    }

    #[test]
    fn any_other_error_stands() {
        for text in ["", "ERR no", "NOPERM no", "MOVED", "MOVED 1", "ASK 1 nowhere", "MOVED 1 a:99999", "WRONGTYPE no"]
        {
            assert_eq!(redirect(text), None, "{text}");
        }
    }
}
