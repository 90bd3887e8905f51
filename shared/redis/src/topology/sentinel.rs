//! What sentinels say about who is the primary, and whom to believe.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use fred::types::config::Server;

use crate::{
    commands::command::items,
    reply::Reply,
    topology::slots::{Primary, RequiredAcks},
};

/// After how long it is forgotten what no sentinel repeats. Not never: sentinels that were set up anew count
/// their epochs from the beginning.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// For how long a replica that is down may still be the one that a cut-off primary hears of: until the primary is
/// known to be down, too. In milliseconds.
const DOUBTED_FOR: u64 = 3_000;

/// Reads a sentinel's answers to `SENTINEL MASTER` and `SENTINEL REPLICAS`: the primary, in the epoch of the
/// failover that made it that.
pub(crate) fn read(primary: Reply, replicas: Reply) -> Option<Primary> {
    let facts: HashMap<String, String> = primary.convert().ok()?;
    let node = Server::new(facts.get("ip")?.clone(), facts.get("port")?.parse().ok()?);
    let replicas: Vec<HashMap<String, String>> =
        replicas.into_array().into_iter().map(Reply::convert).collect::<Result<_, _>>().ok()?;
    let acks = if has_flag(&facts, &["o_down"]) {
        RequiredAcks::InVain
    } else {
        let well: Vec<_> = replicas.iter().filter(|replica| counts(replica)).collect();
        // One of which nothing is known but its name may be what is left of the primary before.
        RequiredAcks::Needed(well.iter().filter(|replica| has_followed(replica)).count().max(well.len().min(1)))
    };
    Some(Primary { node, epoch: facts.get("config-epoch")?.parse().ok()?, acks: Some(acks) })
}

/// Whether a replica may take the primary's place, or was just able to.
fn counts(replica: &HashMap<String, String>) -> bool {
    let down_for = replica.get("s-down-time").and_then(|time| time.parse().ok()).unwrap_or(u64::MAX);
    !has_flag(replica, &["s_down", "o_down", "disconnected"]) || down_for < DOUBTED_FOR
}

/// Whether it is known to have followed this primary.
fn has_followed(replica: &HashMap<String, String>) -> bool {
    replica.get("slave-repl-offset").is_some_and(|offset| offset != "0")
}

fn has_flag(facts: &HashMap<String, String>, any: &[&str]) -> bool {
    facts.get("flags").is_some_and(|flags| flags.split(',').any(|flag| any.contains(&flag)))
}

/// What is believed, and when it was last heard.
#[derive(Debug, Default)]
pub(crate) struct SentinelState(Option<(Primary, Instant)>);

impl SentinelState {
    /// Hears what some sentinels say: the latest failover counts, and nothing before one that is known. Of what
    /// writes need, the most that any of them says: one may be cut off from a replica, and that from nobody else.
    pub(crate) fn hear(&mut self, said: Vec<Primary>, now: Instant) -> Option<&Primary> {
        self.0.take_if(|(_, heard)| now - *heard >= FORGOTTEN_AFTER);
        let known = self.0.as_ref().map_or(0, |(primary, _)| primary.epoch);
        let latest = said.into_iter().filter(|said| said.epoch >= known).max_by_key(|said| (said.epoch, said.acks));
        if let Some(latest) = latest {
            self.0 = Some((latest, now));
        }
        self.0.as_ref().map(|(primary, _)| primary)
    }
}

/// Whether a node's answer to `ROLE` is a primary's; sentinels name one before it knows.
pub(crate) fn is_primary(role: &Reply) -> bool {
    items(role).first().and_then(Reply::as_str).is_some_and(|role| role == "master")
}

/// How many replicas follow a primary, by its answer to `ROLE`.
pub(crate) fn followers(role: &Reply) -> usize {
    if is_primary(role) { items(role).get(2).map_or(0, |followers| items(followers).len()) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(facts: &[(&str, &str)]) -> Reply {
        Reply::Array(facts.iter().flat_map(|(name, value)| [Reply::from(*name), Reply::from(*value)]).collect())
    }

    fn says(host: &str, epoch: &str, replicas: &[&str]) -> Primary {
        let primary = map(&[("ip", host), ("port", "6379"), ("flags", "master"), ("config-epoch", epoch)]);
        let replica = |flags: &&str| map(&[("flags", flags), ("slave-repl-offset", "42")]);
        let replicas = replicas.iter().map(replica).collect();
        read(primary, Reply::Array(replicas)).unwrap()
    }

    fn host(primary: Option<&Primary>) -> Option<String> {
        primary.map(|primary| primary.node.host.to_string())
    }

    #[test]
    fn the_latest_failover_counts_whoever_tells_of_it() {
        let (mut belief, now) = (SentinelState::default(), Instant::now());
        assert_eq!(host(belief.hear(vec![], now)), None);
        assert_eq!(host(belief.hear(vec![says("a", "1", &[])], now)), Some("a".to_owned()));
        let said = vec![says("a", "1", &[]), says("b", "2", &[]), says("a", "1", &[])];
        assert_eq!(host(belief.hear(said, now)), Some("b".to_owned()));
        assert_eq!(host(belief.hear(vec![says("a", "1", &[])], now)), Some("b".to_owned()), "it is cut off");
        assert_eq!(host(belief.hear(vec![], now)), Some("b".to_owned()));
    }

    #[test]
    fn sentinels_that_were_set_up_anew_are_believed_after_a_while() {
        let (mut belief, now) = (SentinelState::default(), Instant::now());
        belief.hear(vec![says("a", "7", &[])], now);
        let later = now + FORGOTTEN_AFTER;
        assert_eq!(host(belief.hear(vec![says("b", "0", &[])], later)), Some("b".to_owned()));
    }

    #[test]
    fn a_replica_counts_unless_it_is_known_to_be_down() {
        for (replicas, needed) in [
            (&[][..], 0),
            (&["slave"], 1),
            (&["s_down,slave"], 0),
            (&["slave,disconnected", "slave,o_down"], 0),
            (&["s_down,slave", "slave"], 1),
            (&["slave", "slave"], 2),
        ] {
            assert_eq!(says("a", "1", replicas).acks, Some(RequiredAcks::Needed(needed)), "{replicas:?}");
        }
    }

    #[test]
    fn a_replica_that_has_just_gone_down_counts_for_a_while() {
        for (down_for, needed) in [("0", 1), ("2999", 1), ("3000", 0)] {
            let primary = map(&[("ip", "a"), ("port", "6379"), ("flags", "master"), ("config-epoch", "1")]);
            let replica = map(&[("flags", "s_down,slave"), ("s-down-time", down_for)]);
            assert_eq!(
                read(primary, Reply::Array(vec![replica])).unwrap().acks,
                Some(RequiredAcks::Needed(needed)),
                "{down_for}"
            );
        }
    }

    #[test]
    fn of_replicas_that_have_not_followed_yet_one_is_enough() {
        let primary = map(&[("ip", "a"), ("port", "6379"), ("flags", "master"), ("config-epoch", "1")]);
        let replica = || map(&[("flags", "slave"), ("slave-repl-offset", "0")]);
        let read = read(primary, Reply::Array(vec![replica(), replica()])).unwrap();
        assert_eq!(read.acks, Some(RequiredAcks::Needed(1)));
    }

    #[test]
    fn once_the_primary_is_agreed_to_be_down_nothing_it_writes_counts() {
        let primary = map(&[("ip", "a"), ("port", "6379"), ("flags", "s_down,o_down,master"), ("config-epoch", "1")]);
        let said = vec![read(primary, Reply::Array(vec![])).unwrap(), says("a", "1", &["slave", "slave"])];
        assert_eq!(SentinelState::default().hear(said, Instant::now()).unwrap().acks, Some(RequiredAcks::InVain));
    }

    #[test]
    fn of_what_sentinels_see_the_most_counts() {
        let said = vec![says("a", "1", &["slave", "slave"]), says("a", "1", &["slave", "slave,s_down"])];
        assert_eq!(SentinelState::default().hear(said, Instant::now()).unwrap().acks, Some(RequiredAcks::Needed(2)));
    }

    #[test]
    fn a_primary_says_so_and_who_follows_it() {
        let role = |role: &str, rest: Vec<Reply>| {
            Reply::Array([Reply::from(role), Reply::Integer(42)].into_iter().chain(rest).collect())
        };
        let follower = Reply::Array(vec!["10.0.0.2".into(), "6379".into(), "42".into()]);
        for (role, primary, following) in [
            (role("master", vec![Reply::Array(vec![follower.clone(), follower])]), true, 2),
            (role("master", vec![Reply::Array(vec![])]), true, 0),
            (role("slave", vec![Reply::Integer(6379), "connected".into(), Reply::Integer(42)]), false, 0),
            (Reply::Null, false, 0),
        ] {
            assert_eq!((is_primary(&role), followers(&role)), (primary, following), "{role:?}");
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
