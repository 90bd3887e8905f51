//! What a ledger makes of what happened.

use std::time::{Duration, Instant};

use scenecast_shared::scene::{OpenId, SceneId};

use super::{Ledger, Rate, Redemption, Tally, Told};

const LATE: Duration = Duration::from_secs(1);

fn scene(n: u8) -> SceneId {
    format!("{}{}", "A".repeat(20), ["AA", "AQ", "Ag", "Aw", "BA"][usize::from(n)]).parse().unwrap()
}

fn person(name: &str) -> OpenId {
    format!("o{name}").parse().unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A ledger with one accepted login, scanned now, of which the phone was told after 100 ms.
fn accepted(at: Instant) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.scanned(scene(0), person("ann"), at);
    ledger.told(scene(0), Told::Accepted, at + ms(100));
    ledger
}

#[test]
fn what_was_accepted_heard_and_redeemed_is_delivered() {
    let at = Instant::now();
    let mut ledger = accepted(at);
    assert_eq!(ledger.outstanding(), 1);
    ledger.heard(scene(0), at + ms(90));
    ledger.redeemed(scene(0), Redemption::Of(person("ann")));
    assert_eq!(ledger.outstanding(), 0);
    let tally = ledger.tally(LATE);
    let delivered = Tally { scanned: 1, accepted: 1, delivered: 1, median: ms(90), p99: ms(90), ..Tally::default() };
    assert_eq!(tally, delivered);
    assert!(tally.keeps_the_promise());
}

#[test]
fn what_is_heard_long_after_the_phone_was_told_is_late() {
    let at = Instant::now();
    for (heard, late) in [(1100, 0), (1101, 1)] {
        let mut ledger = accepted(at);
        ledger.heard(scene(0), at + ms(heard));
        ledger.redeemed(scene(0), Redemption::Of(person("ann")));
        assert_eq!((ledger.tally(LATE).delivered, ledger.tally(LATE).late), (1, late), "{heard}");
    }
}

#[test]
fn the_time_that_a_page_was_away_counts_for_nothing() {
    let at = Instant::now();
    for (back, heard, late, took) in [(5000, 5900, 0, 900), (5000, 6100, 1, 1100), (50, 90, 0, 40)] {
        let mut ledger = accepted(at);
        ledger.returns(scene(0), at + ms(back));
        ledger.heard(scene(0), at + ms(heard));
        ledger.redeemed(scene(0), Redemption::Of(person("ann")));
        assert_eq!((ledger.tally(LATE).late, ledger.tally(LATE).p99), (late, ms(took)));
    }
}

#[test]
fn the_slowest_of_a_hundred_is_told_of_a_time_alone() {
    let at = Instant::now();
    let mut ledger = accepted(at);
    ledger.heard(scene(0), at + ms(300));
    ledger.scanned(scene(1), person("bo"), at + ms(1000));
    ledger.heard(scene(1), at + ms(1020));
    assert_eq!(ledger.p99(at..at + ms(1)), ms(300));
    assert_eq!(ledger.p99(at + ms(1)..at + ms(2000)), ms(20));
    assert_eq!(ledger.p99(at + ms(2000)..at + ms(3000)), ms(0));
}

#[test]
fn what_the_page_never_heard_is_lost_and_so_is_what_opens_nothing() {
    let at = Instant::now();
    let mut ledger = accepted(at);
    let tally = ledger.tally(LATE);
    assert_eq!((tally.lost, tally.not_redeemed["not heard of"]), (1, 1));
    assert!(!tally.keeps_the_promise());

    ledger.heard(scene(0), at);
    ledger.redeemed(scene(0), Redemption::Refused("grant_unknown".to_owned()));
    let tally = ledger.tally(LATE);
    assert_eq!((tally.lost, tally.not_redeemed["grant_unknown"]), (1, 1));
}

#[test]
fn what_is_redeemed_twice_is_doubled() {
    let mut ledger = accepted(Instant::now());
    ledger.heard(scene(0), Instant::now());
    ledger.redeemed(scene(0), Redemption::Of(person("ann")));
    ledger.redeemed(scene(0), Redemption::Refused("grant_used".to_owned()));
    assert!(ledger.tally(LATE).keeps_the_promise(), "the second got nothing");
    ledger.redeemed(scene(0), Redemption::Of(person("ann")));
    assert_eq!(ledger.tally(LATE).doubled, 1);
    assert!(!ledger.tally(LATE).keeps_the_promise());
}

#[test]
fn somebody_elses_login_is_mixed_up() {
    let mut ledger = accepted(Instant::now());
    ledger.redeemed(scene(0), Redemption::Of(person("bo")));
    assert_eq!(ledger.tally(LATE).mixed_up, 1);
    assert!(!ledger.tally(LATE).keeps_the_promise());
}

#[test]
fn a_phone_that_was_told_to_scan_again_has_lost_nothing() {
    let at = Instant::now();
    let mut ledger = Ledger::default();
    ledger.scanned(scene(0), person("ann"), at);
    ledger.told(scene(0), Told::Refused, at);
    ledger.told(scene(0), Told::Nothing, at);
    let tally = ledger.tally(LATE);
    assert_eq!((tally.scanned, tally.accepted, tally.refused, tally.untold), (1, 0, 1, 1));
    assert!(tally.keeps_the_promise());
    // It does, and is accepted after all.
    ledger.told(scene(0), Told::Accepted, at);
    assert_eq!(ledger.tally(LATE).lost, 1);
}

#[test]
fn the_longest_gap_is_between_deliveries_of_whatever_pages() {
    let at = Instant::now();
    let mut ledger = Ledger::default();
    for (n, heard) in [(0, 0), (1, 400), (2, 3400), (3, 100)] {
        ledger.scanned(scene(n), person("ann"), at);
        ledger.heard(scene(n), at + ms(heard));
    }
    assert_eq!(ledger.tally(LATE).longest_gap, ms(3000));
    // Nobody scanned this one, and this one's page was away.
    ledger.heard(scene(4), at + ms(60_000));
    ledger.returns(scene(3), at + ms(50_000));
    assert_eq!(ledger.tally(LATE).longest_gap, ms(3000));
}

#[test]
fn problems_are_counted_by_their_code() {
    let mut ledger = Ledger::default();
    for code in ["busy", "busy", "restart"] {
        ledger.has_problem(code);
    }
    assert_eq!(
        ledger.tally(LATE).problems.into_iter().collect::<Vec<_>>(),
        [("busy".to_owned(), 2), ("restart".to_owned(), 1)]
    );
}

#[test]
fn an_even_burst_has_its_mean_as_its_peak() {
    let at = Instant::now();
    let even: Vec<_> = (0..=400).map(|n| at + ms(n * 10)).collect();
    let rate = Rate::of(&even);
    assert!((rate.peak - 100.0).abs() < 1.0 && rate.unevenness() < 1.01, "{rate:?}");
}

#[test]
fn the_worst_burst_counts_and_a_few_are_none() {
    let at = Instant::now();
    let mut moments: Vec<_> = (0..100).map(|n| at + ms(n * 10)).collect();
    moments.extend((0..10).map(|_| at + ms(5000)));
    assert!(Rate::of(&moments).unevenness() <= 1.0, "ten at once are no storm");
    // Half of them within the first second of ten.
    moments.extend((0..100).map(|n| at + ms(20_000 + n)));
    moments.extend((0..100).map(|n| at + ms(20_000 + n * 100)));
    let rate = Rate::of(&moments);
    assert!((rate.peak - 110.0).abs() < 1.0 && (19.0..22.0).contains(&rate.mean), "{rate:?}");
    assert_eq!(Rate::of(&[]), Rate::default());
}
