//! What sentinels say about who is the primary, and which of them to believe.
//!
//! Each sentinel names a primary and the config epoch of the failover that promoted it. [`SentinelState::merge`]:
//!
//! | a sentinel's answer | what is done with it |
//! |---|---|
//! | has a higher epoch than the known primary | its primary becomes the known one |
//! | has the same epoch | the highest `required_acks` counts: one sentinel may not reach a replica that the others reach |
//! | has a lower epoch | ignored: this sentinel is cut off, and doesn't know of the failover |
//! | none for 60 s | the known primary is forgotten |

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use fred::types::config::Server;

use crate::{
    reply::Reply,
    topology::slots::{Primary, RequiredAcks},
};

/// How long the known primary is kept while no sentinel confirms it. It ends, because sentinels that were set up again
/// start with low epochs.
const PRIMARY_LIFETIME: Duration = Duration::from_secs(60);
/// How long a replica that is down still has to acknowledge, in milliseconds. It may be down only for the sentinels:
/// where a primary and this replica are cut off together, the sentinels need this long to see that the primary is down.
const DOWN_REPLICA_COUNTS_MS: u64 = 3_000;

/// Parses a sentinel's answers to `SENTINEL MASTER` and `SENTINEL REPLICAS`.
pub(crate) fn parse_primary(primary: Reply, replicas: Reply) -> Option<Primary> {
    let facts: HashMap<String, String> = primary.convert().ok()?;
    let node = Server::new(facts.get("ip")?.clone(), facts.get("port")?.parse().ok()?);
    let replicas: Vec<HashMap<String, String>> =
        replicas.into_array().into_iter().map(Reply::convert).collect::<Result<_, _>>().ok()?;
    let required_acks = required_acks(&facts, &replicas);
    Some(Primary { node, epoch: facts.get("config-epoch")?.parse().ok()?, required_acks: Some(required_acks) })
}

fn required_acks(primary: &HashMap<String, String>, replicas: &[HashMap<String, String>]) -> RequiredAcks {
    // "Objectively down": enough sentinels agree that a failover begins.
    if has_any_flag(primary, &["o_down"]) {
        return RequiredAcks::Unattainable;
    }
    let candidates: Vec<_> = replicas.iter().filter(|replica| may_be_promoted(replica)).collect();
    let replicating = candidates.iter().filter(|replica| has_replicated(replica)).count();
    // A replica that never reported an offset may be an old entry for a server that is gone, so it doesn't count. But
    // if there are only such ones, one of them may be real.
    RequiredAcks::AtLeast(replicating.max(candidates.len().min(1)))
}

/// Whether a replica can be promoted, or could a moment ago.
fn may_be_promoted(replica: &HashMap<String, String>) -> bool {
    let down_for_ms = replica.get("s-down-time").and_then(|time| time.parse().ok()).unwrap_or(u64::MAX);
    !has_any_flag(replica, &["s_down", "o_down", "disconnected"]) || down_for_ms < DOWN_REPLICA_COUNTS_MS
}

fn has_replicated(replica: &HashMap<String, String>) -> bool {
    replica.get("slave-repl-offset").is_some_and(|offset| offset != "0")
}

fn has_any_flag(facts: &HashMap<String, String>, wanted: &[&str]) -> bool {
    facts.get("flags").is_some_and(|flags| flags.split(',').any(|flag| wanted.contains(&flag)))
}

/// The known primary, and when a sentinel last confirmed it.
#[derive(Debug, Default)]
pub(crate) struct SentinelState(Option<(Primary, Instant)>);

impl SentinelState {
    /// Takes the answers of sentinels in, by the rules in the module's documentation, and returns the primary.
    pub(crate) fn merge(&mut self, answers: Vec<Primary>, now: Instant) -> Option<&Primary> {
        self.0.take_if(|(_, confirmed_at)| now - *confirmed_at >= PRIMARY_LIFETIME);
        let known_epoch = self.0.as_ref().map_or(0, |(primary, _)| primary.epoch);
        let latest = answers
            .into_iter()
            .filter(|answer| answer.epoch >= known_epoch)
            .max_by_key(|answer| (answer.epoch, answer.required_acks));
        if let Some(latest) = latest {
            self.0 = Some((latest, now));
        }
        self.0.as_ref().map(|(primary, _)| primary)
    }
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
        parse_primary(primary, Reply::Array(replicas)).unwrap()
    }

    fn host(primary: Option<&Primary>) -> Option<String> {
        primary.map(|primary| primary.node.host.to_string())
    }

    #[test]
    fn the_latest_failover_counts_whichever_sentinel_reports_it() {
        let mut state = SentinelState::default();
        let now = Instant::now();
        assert_eq!(host(state.merge(vec![], now)), None);
        assert_eq!(host(state.merge(vec![says("a", "1", &[])], now)), Some("a".to_owned()));
        let answers = vec![says("a", "1", &[]), says("b", "2", &[]), says("a", "1", &[])];
        assert_eq!(host(state.merge(answers, now)), Some("b".to_owned()));
        assert_eq!(host(state.merge(vec![says("a", "1", &[])], now)), Some("b".to_owned()), "this sentinel is cut off");
        assert_eq!(host(state.merge(vec![], now)), Some("b".to_owned()));
    }

    #[test]
    fn sentinels_that_were_set_up_again_are_believed_after_the_known_primary_has_expired() {
        let mut state = SentinelState::default();
        let now = Instant::now();
        state.merge(vec![says("a", "7", &[])], now);
        let later = now + PRIMARY_LIFETIME;
        assert_eq!(host(state.merge(vec![says("b", "0", &[])], later)), Some("b".to_owned()));
    }

    #[test]
    fn a_replica_must_acknowledge_unless_it_is_down() {
        for (replicas, acks) in [
            (&[][..], 0),
            (&["slave"], 1),
            (&["s_down,slave"], 0),
            (&["slave,disconnected", "slave,o_down"], 0),
            (&["s_down,slave", "slave"], 1),
            (&["slave", "slave"], 2),
        ] {
            assert_eq!(says("a", "1", replicas).required_acks, Some(RequiredAcks::AtLeast(acks)), "{replicas:?}");
        }
    }

    #[test]
    fn a_replica_that_has_just_gone_down_must_still_acknowledge() {
        for (down_for, acks) in [("0", 1), ("2999", 1), ("3000", 0)] {
            let primary = map(&[("ip", "a"), ("port", "6379"), ("flags", "master"), ("config-epoch", "1")]);
            let replica = map(&[("flags", "s_down,slave"), ("s-down-time", down_for)]);
            assert_eq!(
                parse_primary(primary, Reply::Array(vec![replica])).unwrap().required_acks,
                Some(RequiredAcks::AtLeast(acks)),
                "{down_for}"
            );
        }
    }

    #[test]
    fn of_replicas_that_never_replicated_one_is_enough() {
        let primary = map(&[("ip", "a"), ("port", "6379"), ("flags", "master"), ("config-epoch", "1")]);
        let replica = || map(&[("flags", "slave"), ("slave-repl-offset", "0")]);
        let parsed = parse_primary(primary, Reply::Array(vec![replica(), replica()])).unwrap();
        assert_eq!(parsed.required_acks, Some(RequiredAcks::AtLeast(1)));
    }

    #[test]
    fn no_acknowledgements_suffice_once_sentinels_agree_that_the_primary_is_down() {
        let primary = map(&[("ip", "a"), ("port", "6379"), ("flags", "s_down,o_down,master"), ("config-epoch", "1")]);
        let answers = vec![parse_primary(primary, Reply::Array(vec![])).unwrap(), says("a", "1", &["slave", "slave"])];
        assert_eq!(
            SentinelState::default().merge(answers, Instant::now()).unwrap().required_acks,
            Some(RequiredAcks::Unattainable)
        );
    }

    #[test]
    fn the_sentinel_that_sees_most_replicas_counts() {
        let answers = vec![says("a", "1", &["slave", "slave"]), says("a", "1", &["slave", "slave,s_down"])];
        assert_eq!(
            SentinelState::default().merge(answers, Instant::now()).unwrap().required_acks,
            Some(RequiredAcks::AtLeast(2))
        );
    }

    #[test]
    fn answers_that_no_sentinel_gives_are_refused() {
        for (primary, replicas) in [
            (Reply::Null, Reply::Null),
            (map(&[("ip", "a"), ("port", "6379")]), Reply::Array(vec![])),
            (map(&[("ip", "a"), ("port", "x"), ("config-epoch", "1")]), Reply::Array(vec![])),
            (map(&[("ip", "a"), ("port", "1"), ("config-epoch", "1")]), Reply::Array(vec![Reply::Integer(1)])),
        ] {
            assert_eq!(parse_primary(primary, replicas), None);
        }
    }
}
