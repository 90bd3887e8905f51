//! Whether a gateway that leaves sends its pages elsewhere as it has to: evenly over the drain window, each with a
//! delay of its own, and last of all those of whom somebody is about to confirm. No I/O.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::Check;
use crate::ledger::Move;

/// Delays are told in so many different ways, at most: milliseconds within a second.
const DELAYS: usize = 1000;

/// What has to be so of the pages that gateway `n` sent elsewhere, all of them in one drain window.
pub(super) fn checks(n: usize, moves: &[Move], window: Duration) -> Vec<Check> {
    let check = |what: String, holds| Check { what: format!("gateway {n} {what}"), holds };
    let at = |page: &&Move| page.at;
    let first = moves.iter().map(|page| page.at).min();
    let last = moves.iter().map(|page| page.at).max();
    let span = last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first);
    let (most, pages) = (most_within(window / 4, moves), moves.len());
    let delays = moves.iter().map(|page| page.delay).collect::<BTreeSet<_>>().len();
    let first_scanned = moves.iter().filter(|page| page.scanned).min_by_key(at);
    let later = first_scanned.map_or(0, |scanned| {
        // As exactly as a page can tell that shares two cores with everybody else.
        let tolerated = scanned.at + window / 6;
        moves.iter().filter(|page| !page.scanned && page.at > tolerated).count()
    });
    vec![
        check(format!("sends {pages} pages elsewhere over {span:?} of {window:?}"), span >= window * 3 / 4),
        check(format!("sends {most} of {pages} pages elsewhere within a quarter of its window"), 2 * most <= pages),
        check(format!("tells {pages} pages {delays} different delays"), 2 * delays >= pages.min(DELAYS)),
        check(format!("sends {later} pages elsewhere after those of whom somebody is about to confirm"), later == 0),
    ]
}

/// The most that go within any time of this length.
fn most_within(time: Duration, moves: &[Move]) -> usize {
    let mut moments: Vec<Instant> = moves.iter().map(|page| page.at).collect();
    moments.sort_unstable();
    let within = |(nth, from): (usize, &Instant)| moments[nth..].partition_point(|at| *at < *from + time);
    moments.iter().enumerate().map(within).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(20);

    /// A hundred pages that go evenly, each with another delay, the last ten in mid-confirmation.
    fn evenly() -> Vec<Move> {
        let began = Instant::now();
        let page = |n: u32| Move {
            at: began + WINDOW * n / 100,
            from: ([127, 0, 0, 1], 8000).into(),
            delay: Duration::from_millis((n * 37 % 1000).into()),
            scanned: n > 90,
        };
        (1..=100).map(page).collect()
    }

    fn fails(moves: &[Move]) -> Vec<String> {
        let checks = checks(0, moves, WINDOW).into_iter();
        checks.filter(|check| !check.holds).map(|check| check.what).collect()
    }

    #[test]
    fn pages_that_go_one_by_one_and_scanned_ones_last_go_as_they_have_to() {
        assert_eq!(fails(&evenly()), <[String; 0]>::default());
    }

    #[test]
    fn pages_that_go_together_are_seen() {
        let mut moves = evenly();
        let at = moves[0].at;
        moves.iter_mut().take(60).for_each(|page| page.at = at);
        assert_eq!(fails(&moves), ["gateway 0 sends 60 of 100 pages elsewhere within a quarter of its window"]);
        for page in &mut moves {
            page.at = at;
        }
        assert!(fails(&moves)[0].ends_with("sends 100 pages elsewhere over 0ns of 20s"), "{:?}", fails(&moves));
        assert!(!fails(&[]).is_empty(), "a gateway without pages proves nothing");
    }

    #[test]
    fn pages_that_are_told_the_same_delay_are_seen() {
        let mut moves = evenly();
        for page in &mut moves {
            page.delay = WINDOW;
        }
        assert_eq!(fails(&moves), ["gateway 0 tells 100 pages 1 different delays"]);
    }

    #[test]
    fn a_scanned_page_that_goes_before_others_is_seen() {
        let mut moves = evenly();
        moves[49].scanned = true;
        let says = "gateway 0 sends 24 pages elsewhere after those of whom somebody is about to confirm";
        assert_eq!(fails(&moves), [says]);
    }
}
