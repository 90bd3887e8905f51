//! Tests of the ledger.

use std::time::{Duration, Instant};

use scenecast_scene::{OpenId, SceneId};

use super::{BurstRate, Ledger, PhoneResult, Redemption, Tally};

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

/// A ledger with one login, scanned now and accepted after 100 ms.
fn accepted(at: Instant) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.scanned(scene(0), person("ann"), at);
    ledger.phone_told(scene(0), PhoneResult::Accepted, at + ms(100));
    ledger
}

#[test]
fn a_login_that_was_accepted_shown_and_redeemed_is_delivered() {
    let at = Instant::now();
    let mut ledger = accepted(at);
    assert_eq!(ledger.outstanding(), 1);
    ledger.page_told(scene(0), at + ms(90));
    ledger.redeemed(scene(0), Redemption::Of(person("ann")));
    assert_eq!(ledger.outstanding(), 0);
    let tally = ledger.tally(LATE);
    let delivered = Tally { scanned: 1, accepted: 1, delivered: 1, median: ms(90), p99: ms(90), ..Tally::default() };
    assert_eq!(tally, delivered);
    assert!(tally.keeps_the_promise());
}

#[test]
fn a_page_that_learns_long_after_the_phone_is_late() {
    let at = Instant::now();
    for (learned, late) in [(1100, 0), (1101, 1)] {
        let mut ledger = accepted(at);
        ledger.page_told(scene(0), at + ms(learned));
        ledger.redeemed(scene(0), Redemption::Of(person("ann")));
        assert_eq!((ledger.tally(LATE).delivered, ledger.tally(LATE).late), (1, late), "{learned}");
    }
}

#[test]
fn the_time_in_which_a_page_was_away_does_not_count() {
    let at = Instant::now();
    for (returned, learned, late, took) in [(5000, 5900, 0, 900), (5000, 6100, 1, 1100), (50, 90, 0, 40)] {
        let mut ledger = accepted(at);
        ledger.page_returned(scene(0), at + ms(returned));
        ledger.page_told(scene(0), at + ms(learned));
        ledger.redeemed(scene(0), Redemption::Of(person("ann")));
        assert_eq!((ledger.tally(LATE).late, ledger.tally(LATE).p99), (late, ms(took)));
    }
}

#[test]
fn p99_covers_only_the_given_period() {
    let at = Instant::now();
    let mut ledger = accepted(at);
    ledger.page_told(scene(0), at + ms(300));
    ledger.scanned(scene(1), person("bo"), at + ms(1000));
    ledger.page_told(scene(1), at + ms(1020));
    assert_eq!(ledger.p99(at..at + ms(1)), ms(300));
    assert_eq!(ledger.p99(at + ms(1)..at + ms(2000)), ms(20));
    assert_eq!(ledger.p99(at + ms(2000)..at + ms(3000)), ms(0));
}

#[test]
fn a_login_is_lost_without_a_page_or_without_a_redemption() {
    let at = Instant::now();
    let mut ledger = accepted(at);
    let tally = ledger.tally(LATE);
    assert_eq!((tally.lost, tally.lost_because["page was not told"]), (1, 1));
    assert!(!tally.keeps_the_promise());

    ledger.page_told(scene(0), at);
    ledger.redeemed(scene(0), Redemption::Refused("grant_unknown".to_owned()));
    let tally = ledger.tally(LATE);
    assert_eq!((tally.lost, tally.lost_because["grant_unknown"]), (1, 1));
}

#[test]
fn a_login_that_nobody_had_redeemed_when_redis_lost_its_data_breaks_no_promise() {
    let at = Instant::now();
    let unknown = || Redemption::Refused("grant_unknown".to_owned());
    // Its phone was told 100 ms after `at`.
    for (lost_by, page_told, redemption, lost) in [
        (Some(ms(100)), None, unknown(), 0),
        (Some(ms(99)), Some(ms(99)), unknown(), 0),
        (Some(ms(99)), Some(ms(150)), unknown(), 1),
        (None, Some(ms(99)), unknown(), 1),
        (Some(ms(100)), Some(ms(99)), Redemption::Refused("grant_used".to_owned()), 1),
    ] {
        let mut ledger = accepted(at);
        if let Some(page_told) = page_told {
            ledger.page_told(scene(0), at + page_told);
        }
        if let Some(lost_by) = lost_by {
            ledger.data_lost(at + lost_by);
        }
        assert_eq!(ledger.outstanding(), 1, "it may still be redeemed");
        ledger.redeemed(scene(0), redemption);
        let tally = ledger.tally(LATE);
        assert_eq!((tally.lost, tally.ended_with_the_data), (lost, 1 - lost), "{lost_by:?} {page_told:?}");
        assert_eq!((tally.accepted, tally.delivered), (1, 0));
        assert_eq!(ledger.outstanding() == 0, lost == 0, "nobody waits for it");
    }
    let mut ledger = accepted(at);
    ledger.data_lost(at + ms(200));
    assert_eq!(ledger.tally(LATE).lost, 1, "its grant was never refused");
}

#[test]
fn a_login_that_is_redeemed_twice_is_doubled() {
    let mut ledger = accepted(Instant::now());
    ledger.page_told(scene(0), Instant::now());
    ledger.redeemed(scene(0), Redemption::Of(person("ann")));
    ledger.redeemed(scene(0), Redemption::Refused("grant_used".to_owned()));
    assert!(ledger.tally(LATE).keeps_the_promise(), "the second redemption was refused");
    ledger.redeemed(scene(0), Redemption::Of(person("ann")));
    assert_eq!(ledger.tally(LATE).doubled, 1);
    assert!(!ledger.tally(LATE).keeps_the_promise());
}

#[test]
fn a_login_as_somebody_else_is_mixed_up() {
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
    ledger.phone_told(scene(0), PhoneResult::Refused, at);
    ledger.phone_told(scene(0), PhoneResult::Nothing, at);
    let tally = ledger.tally(LATE);
    assert_eq!((tally.scanned, tally.accepted, tally.refused, tally.not_told), (1, 0, 1, 1));
    assert!(tally.keeps_the_promise());
    // The user scans again and is accepted.
    ledger.phone_told(scene(0), PhoneResult::Accepted, at);
    assert_eq!(ledger.tally(LATE).lost, 1);
}

#[test]
fn the_longest_gap_is_between_deliveries_to_any_pages() {
    let at = Instant::now();
    let mut ledger = Ledger::default();
    for (n, learned) in [(0, 0), (1, 400), (2, 3400), (3, 100)] {
        ledger.scanned(scene(n), person("ann"), at);
        ledger.page_told(scene(n), at + ms(learned));
    }
    assert_eq!(ledger.tally(LATE).longest_gap, ms(3000));
    // Nobody scanned scene 4, and the page of scene 3 was away.
    ledger.page_told(scene(4), at + ms(60_000));
    ledger.page_returned(scene(3), at + ms(50_000));
    assert_eq!(ledger.tally(LATE).longest_gap, ms(3000));
}

#[test]
fn problems_are_counted_by_their_code() {
    let mut ledger = Ledger::default();
    for code in ["busy", "busy", "restart"] {
        ledger.count_problem(code);
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
    let rate = BurstRate::of(&even);
    assert!((rate.peak - 100.0).abs() < 1.0 && rate.unevenness() < 1.01, "{rate:?}");
}

#[test]
fn the_worst_burst_counts_and_a_few_events_are_no_burst() {
    let at = Instant::now();
    let mut moments: Vec<_> = (0..100).map(|n| at + ms(n * 10)).collect();
    moments.extend((0..10).map(|_| at + ms(5000)));
    assert!(BurstRate::of(&moments).unevenness() <= 1.0, "ten at once are no burst");
    // Half of them within the first second of ten.
    moments.extend((0..100).map(|n| at + ms(20_000 + n)));
    moments.extend((0..100).map(|n| at + ms(20_000 + n * 100)));
    let rate = BurstRate::of(&moments);
    assert!((rate.peak - 110.0).abs() < 1.0 && (19.0..22.0).contains(&rate.mean), "{rate:?}");
    assert_eq!(BurstRate::of(&[]), BurstRate::default());
}

#[test]
fn a_closed_login_keeps_its_sums_and_not_its_record() {
    let at = Instant::now();
    let told_late = |ledger: &mut Ledger| ledger.page_told(scene(0), at + ms(5000));
    let mut closed = accepted(at);
    told_late(&mut closed);
    closed.redeemed(scene(0), Redemption::Of(person("bo")));
    closed.redeemed(scene(0), Redemption::Of(person("ann")));
    let open = closed.tally(LATE);
    closed.close(scene(0), LATE);
    assert!(closed.logins.is_empty());
    assert_eq!(closed.tally(LATE), Tally { median: ms(0), p99: ms(0), ..open.clone() });
    assert_eq!((open.delivered, open.late, open.doubled, open.mixed_up), (1, 1, 1, 1));
    // A lost one keeps why.
    let mut lost = accepted(at);
    lost.close(scene(0), LATE);
    assert_eq!(lost.tally(LATE).lost_because["page was not told"], 1);
}

#[test]
fn a_server_that_makes_up_problems_fills_no_memory() {
    let mut ledger = Ledger::default();
    for number in 0..1000 {
        ledger.count_problem(&format!("made up {number}"));
    }
    ledger.count_problem("made up 7");
    let tally = ledger.tally(Duration::from_secs(1));
    assert_eq!((tally.problems.len(), tally.problems["other problems"], tally.problems["made up 7"]), (101, 900, 2));
    let mut ledger = Ledger::default();
    ledger.count_problem(&"错".repeat(1 << 20));
    assert!(ledger.tally(Duration::from_secs(1)).problems.keys().all(|code| code.len() <= 100));
}
