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

#[test]
fn a_replica_must_acknowledge_unless_the_majority_agrees_that_it_failed() {
    for (flags, replicas) in
        [("slave", 1), ("slave,fail?", 1), ("slave,fail", 0), ("slave,noaddr", 0), ("handshake", 0)]
    {
        let lines = format!(
            "{A} a:7000@17000,host myself,master - 0 0 1 connected 0-16383\ncccc c:7000@17000 {flags} {A} 0 0 1 connected"
        );
        let slots = Reply::Array(vec![range(0, 16_383, "a", A)]);
        let table = ClusterState::default()
            .merge(vec![ClusterView::parse(slots, &lines, &node("asked")).unwrap()], Instant::now());
        assert_eq!(table.required_acks(&node("a")), Some(RequiredAcks::AtLeast(replicas)), "{flags}");
    }
}

#[test]
fn no_acknowledgements_suffice_while_a_node_suspects_the_primary() {
    for flags in ["master,fail?", "master,fail"] {
        let lines = format!(
            "{B} b:7000@17000 myself,master - 0 0 2 connected\n{A} a:7000@17000 {flags} - 0 0 1 connected 0-16383\n\
             cccc c:7000@17000 slave {A} 0 0 1 connected"
        );
        let slots = Reply::Array(vec![range(0, 16_383, "a", A)]);
        let table = ClusterState::default()
            .merge(vec![ClusterView::parse(slots, &lines, &node("asked")).unwrap()], Instant::now());
        assert_eq!(table.required_acks(&node("a")), Some(RequiredAcks::Unattainable), "{flags}");
    }
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
