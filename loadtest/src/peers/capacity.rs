//! The search for a capacity: the highest rate that is still answered in time.
//!
//! ```text
//!   rising ── a rate fails ──▶ halving ── the gap is small ──▶ done
//!     └────── the ceiling is reached ─────────────────────────▶ done
//! ```

/// How much the rate grows until one fails.
const GROWTH: f64 = 1.5;
/// The search is over when the lowest rate that failed is at most this many times the highest that passed.
const PRECISION: f64 = 1.08;
/// Who fails at a rate below this has no capacity worth a figure.
const LOWEST: f64 = 50.0;
/// No search takes more tries, whatever the rates are.
const MOST_TRIES: u32 = 20;

/// A search for the highest rate that passes. It assumes that a rate passes if a higher one does.
#[derive(Debug, Clone)]
pub struct CapacitySearch {
    next: f64,
    ceiling: f64,
    passed: Option<f64>,
    failed: Option<f64>,
    tries: u32,
}

impl CapacitySearch {
    /// Begins at this rate, and never asks for more than `ceiling`.
    pub fn new(first: f64, ceiling: f64) -> Self {
        Self { next: first.min(ceiling), ceiling, passed: None, failed: None, tries: 0 }
    }

    /// The rate to try; `None` when the capacity is known.
    pub fn next(&self) -> Option<f64> {
        let is_exact = |(passed, failed): (f64, f64)| failed / passed <= PRECISION;
        let is_done = self.passed.zip(self.failed).is_some_and(is_exact)
            || self.passed.is_some_and(|passed| passed >= self.ceiling)
            || self.failed.is_some_and(|failed| failed < LOWEST)
            || self.tries == MOST_TRIES;
        (!is_done).then_some(self.next)
    }

    /// Notes whether the rate of [`CapacitySearch::next`] was answered in time.
    pub fn record(&mut self, passes: bool) {
        self.tries += 1;
        if passes {
            self.passed = Some(self.next);
        } else {
            self.failed = Some(self.next);
        }
        self.next = match (self.passed, self.failed) {
            // The geometric mean: as far from both in proportion.
            (Some(passed), Some(failed)) => (passed * failed).sqrt(),
            (None, Some(failed)) => failed / GROWTH,
            (_, None) => (self.next * GROWTH).min(self.ceiling),
        };
    }

    /// The highest rate that passed; `None` if none did.
    pub fn capacity(&self) -> Option<f64> {
        self.passed
    }

    /// Whether more might be possible: even the ceiling passed.
    pub fn is_cut_off(&self) -> bool {
        self.passed.is_some_and(|passed| passed >= self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where rates up to `limit` pass. Also returns how many were tried.
    fn search(first: f64, ceiling: f64, limit: f64) -> (CapacitySearch, usize) {
        let mut search = CapacitySearch::new(first, ceiling);
        let mut tries = 0;
        while let Some(rate) = search.next() {
            search.record(rate <= limit);
            tries += 1;
            assert!(tries < 100, "{search:?}");
        }
        (search, tries)
    }

    #[test]
    fn the_highest_rate_that_passes_is_found() {
        for limit in [300.0, 1999.0, 2000.0, 2001.0, 7654.0, 20_000.0] {
            let (search, tries) = search(2000.0, 50_000.0, limit);
            let capacity = search.capacity().unwrap();
            assert!(capacity <= limit && capacity >= limit / PRECISION, "{capacity} for {limit}");
            assert!(tries <= 12 && !search.is_cut_off(), "{tries} tries for {limit}");
        }
    }

    #[test]
    fn nothing_above_the_ceiling_is_tried() {
        let (search, tries) = search(2000.0, 5000.0, 1e9);
        assert_eq!((search.capacity(), search.is_cut_off(), tries), (Some(5000.0), true, 4));
        assert_eq!(CapacitySearch::new(2000.0, 100.0).next(), Some(100.0));
    }

    #[test]
    fn a_search_from_a_rate_that_is_far_too_low_ends_all_the_same() {
        let (search, tries) = search(1.0, 1e9, 1e9);
        assert_eq!((tries, search.is_cut_off()), (20, false));
    }

    #[test]
    fn who_passes_at_no_rate_has_no_capacity() {
        let (search, _) = search(2000.0, 50_000.0, 0.0);
        assert_eq!((search.capacity(), search.is_cut_off()), (None, false));
    }
}
