//! What sentinels say about who is the primary, and whom to believe.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use fred::types::config::Server;

use super::{Reply, command::items, slots::Primary};

/// After how long it is forgotten what no sentinel repeats. Not never: sentinels that were set up anew count
/// their epochs from the beginning.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Reads a sentinel's answers to `SENTINEL MASTER` and `SENTINEL REPLICAS`: the primary, in the epoch of the
/// failover that made it that.
pub(super) fn read(primary: Reply, replicas: Reply) -> Option<Primary> {
    let facts: HashMap<String, String> = primary.convert().ok()?;
    let node = Server::new(facts.get("ip")?.clone(), facts.get("port")?.parse().ok()?);
    let replicas: Vec<HashMap<String, String>> =
        replicas.into_array().into_iter().map(Reply::convert).collect::<Result<_, _>>().ok()?;
    let replicated = replicas.iter().any(|replica| replica.get("flags").is_some_and(|flags| is_well(flags)));
    Some(Primary { node, epoch: facts.get("config-epoch")?.parse().ok()?, replicated: Some(replicated) })
}

fn is_well(flags: &str) -> bool {
    !flags.split(',').any(|flag| matches!(flag, "s_down" | "o_down" | "disconnected"))
}

/// What is believed, and when it was last heard.
#[derive(Debug, Default)]
pub(super) struct Belief(Option<(Primary, Instant)>);

impl Belief {
    /// Hears what some sentinels say: the latest failover counts, and nothing before one that is known.
    pub(super) fn hear(&mut self, said: Vec<Primary>, now: Instant) -> Option<&Primary> {
        self.0.take_if(|(_, heard)| now - *heard >= FORGOTTEN_AFTER);
        let known = self.0.as_ref().map_or(0, |(primary, _)| primary.epoch);
        if let Some(latest) = said.into_iter().filter(|said| said.epoch >= known).max_by_key(|said| said.epoch) {
            self.0 = Some((latest, now));
        }
        self.0.as_ref().map(|(primary, _)| primary)
    }
}

/// Whether a node's answer to `ROLE` is a primary's; sentinels name one before it knows.
pub(super) fn is_primary(role: &Reply) -> bool {
    items(role).first().and_then(Reply::as_str).is_some_and(|role| role == "master")
}

/// Whether a primary's answer to `ROLE` has a replica that follows.
pub(super) fn has_replica(role: &Reply) -> bool {
    is_primary(role) && items(role).get(2).is_some_and(|followers| !items(followers).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(facts: &[(&str, &str)]) -> Reply {
        Reply::Array(facts.iter().flat_map(|(name, value)| [Reply::from(*name), Reply::from(*value)]).collect())
    }

    fn says(host: &str, epoch: &str, replicas: &[&str]) -> Primary {
        let primary = map(&[("ip", host), ("port", "6379"), ("flags", "master"), ("config-epoch", epoch)]);
        let replicas = replicas.iter().map(|flags| map(&[("flags", flags)])).collect();
        read(primary, Reply::Array(replicas)).unwrap()
    }

    fn host(primary: Option<&Primary>) -> Option<String> {
        primary.map(|primary| primary.node.host.to_string())
    }

    #[test]
    fn the_latest_failover_counts_whoever_tells_of_it() {
        let (mut belief, now) = (Belief::default(), Instant::now());
        assert_eq!(host(belief.hear(vec![], now)), None);
        assert_eq!(host(belief.hear(vec![says("a", "1", &[])], now)), Some("a".to_owned()));
        let said = vec![says("a", "1", &[]), says("b", "2", &[]), says("a", "1", &[])];
        assert_eq!(host(belief.hear(said, now)), Some("b".to_owned()));
        assert_eq!(host(belief.hear(vec![says("a", "1", &[])], now)), Some("b".to_owned()), "it is cut off");
        assert_eq!(host(belief.hear(vec![], now)), Some("b".to_owned()));
    }

    #[test]
    fn sentinels_that_were_set_up_anew_are_believed_after_a_while() {
        let (mut belief, now) = (Belief::default(), Instant::now());
        belief.hear(vec![says("a", "7", &[])], now);
        let later = now + FORGOTTEN_AFTER;
        assert_eq!(host(belief.hear(vec![says("b", "0", &[])], later)), Some("b".to_owned()));
    }

    #[test]
    fn a_replica_counts_unless_it_is_known_to_be_down() {
        for (replicas, replicated) in [
            (&[][..], false),
            (&["slave"], true),
            (&["s_down,slave"], false),
            (&["slave,disconnected", "slave,o_down"], false),
            (&["s_down,slave", "slave"], true),
        ] {
            assert_eq!(says("a", "1", replicas).replicated, Some(replicated), "{replicas:?}");
        }
    }

    #[test]
    fn a_primary_says_so_and_who_follows_it() {
        let role = |role: &str, rest: Vec<Reply>| {
            Reply::Array([Reply::from(role), Reply::Integer(42)].into_iter().chain(rest).collect())
        };
        let follower = Reply::Array(vec!["10.0.0.2".into(), "6379".into(), "42".into()]);
        for (role, primary, replica) in [
            (role("master", vec![Reply::Array(vec![follower])]), true, true),
            (role("master", vec![Reply::Array(vec![])]), true, false),
            (role("slave", vec![Reply::Integer(6379), "connected".into(), Reply::Integer(42)]), false, false),
            (Reply::Null, false, false),
        ] {
            assert_eq!((is_primary(&role), has_replica(&role)), (primary, replica), "{role:?}");
        }
    }

    #[test]
    fn what_no_sentinel_says_is_not_read() {
        for (primary, replicas) in [
            (Reply::Null, Reply::Null),
            (map(&[("ip", "a"), ("port", "6379")]), Reply::Array(vec![])),
            (map(&[("ip", "a"), ("port", "x"), ("config-epoch", "1")]), Reply::Array(vec![])),
            (map(&[("ip", "a"), ("port", "1"), ("config-epoch", "1")]), Reply::Array(vec![Reply::Integer(1)])),
        ] {
            assert_eq!(read(primary, replicas), None);
        }
    }
}
