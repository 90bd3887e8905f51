//! Nodes that agree, disagree, are cut off, fail, and are created again.

use super::*;
use crate::topology::slots::all_slots;

const A: &str = "aaaa";
const B: &str = "bbbb";

fn node(host: &str) -> Server {
    Server::new(host, 7000)
}

fn range(first: i64, last: i64, host: impl Into<Reply>, id: &str) -> Reply {
    let node =
        Reply::Array(vec![host.into(), 7000.into(), id.into(), Reply::Array(vec!["ip".into(), "10.0.0.9".into()])]);
    Reply::Array(vec![first.into(), last.into(), node])
}

/// Node `speaker` says that `a` owns the slots below `border` and `b` all others, in these epochs of `a` and `b`.
fn view(speaker: &str, border: i64, epochs: (u64, u64)) -> ClusterView {
    let myself = |id| if id == speaker { "myself," } else { "" };
    let lines = format!(
        "{A} a:7000@17000 {}master - 0 0 {} connected 0-{}\n{B} b:7000@17000 {}master - 0 0 {} connected",
        myself(A),
        epochs.0,
        border - 1,
        myself(B),
        epochs.1,
    );
    let slots = Reply::Array(vec![range(0, border - 1, "a", A), range(border, 16_383, "b", B)]);
    ClusterView::parse(slots, &lines, &node("asked")).unwrap()
}

/// The first slot that `a` doesn't own, if `b` owns it and all after it.
fn border(table: &SlotTable) -> Option<usize> {
    let border = all_slots().position(|slot| table.owner(slot) != Some(&node("a")))?;
    all_slots().skip(border).all(|slot| table.owner(slot) == Some(&node("b"))).then_some(border)
}

#[test]
fn nodes_that_agree_give_the_table_that_they_describe() {
    let table = ClusterState::default().merge(vec![view(A, 8_000, (1, 2)), view(B, 8_000, (1, 2))], Instant::now());
    assert_eq!(border(&table), Some(8_000));
}

#[test]
fn a_slot_that_two_primaries_claim_belongs_to_the_higher_epoch() {
    let now = Instant::now();
    for views in [[view(A, 8_000, (1, 2)), view(B, 7_000, (1, 3))], [view(B, 7_000, (1, 3)), view(A, 8_000, (1, 2))]] {
        assert_eq!(border(&ClusterState::default().merge(views.into(), now)), Some(7_000));
    }
}

#[test]
fn a_primary_that_lost_all_its_slots_leaves_the_table() {
    let mut state = ClusterState::default();
    let now = Instant::now();
    state.merge(vec![view(A, 8_000, (1, 2))], now);
    let b_took_all = ClusterView::parse(
        Reply::Array(vec![range(0, 16_383, "b", B)]),
        &format!("{B} b:7000@17000 myself,master - 0 0 3 connected\n{A} a:7000@17000 master,fail - 0 0 1 connected"),
        &node("b"),
    );
    let table = state.merge(vec![b_took_all.unwrap()], now);
    assert!(!table.has_primary(&node("a")));
    assert_eq!(border(&table), Some(0));
}

#[test]
fn an_old_claim_of_a_node_that_is_cut_off_does_not_win() {
    let mut state = ClusterState::default();
    let now = Instant::now();
    state.merge(vec![view(A, 8_000, (1, 2)), view(B, 7_000, (1, 3))], now);
    let table = state.merge(vec![view(A, 8_000, (1, 2))], now + Duration::from_secs(1));
    assert_eq!(border(&table), Some(7_000), "B claimed these slots in a higher epoch");
}

#[test]
fn a_node_that_gives_up_a_slot_loses_it_whatever_the_others_say() {
    let mut state = ClusterState::default();
    let now = Instant::now();
    state.merge(vec![view(A, 9_000, (9, 1))], now);
    // The new owner doesn't have a higher epoch yet.
    let table = state.merge(vec![view(A, 8_000, (9, 1)), view(B, 9_000, (9, 1))], now);
    assert_eq!(table.owner(Slot::from_number(8_500).unwrap()), None);
    let table = state.merge(vec![view(B, 8_000, (9, 1))], now);
    assert_eq!(border(&table), Some(8_000));
}

#[test]
fn a_cluster_that_was_created_again_replaces_the_old_one_after_the_claims_have_expired() {
    let mut state = ClusterState::default();
    let now = Instant::now();
    state.merge(vec![view(A, 16_000, (9, 8))], now);
    let table = state.merge(vec![view(B, 1, (0, 1))], now + CLAIM_LIFETIME);
    assert_eq!(border(&table), Some(1));
}

const R: &str = "cccc";

/// What node `a`'s neighbour says of a Cluster with these nodes, of which `owner` at host `o` owns all slots.
fn shard(owner: &str, nodes: &[(&str, &str, &str, u64)]) -> ClusterView {
    let lines = nodes.iter().map(|(id, flags, primary, epoch)| {
        let slots = if *id == owner { " 0-16383" } else { "" };
        format!("{id} x:7000@17000,host {flags} {primary} 0 0 {epoch} connected{slots}")
    });
    let witness = format!("{B} b:7000@17000 myself,master - 0 0 9 connected");
    let lines = lines.chain([witness]).collect::<Vec<_>>().join("\n");
    ClusterView::parse(Reply::Array(vec![range(0, 16_383, owner, owner)]), &lines, &node("asked")).unwrap()
}

fn required(table: &SlotTable, owner: &str) -> RequiredAcks {
    table.required_acks(&node(owner)).unwrap().clone()
}

#[test]
fn a_replica_must_acknowledge_unless_the_majority_agrees_that_it_failed() {
    let no_replica = RequiredAcks::Unattainable(AckObstacle::NoReplica);
    for (flags, expected) in [
        ("slave", RequiredAcks::count(1)),
        ("slave,fail?", RequiredAcks::count(1)),
        ("slave,fail", no_replica.clone()),
        ("slave,noaddr", no_replica),
    ] {
        let view = shard(A, &[(A, "master", "-", 1), (R, flags, A, 1)]);
        assert_eq!(required(&ClusterState::default().merge(vec![view], Instant::now()), A), expected, "{flags}");
    }
    let failed = || shard(A, &[(A, "master", "-", 1), (R, "slave,fail", A, 1)]);
    let table = ClusterState::new(MinReplicas::AtLeast(0)).merge(vec![failed()], Instant::now());
    assert_eq!(required(&table, A), RequiredAcks::count(0), "the operator goes on without replicas");
    let alone = shard(A, &[(A, "master", "-", 1)]);
    let table = ClusterState::default().merge(vec![alone], Instant::now());
    assert_eq!(required(&table, A), RequiredAcks::count(0), "it never had one");
}

#[test]
fn no_acknowledgements_suffice_while_a_node_suspects_the_primary() {
    for flags in ["master,fail?", "master,fail"] {
        let view = shard(A, &[(A, flags, "-", 1), (R, "slave", A, 1)]);
        let table = ClusterState::default().merge(vec![view], Instant::now());
        assert_eq!(required(&table, A), RequiredAcks::Unattainable(AckObstacle::Suspected), "{flags}");
    }
}

#[test]
fn a_promoted_replica_waits_for_its_old_primary_and_the_other_replicas_to_follow_it() {
    const OTHER: &str = "dddd";
    let now = Instant::now();
    let before = || shard(A, &[(A, "master", "-", 1), (R, "slave", A, 1), (OTHER, "slave", A, 1)]);
    for (flags, other_follows, expected) in
        [("master", A, 2), ("master", R, 2), ("master,fail", A, 1), ("master,fail", R, 1)]
    {
        let mut state = ClusterState::default();
        assert_eq!(required(&state.merge(vec![before()], now), A), RequiredAcks::count(2));
        let after = || shard(R, &[(A, flags, "-", 1), (R, "master", "-", 2), (OTHER, "slave", other_follows, 2)]);
        let table = state.merge(vec![after()], now);
        assert_eq!(required(&table, R), RequiredAcks::count(expected), "{flags}, {other_follows}");
    }
}

#[test]
fn a_primary_that_was_replaced_and_promoted_again_unseen_waits_for_its_replicas_to_follow_it() {
    let now = Instant::now();
    let mut state = ClusterState::default();
    state.merge(vec![shard(A, &[(A, "master", "-", 1), (R, "slave", A, 1)])], now);
    let after = || shard(A, &[(A, "master", "-", 3), (R, "master", "-", 2)]);
    assert_eq!(required(&state.merge(vec![after()], now), A), RequiredAcks::count(1));
    let long_after = now + CLAIM_LIFETIME + Duration::from_secs(1);
    assert_eq!(required(&state.merge(vec![after()], long_after), A), RequiredAcks::count(0));
}

#[test]
fn a_promoted_replica_waits_for_nobody_who_is_gone_or_serves_other_slots() {
    let now = Instant::now();
    let mut state = ClusterState::default();
    state.merge(vec![shard(A, &[(A, "master", "-", 1), (R, "slave", A, 1)])], now);
    let alone = || shard(R, &[(A, "master,fail", "-", 1), (R, "master", "-", 2)]);
    assert_eq!(required(&state.merge(vec![alone()], now), R), RequiredAcks::count(0), "its old primary is dead");
    let empty_primary = shard(A, &[(A, "master", "-", 1), (R, "master", "-", 0)]);
    let table = ClusterState::default().merge(vec![empty_primary], now);
    assert_eq!(required(&table, A), RequiredAcks::count(0), "a new primary without slots follows nobody");
}

#[test]
fn the_address_of_a_node_is_the_one_that_it_announces() {
    for (host, expected) in [
        (Reply::from("redis-0.example"), "redis-0.example"),
        (Reply::Null, "asked"),
        ("".into(), "asked"),
        ("?".into(), "10.0.0.9"),
    ] {
        let lines = format!("{A} 10.0.0.9:7000@17000 myself,master - 0 0 1 connected 0-16383");
        let view = ClusterView::parse(Reply::Array(vec![range(0, 16_383, host, A)]), &lines, &node("asked")).unwrap();
        assert_eq!(view.claims[A].primary.node, node(expected));
    }
}

#[test]
fn answers_that_no_node_gives_are_refused() {
    let lines = format!("{A} a:7000@17000 myself,master - 0 0 1 connected 0-16383");
    for (slots, lines) in [
        (Reply::Array(vec![]), ""),
        (Reply::Array(vec![Reply::Integer(1)]), lines.as_str()),
        (Reply::Array(vec![range(0, 16_384, "a", A)]), lines.as_str()),
        (Reply::Array(vec![range(0, 1, "a", A)]), "aaaa a:7000 myself,master - 0 0 x connected"),
        (Reply::Array(vec![range(0, 1, "a", A)]), "aaaa a:7000 master - 0 0 1 connected"),
    ] {
        assert_eq!(ClusterView::parse(slots, lines, &node("asked")), None, "{lines}");
    }
}
