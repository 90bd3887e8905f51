//! Nodes that agree, disagree, are cut off, fail, and are set up anew.

use super::*;
use crate::topology::slots;

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

/// What node `of` says where `a` owns the slots below `border` and `b` the others, in these epochs.
fn view(of: &str, border: i64, epochs: (u64, u64)) -> ClusterView {
    let myself = |id| if id == of { "myself," } else { "" };
    let lines = format!(
        "{A} a:7000@17000 {}master - 0 0 {} connected 0-{}\n{B} b:7000@17000 {}master - 0 0 {} connected",
        myself(A),
        epochs.0,
        border - 1,
        myself(B),
        epochs.1,
    );
    let slots = Reply::Array(vec![range(0, border - 1, "a", A), range(border, 16_383, "b", B)]);
    ClusterView::read(slots, &lines, &node("asked")).unwrap()
}

/// Where the slots of `a` end.
fn border(table: &SlotTable) -> Option<usize> {
    let border = slots::all().position(|slot| table.owner(slot) != Some(&node("a")))?;
    slots::all().skip(border).all(|slot| table.owner(slot) == Some(&node("b"))).then_some(border)
}

#[test]
fn where_all_agree_the_table_is_what_they_say() {
    let table = ClusterState::default().hear(vec![view(A, 8_000, (1, 2)), view(B, 8_000, (1, 2))], Instant::now());
    assert_eq!(border(&table), Some(8_000));
}

#[test]
fn the_higher_epoch_has_a_slot_that_two_claim() {
    let now = Instant::now();
    for views in [[view(A, 8_000, (1, 2)), view(B, 7_000, (1, 3))], [view(B, 7_000, (1, 3)), view(A, 8_000, (1, 2))]] {
        assert_eq!(border(&ClusterState::default().hear(views.into(), now)), Some(7_000));
    }
}

#[test]
fn whoever_lost_everything_to_another_is_no_primary() {
    let (mut beliefs, now) = (ClusterState::default(), Instant::now());
    beliefs.hear(vec![view(A, 8_000, (1, 2))], now);
    let took_all = ClusterView::read(
        Reply::Array(vec![range(0, 16_383, "b", B)]),
        &format!("{B} b:7000@17000 myself,master - 0 0 3 connected\n{A} a:7000@17000 master,fail - 0 0 1 connected"),
        &node("b"),
    );
    let table = beliefs.hear(vec![took_all.unwrap()], now);
    assert_eq!((table.has(&node("a")), border(&table)), (false, Some(0)));
}

#[test]
fn what_a_node_that_is_cut_off_still_says_does_not_win() {
    let (mut beliefs, now) = (ClusterState::default(), Instant::now());
    beliefs.hear(vec![view(A, 8_000, (1, 2)), view(B, 7_000, (1, 3))], now);
    let table = beliefs.hear(vec![view(A, 8_000, (1, 2))], now + Duration::from_secs(1));
    assert_eq!(border(&table), Some(7_000), "whatever A says of itself, B claimed it later");
}

#[test]
fn a_node_is_believed_that_it_owns_a_slot_no_more() {
    let (mut beliefs, now) = (ClusterState::default(), Instant::now());
    beliefs.hear(vec![view(A, 9_000, (9, 1))], now);
    // Whoever has the slots now hasn't counted its epoch up yet.
    let table = beliefs.hear(vec![view(A, 8_000, (9, 1)), view(B, 9_000, (9, 1))], now);
    assert_eq!(table.owner(Slot::numbered(8_500).unwrap()), None);
    let table = beliefs.hear(vec![view(B, 8_000, (9, 1))], now);
    assert_eq!(border(&table), Some(8_000));
}

#[test]
fn a_cluster_that_was_set_up_anew_is_believed_after_a_while() {
    let (mut beliefs, now) = (ClusterState::default(), Instant::now());
    beliefs.hear(vec![view(A, 16_000, (9, 8))], now);
    let table = beliefs.hear(vec![view(B, 1, (0, 1))], now + FORGOTTEN_AFTER);
    assert_eq!(border(&table), Some(1));
}

#[test]
fn a_replica_counts_unless_the_cluster_agrees_that_it_failed() {
    for (flags, needed) in [("slave", 1), ("slave,fail?", 1), ("slave,fail", 0), ("slave,noaddr", 0), ("handshake", 0)]
    {
        let lines = format!(
            "{A} a:7000@17000,host myself,master - 0 0 1 connected 0-16383\ncccc c:7000@17000 {flags} {A} 0 0 1 connected"
        );
        let slots = Reply::Array(vec![range(0, 16_383, "a", A)]);
        let table = ClusterState::default()
            .hear(vec![ClusterView::read(slots, &lines, &node("asked")).unwrap()], Instant::now());
        assert_eq!(table.acks(&node("a")), Some(RequiredAcks::Needed(needed)), "{flags}");
    }
}

#[test]
fn nothing_counts_that_a_primary_writes_while_somebody_does_not_hear_of_it() {
    for flags in ["master,fail?", "master,fail"] {
        let lines = format!(
            "{B} b:7000@17000 myself,master - 0 0 2 connected\n{A} a:7000@17000 {flags} - 0 0 1 connected 0-16383\n\
             cccc c:7000@17000 slave {A} 0 0 1 connected"
        );
        let slots = Reply::Array(vec![range(0, 16_383, "a", A)]);
        let table = ClusterState::default()
            .hear(vec![ClusterView::read(slots, &lines, &node("asked")).unwrap()], Instant::now());
        assert_eq!(table.acks(&node("a")), Some(RequiredAcks::InVain), "{flags}");
    }
}

#[test]
fn a_node_is_reached_as_it_wants_to_be() {
    for (host, reached) in [
        (Reply::from("redis-0.example"), "redis-0.example"),
        (Reply::Null, "asked"),
        ("".into(), "asked"),
        ("?".into(), "10.0.0.9"),
    ] {
        let lines = format!("{A} 10.0.0.9:7000@17000 myself,master - 0 0 1 connected 0-16383");
        let view = ClusterView::read(Reply::Array(vec![range(0, 16_383, host, A)]), &lines, &node("asked")).unwrap();
        assert_eq!(view.claims[A].primary.node, node(reached));
    }
}

#[test]
fn what_no_node_says_is_not_read() {
    let lines = format!("{A} a:7000@17000 myself,master - 0 0 1 connected 0-16383");
    for (slots, lines) in [
        (Reply::Array(vec![]), ""),
        (Reply::Array(vec![Reply::Integer(1)]), lines.as_str()),
        (Reply::Array(vec![range(0, 16_384, "a", A)]), lines.as_str()),
        (Reply::Array(vec![range(0, 1, "a", A)]), "aaaa a:7000 myself,master - 0 0 x connected"),
        (Reply::Array(vec![range(0, 1, "a", A)]), "aaaa a:7000 master - 0 0 1 connected"),
    ] {
        assert_eq!(ClusterView::read(slots, lines, &node("asked")), None, "{lines}");
    }
}
