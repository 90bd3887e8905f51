//! What is concluded from connections, and from what primaries tell of themselves.

use super::*;

fn node(port: u16) -> Server {
    Server::new("10.0.0.1", port)
}

fn run(id: &str, emptied: u64) -> ServerRun {
    ServerRun { id: Some(id.to_owned()), emptied, told_at: 0 }
}

/// The past of one primary, which was connected to and seen.
fn pasts() -> PrimaryPasts {
    let mut pasts = PrimaryPasts::new();
    pasts.follow(vec![node(1)]);
    pasts.begin(&node(1), 1, true);
    assert!(!pasts.observe(&node(1), run("a", 0), None));
    assert!(matches!(pasts.kept_since, KeptSince::Beginning(_)));
    pasts
}

#[test]
fn a_primary_that_was_replaced_is_forgotten() {
    let [old, new] = [node(1), node(2)];
    let mut pasts = PrimaryPasts::new();
    pasts.follow(vec![old.clone()]);
    pasts.begin(&old, 1, true);
    pasts.follow(vec![old.clone()]);
    assert!(pasts.by_node[&old].doubted_until.is_none());
    pasts.follow(vec![new]);
    pasts.follow(vec![old.clone()]);
    // Its next connection is the first of a new client, and has the same generation.
    assert!(!pasts.by_node.contains_key(&old));
    pasts.begin(&old, 1, true);
    assert!(pasts.by_node[&old].doubted_until.is_some());
}

/// A message that was signed meanwhile may have been used, and forgotten.
#[test]
fn a_primary_that_was_away_when_the_pod_began_may_have_lost_everything_until_it_is_seen() {
    for claim_comes_first in [false, true] {
        let mut pasts = PrimaryPasts::new();
        pasts.follow(vec![node(1)]);
        let failed_at = SystemTime::now();
        if !claim_comes_first {
            pasts.begin(&node(1), 1, false);
        }
        assert!(!pasts.observe(&node(1), run("a", 0), Some(failed_at)));
        assert!(matches!(pasts.kept_since, KeptSince::Loss(until) if until > failed_at), "{:?}", pasts.kept_since);
        let until = pasts.kept_since;
        pasts.begin(&node(1), 1, false);
        assert!(pasts.by_node[&node(1)].doubted_until.is_some());
        assert!(!pasts.observe(&node(1), run("a", 0), Some(failed_at)));
        assert_eq!(pasts.kept_since, until, "it is seen for the first time once");
    }
}

/// A pod that waits for DNS knows nothing of the time before.
#[test]
fn a_pod_begins_when_it_has_seen_each_of_its_first_primaries() {
    let mut pasts = PrimaryPasts::new();
    let began = pasts.kept_since;
    pasts.follow(vec![node(1), node(2)]);
    let mut sights = vec![began];
    for first in [node(1), node(2)] {
        pasts.begin(&first, 1, true);
        pasts.observe(&first, run("a", 0), None);
        sights.push(pasts.kept_since);
    }
    pasts.follow(vec![node(1), node(2), node(3)]);
    pasts.begin(&node(3), 1, true);
    // It may have been connected to before it was a primary, and lost.
    pasts.observe(&node(3), run("c", 0), Some(SystemTime::now()));
    let times = sights.iter().map(|since| match since {
        KeptSince::Beginning(at) => *at,
        KeptSince::Loss(_) => panic!("{sights:?}"),
    });
    assert!(times.is_sorted_by(|earlier, later| earlier < later), "{sights:?}");
    assert_eq!(Some(&pasts.kept_since), sights.last(), "a primary that comes later changes nothing");
}

#[test]
fn within_one_run_only_a_higher_count_is_a_loss() {
    let told = |emptied, told_at| ServerRun { told_at, ..run("a", emptied) };
    let mut pasts = pasts();
    assert!(pasts.observe(&node(1), told(1, 20), None));
    let loss = pasts.kept_since;
    for (answer, why) in [
        (told(0, 10), "an answer that was overtaken"),
        (told(1, 30), "the one after it"),
        (told(0, 40), "CONFIG RESETSTAT"),
    ] {
        assert!(!pasts.observe(&node(1), answer, None), "{why}");
        assert_eq!(pasts.kept_since, loss, "{why}");
    }
    assert!(pasts.observe(&node(1), told(1, 50), None), "emptied after CONFIG RESETSTAT");
}

#[test]
fn a_lost_connection_to_the_same_run_loses_nothing() {
    let mut pasts = pasts();
    let lost_at = SystemTime::now();
    pasts.begin(&node(1), 2, false);
    assert!(!pasts.observe(&node(1), run("a", 0), Some(lost_at)));
    assert!(matches!(pasts.kept_since, KeptSince::Beginning(_)));
}

#[test]
fn a_new_run_may_have_lost_what_was_written_until_the_connection_was_lost() {
    let mut pasts = pasts();
    let lost_at = SystemTime::now() + Duration::from_secs(1);
    pasts.begin(&node(1), 2, false);
    assert!(pasts.observe(&node(1), run("b", 0), Some(lost_at)));
    assert_eq!(pasts.kept_since, KeptSince::Loss(lost_at));
    // Another server stood in for a moment, before the connection was confirmed.
    let earlier = lost_at - Duration::from_secs(10);
    assert!(pasts.observe(&node(1), run("c", 0), Some(earlier)));
    assert_eq!(pasts.kept_since, KeptSince::Loss(lost_at), "the latest loss counts");
}

#[test]
fn a_run_that_was_seen_after_the_connection_was_lost_may_have_lost_what_it_got_by_then() {
    let mut pasts = pasts();
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    let seen_at = pasts.by_node[&node(1)].seen_at;
    pasts.observe(&node(1), run("b", 0), Some(long_ago));
    assert_eq!(pasts.kept_since, KeptSince::Loss(seen_at));
}

#[test]
fn what_empties_a_primary_is_a_loss_until_it_is_noticed() {
    let mut pasts = pasts();
    let before = SystemTime::now();
    assert!(pasts.observe(&node(1), run("a", 1), None));
    assert!(matches!(pasts.kept_since, KeptSince::Loss(until) if until >= before));
    assert!(pasts.by_node[&node(1)].doubted_until.is_some());
    assert!(!pasts.observe(&node(1), run("a", 1), None), "it is noticed once");
}
