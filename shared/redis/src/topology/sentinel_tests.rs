//! Sentinels that agree, disagree, are in a failover, are cut off, and are one and the same.

use super::*;

fn map(facts: &[(&str, &str)]) -> Reply {
    Reply::Array(facts.iter().flat_map(|(name, value)| [Reply::from(*name), Reply::from(*value)]).collect())
}

fn server_at(host: &str) -> Server {
    Server::new(host, 6379)
}

/// What one sentinel answers. Its id is its name.
struct Says<'a> {
    name: &'a str,
    others: usize,
    primary: &'a str,
    epoch: &'a str,
    flags: &'a str,
    /// The answer to `GET-MASTER-ADDR-BY-NAME`, if it isn't the primary.
    address: Option<&'a str>,
    /// Host, flags, milliseconds since it is down, offset.
    replicas: &'a [(&'a str, &'a str, &'a str, &'a str)],
}

const UP: &[(&str, &str, &str, &str)] = &[("r1", "slave", "0", "42"), ("r2", "slave", "0", "42")];
const R2_DOWN: &[(&str, &str, &str, &str)] = &[("r1", "slave", "0", "42"), ("r2", "s_down,slave", "3000", "42")];

/// One of three sentinels, which takes `a` for a healthy primary with two replicas since epoch 1.
const HEALTHY: Says<'static> =
    Says { name: "s1", others: 2, primary: "a", epoch: "1", flags: "master", address: None, replicas: UP };

impl Says<'_> {
    fn answer(&self) -> SentinelAnswer {
        let others = self.others.to_string();
        let primary = map(&[
            ("ip", self.primary),
            ("port", "6379"),
            ("flags", self.flags),
            ("config-epoch", self.epoch),
            ("num-other-sentinels", &others),
        ]);
        let replica = |(host, flags, down_for, offset): &(&str, &str, &str, &str)| {
            map(&[
                ("ip", host),
                ("port", "6379"),
                ("flags", flags),
                ("s-down-time", down_for),
                ("slave-repl-offset", offset),
            ])
        };
        let replies = SentinelReplies {
            id: Some(self.name.into()),
            primary: Some(primary),
            replicas: Some(Reply::Array(self.replicas.iter().map(replica).collect())),
            address: self.address.map(|host| Reply::Array(vec![host.into(), "6379".into()])),
            peers: None,
        };
        SentinelAnswer::parse(&server_at(self.name), replies).unwrap()
    }
}

fn configured() -> Vec<Server> {
    ["s1", "s2", "s3"].map(server_at).into()
}

fn merge(state: &mut SentinelState, says: &[Says]) -> Option<Primary> {
    let answers: Vec<_> = says.iter().map(Says::answer).collect();
    state.merge(&answers, &configured(), MinReplicas::Auto, Instant::now())
}

/// What a write needs if this is all that was ever heard.
fn required(says: &[Says]) -> RequiredAcks {
    merge(&mut SentinelState::default(), says).unwrap().required_acks.unwrap()
}

fn host(primary: Option<Primary>) -> String {
    primary.map(|primary| primary.node.host.to_string()).unwrap_or_default()
}

fn named(hosts: &[&str]) -> RequiredAcks {
    let hosts: Vec<_> = hosts.iter().map(|host| server_at(host)).collect();
    RequiredAcks::Replicas(RequiredReplicas::named(hosts.into()))
}

const fn unattainable(obstacle: AckObstacle) -> RequiredAcks {
    RequiredAcks::Unattainable(obstacle)
}

#[test]
fn the_latest_failover_counts_whichever_sentinel_reports_it() {
    let mut state = SentinelState::default();
    let new = || Says { name: "s2", primary: "b", epoch: "2", ..HEALTHY };
    assert_eq!(host(merge(&mut state, &[])), "");
    assert_eq!(host(merge(&mut state, &[HEALTHY])), "a");
    assert_eq!(host(merge(&mut state, &[HEALTHY, new(), Says { name: "s3", ..HEALTHY }])), "b");
    assert_eq!(host(merge(&mut state, &[HEALTHY])), "b", "this sentinel is cut off");
    assert_eq!(host(merge(&mut state, &[])), "b");
}

#[test]
fn sentinels_that_were_set_up_again_are_believed_after_the_known_primary_has_expired() {
    let mut state = SentinelState::default();
    let now = Instant::now();
    let at = |state: &mut SentinelState, says: Says, now| state.merge(&[says.answer()], &[], MinReplicas::Auto, now);
    at(&mut state, Says { epoch: "7", ..HEALTHY }, now);
    let again = || Says { primary: "b", epoch: "0", ..HEALTHY };
    assert_eq!(host(at(&mut state, again(), now)), "a");
    assert_eq!(host(at(&mut state, again(), now + PRIMARY_LIFETIME)), "b");
}

#[test]
fn nothing_counts_below_a_majority_of_all_sentinels() {
    let no_majority = unattainable(AckObstacle::NoMajority);
    assert_eq!(required(&[HEALTHY]), no_majority);
    assert_eq!(required(&[HEALTHY, Says { name: "s2", ..HEALTHY }]), named(&["r1", "r2"]));
    assert_eq!(required(&[HEALTHY, HEALTHY]), no_majority, "two names of one sentinel");
    let of_five = |name| Says { name, others: 4, ..HEALTHY };
    assert_eq!(required(&[of_five("s1"), of_five("s2")]), no_majority, "they know sentinels that aren't configured");
    assert_eq!(required(&[of_five("s1"), of_five("s2"), of_five("s3")]), named(&["r1", "r2"]));
    assert_eq!(
        required(&[HEALTHY, Says { name: "s2", epoch: "2", ..HEALTHY }]),
        no_majority,
        "one names another failover"
    );
}

#[test]
fn a_majority_that_has_answered_before_does_not_count() {
    let mut state = SentinelState::default();
    merge(&mut state, &[HEALTHY, Says { name: "s2", ..HEALTHY }]);
    for says in [&[HEALTHY][..], &[]] {
        let required = merge(&mut state, says).unwrap().required_acks;
        assert_eq!(required, Some(unattainable(AckObstacle::NoMajority)));
    }
}

#[test]
fn a_single_sentinel_is_a_majority_if_it_knows_no_other() {
    let alone = Says { others: 0, ..HEALTHY };
    for configured in [&["s1"][..], &[]] {
        let configured: Vec<_> = configured.iter().map(|name| server_at(name)).collect();
        let primary =
            SentinelState::default().merge(&[alone.answer()], &configured, MinReplicas::Auto, Instant::now()).unwrap();
        assert_eq!(primary.required_acks, Some(named(&["r1", "r2"])), "{configured:?}");
    }
}

#[test]
fn three_names_of_a_single_sentinel_are_one() {
    let alone = |asked_at| SentinelAnswer { asked_at, ..Says { others: 0, ..HEALTHY }.answer() };
    let answers: Vec<_> = configured().into_iter().map(alone).collect();
    assert_eq!((distinct(&answers), majority(&answers, &configured())), (1, 1));
}

#[test]
fn while_a_sentinel_replaces_the_primary_nothing_counts() {
    let others = || [Says { name: "s2", ..HEALTHY }, Says { name: "s3", ..HEALTHY }];
    for (flags, epoch, obstacle) in [
        ("s_down,o_down,master", "1", AckObstacle::Suspected),
        ("o_down,master,failover_in_progress", "1", AckObstacle::FailingOver),
        ("master,failover_in_progress", "1", AckObstacle::FailingOver),
        // What the leading sentinel answers just after the promotion, if it is asked for MASTER alone.
        ("master,failover_in_progress", "2", AckObstacle::FailingOver),
    ] {
        let [s2, s3] = others();
        let says = [Says { epoch, flags, ..HEALTHY }, s2, s3];
        let primary = merge(&mut SentinelState::default(), &says).unwrap();
        assert_eq!((primary.node, primary.epoch), (server_at("a"), 1), "not the old primary with the new epoch");
        assert_eq!(primary.required_acks, Some(unattainable(obstacle)), "{flags}, epoch {epoch}");
    }
    let alone = Says { flags: "s_down,master", ..HEALTHY };
    let [s2, s3] = others();
    assert_eq!(required(&[alone, s2, s3]), named(&["r1", "r2"]), "it is alone in thinking that the primary is down");
}

#[test]
fn a_promoted_replica_is_the_primary_once_a_sentinel_says_so_and_counts_once_a_majority_does() {
    let leader = || Says { epoch: "2", flags: "master,failover_in_progress", address: Some("r1"), ..HEALTHY };
    let [old_s2, old_s3] = [Says { name: "s2", ..HEALTHY }, Says { name: "s3", ..HEALTHY }];
    let mut state = SentinelState::default();
    merge(&mut state, &[HEALTHY, Says { name: "s2", ..HEALTHY }]);
    let primary = merge(&mut state, &[leader(), old_s2, old_s3]).unwrap();
    assert_eq!((&primary.node, primary.epoch), (&server_at("r1"), 2));
    assert_eq!(primary.required_acks, Some(unattainable(AckObstacle::NoMajority)));

    let replicas = &[("r2", "slave", "0", "42"), ("a", "slave,disconnected", "0", "0")];
    let switched = |name| Says { name, primary: "r1", epoch: "2", replicas, ..HEALTHY };
    let primary = merge(&mut state, &[leader(), switched("s2"), switched("s3")]).unwrap();
    assert_eq!(
        primary.required_acks,
        Some(named(&["r2"])),
        "the leader may need minutes to reconfigure a frozen replica"
    );
}

#[test]
fn of_two_primaries_in_one_epoch_the_one_that_most_name_is_followed() {
    let other = |name| Says { name, primary: "b", ..HEALTHY };
    let mut state = SentinelState::default();
    assert_eq!(host(merge(&mut state, &[HEALTHY, other("s2"), other("s3")])), "b");
    assert_eq!(host(merge(&mut state, &[HEALTHY, other("s2")])), "b", "at a tie the known one stays");
    let tie = merge(&mut state, &[HEALTHY, other("s2")]).unwrap();
    assert_eq!(tie.required_acks, Some(unattainable(AckObstacle::NoMajority)));
}

#[test]
fn a_replica_is_out_only_if_a_majority_has_seen_it_down_for_a_while() {
    let s1 = |replicas| Says { replicas, ..HEALTHY };
    let s2 = |replicas| Says { name: "s2", replicas, ..HEALTHY };
    let s3 = |replicas| Says { name: "s3", replicas, ..HEALTHY };
    assert_eq!(required(&[s1(R2_DOWN), s2(UP), s3(UP)]), named(&["r1", "r2"]));
    assert_eq!(required(&[s1(R2_DOWN), s2(UP)]), named(&["r1", "r2"]));
    assert_eq!(required(&[s1(R2_DOWN), s2(R2_DOWN)]), named(&["r1"]));
    let just_down = &[("r1", "slave", "0", "42"), ("r2", "s_down,slave", "2999", "42")];
    assert_eq!(required(&[s1(just_down), s2(R2_DOWN)]), named(&["r1", "r2"]));
    let disconnected = &[("r1", "slave", "0", "42"), ("r2", "slave,disconnected", "0", "42")];
    assert_eq!(required(&[s1(disconnected), s2(disconnected)]), named(&["r1", "r2"]), "s_down follows, if it is down");
    assert_eq!(required(&[s1(&UP[..1]), s2(UP)]), named(&["r1", "r2"]), "one sentinel doesn't know it yet");
}

#[test]
fn where_all_replicas_are_down_nothing_counts_unless_none_is_asked_for() {
    let all_down = &[("r1", "s_down,slave", "9000", "42"), ("r2", "o_down,slave", "9000", "42")];
    let says = || [Says { replicas: all_down, ..HEALTHY }, Says { name: "s2", replicas: all_down, ..HEALTHY }];
    assert_eq!(required(&says()), unattainable(AckObstacle::NoReplica));
    let answers = says().map(|says| says.answer());
    let primary =
        SentinelState::default().merge(&answers, &configured(), MinReplicas::AtLeast(0), Instant::now()).unwrap();
    assert_eq!(primary.required_acks, Some(RequiredAcks::count(0)));
    let none = || [Says { replicas: &[], ..HEALTHY }, Says { name: "s2", replicas: &[], ..HEALTHY }];
    assert_eq!(required(&none()), RequiredAcks::count(0));
}

#[test]
fn an_entry_that_no_sentinel_has_reached_is_not_waited_for_unless_there_are_only_such() {
    let old = ("r2", "slave,disconnected", "0", "0");
    let required = |replicas: &[_]| required(&[Says { replicas, ..HEALTHY }, Says { name: "s2", replicas, ..HEALTHY }]);
    assert_eq!(required(&[("r1", "slave", "0", "42"), old]), named(&["r1"]));
    assert_eq!(required(&[("r1", "slave", "0", "0"), old]), named(&["r1"]), "it was reached, and not asked yet");
    assert_eq!(required(&[("r1", "s_down,slave", "2999", "0"), old]), RequiredAcks::count(1));
}

#[test]
fn sentinels_say_who_the_others_are() {
    let peer = |id, flags| map(&[("runid", id), ("ip", "10.0.0.1"), ("port", "26379"), ("flags", flags)]);
    let peers = Reply::Array(vec![peer("s2", "sentinel"), peer("s3", "s_down,sentinel"), Reply::Integer(1)]);
    let replies = SentinelReplies {
        peers: Some(peers),
        primary: Some(map(&[("ip", "a"), ("port", "1"), ("config-epoch", "1"), ("num-other-sentinels", "2")])),
        replicas: Some(Reply::Array(vec![])),
        ..SentinelReplies::default()
    };
    let answer = SentinelAnswer::parse(&server_at("s1"), replies).unwrap();
    assert_eq!(answer.id, "s1:6379", "without an id, the address tells it from others");
    let peers: Vec<_> = answer.peers.iter().map(|peer| (peer.id.as_str(), peer.is_up)).collect();
    assert_eq!(peers, [("s2", true), ("s3", false)]);
}

#[test]
fn answers_that_no_sentinel_gives_are_refused() {
    for (primary, replicas) in [
        (Reply::Null, Reply::Null),
        (map(&[("ip", "a"), ("port", "6379")]), Reply::Array(vec![])),
        (map(&[("ip", "a"), ("port", "x"), ("config-epoch", "1")]), Reply::Array(vec![])),
    ] {
        let replies =
            SentinelReplies { primary: Some(primary), replicas: Some(replicas), ..SentinelReplies::default() };
        assert_eq!(SentinelAnswer::parse(&server_at("s1"), replies), None);
    }
}
