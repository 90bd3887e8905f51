//! Whether a draining gateway sends its pages to other gateways as it should: evenly over the drain window, each with
//! its own delay, and pages with a scanned scene last. No I/O.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::report::DrillCheck;
use crate::ledger::PageMove;

/// There are at most this many different delays: milliseconds within a second.
const MAX_DELAYS: usize = 1000;

/// Checks the moves of gateway `n` within one drain window.
pub(super) fn checks(n: usize, moves: &[PageMove], window: Duration) -> Vec<DrillCheck> {
    let check = |what: String, holds| DrillCheck { what: format!("gateway {n} {what}"), holds };
    let at = |page: &&PageMove| page.at;
    let first = moves.iter().map(|page| page.at).min();
    let last = moves.iter().map(|page| page.at).max();
    let span = last.zip(first).map_or(Duration::ZERO, |(last, first)| last - first);
    let most = most_within(window / 4, moves);
    let pages = moves.len();
    let delays = moves.iter().map(|page| page.delay).collect::<BTreeSet<_>>().len();
    let first_scanned = moves.iter().filter(|page| page.scanned).min_by_key(at);
    let later = first_scanned.map_or(0, |scanned| {
        // Pages notice their close a little late, because all processes of a drill share two cores.
        let tolerated = scanned.at + window / 6;
        moves.iter().filter(|page| !page.scanned && page.at > tolerated).count()
    });
    vec![
        check(format!("moves {pages} pages over {span:?} of {window:?}"), span >= window * 3 / 4),
        check(format!("moves {most} of {pages} pages within a quarter of its window"), 2 * most <= pages),
        check(format!("gives {pages} pages {delays} different delays"), 2 * delays >= pages.min(MAX_DELAYS)),
        check(format!("moves {later} pages after pages with a scanned scene"), later == 0),
    ]
}

/// The highest number of moves within any period of this length.
fn most_within(time: Duration, moves: &[PageMove]) -> usize {
    let mut moments: Vec<Instant> = moves.iter().map(|page| page.at).collect();
    moments.sort_unstable();
    let within = |(nth, from): (usize, &Instant)| moments[nth..].partition_point(|at| *at < *from + time);
    moments.iter().enumerate().map(within).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(20);

    /// A hundred pages that move evenly, each with another delay. The scenes of the last ten are scanned.
    fn even_moves() -> Vec<PageMove> {
        let began = Instant::now();
        let page = |n: u32| PageMove {
            at: began + WINDOW * n / 100,
            from: ([127, 0, 0, 1], 8000).into(),
            delay: Duration::from_millis((n * 37 % 1000).into()),
            scanned: n > 90,
        };
        (1..=100).map(page).collect()
    }

    fn failed_checks(moves: &[PageMove]) -> Vec<String> {
        let checks = checks(0, moves, WINDOW).into_iter();
        checks.filter(|check| !check.holds).map(|check| check.what).collect()
    }

    #[test]
    fn pages_that_move_evenly_and_scanned_ones_last_pass() {
        assert_eq!(failed_checks(&even_moves()), <[String; 0]>::default());
    }

    #[test]
    fn pages_that_move_together_fail() {
        let mut moves = even_moves();
        let at = moves[0].at;
        moves.iter_mut().take(60).for_each(|page| page.at = at);
        assert_eq!(failed_checks(&moves), ["gateway 0 moves 60 of 100 pages within a quarter of its window"]);
        for page in &mut moves {
            page.at = at;
        }
        assert!(failed_checks(&moves)[0].ends_with("moves 100 pages over 0ns of 20s"), "{:?}", failed_checks(&moves));
        assert!(!failed_checks(&[]).is_empty(), "a gateway without pages proves nothing");
    }

    #[test]
    fn pages_with_the_same_delay_fail() {
        let mut moves = even_moves();
        for page in &mut moves {
            page.delay = WINDOW;
        }
        assert_eq!(failed_checks(&moves), ["gateway 0 gives 100 pages 1 different delays"]);
    }

    #[test]
    fn a_scanned_page_that_moves_before_others_fails() {
        let mut moves = even_moves();
        moves[49].scanned = true;
        let failed = "gateway 0 moves 24 pages after pages with a scanned scene";
        assert_eq!(failed_checks(&moves), [failed]);
    }
}
