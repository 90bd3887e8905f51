//! Budgets: what Scenecast may cost, as ratios to the best peer of the same run. Ratios hold on any machine; times don't.
//!
//! See docs/decisions/096-budgets-are-ratios-to-the-best-peer.md.

use std::fmt;

use serde::{Deserialize, de::IgnoredAny};

use strum::VariantArray;

use super::{
    comparison::{Figure, PeerComparison},
    contestant::Contestant,
};

/// The budgets that are checked unless others are named.
const SHIPPED: &str = include_str!("../../budgets.toml");

/// The budgets of a comparison.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerBudgets {
    /// A comparison with fewer sockets is too small to be judged.
    pub sockets: u32,
    /// A comparison with fewer logins a second is too small to be judged.
    pub logins_per_second: f64,
    cpu_per_login_at_most: f64,
    p50_at_most: f64,
    p99_at_most: f64,
    cpu_per_open_at_most: f64,
    bytes_per_page_at_most: f64,
    capacity_at_least: f64,
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetFile {
    peers: PeerBudgets,
    /// Thresholds of `run`, whose figures need no peer.
    #[serde(default, rename = "thresholds")]
    _thresholds: IgnoredAny,
}

/// A file of budgets that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("the budgets can't be read: {0}")]
pub struct BudgetsError(#[from] toml::de::Error);

/// One budget, and what was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetOutcome {
    pub figure: Figure,
    /// Scenecast's figure divided by that of the best peer; `None` if it was not measured.
    pub ratio: Option<f64>,
    pub limit: f64,
    /// Whether it was measured, and can't be judged: the generator was the limit, and its lateness is in Scenecast's figure.
    pub is_limited: bool,
}

impl PeerBudgets {
    /// The budgets in `loadtest/budgets.toml`.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("a test reads the shipped budgets")
    }

    /// Reads a file like `loadtest/budgets.toml`.
    pub fn parse(text: &str) -> Result<Self, BudgetsError> {
        let BudgetFile { peers, .. } = toml::from_str(text)?;
        Ok(peers)
    }

    /// Why this comparison can't be judged; `None` if it can.
    pub fn doubt(&self, comparison: &PeerComparison) -> Option<String> {
        let load = &comparison.load;
        if load.sockets < self.sockets || load.rate < self.logins_per_second {
            return Some(format!(
                "they are for at least {} sockets and {} logins a second",
                self.sockets, self.logins_per_second
            ));
        }
        let samples = || comparison.contestants.iter().flat_map(|result| &result.samples);
        let missed: u64 = samples().map(|sample| sample.planned.saturating_sub(sample.delivered)).sum();
        if missed > 0 {
            return Some(format!("{missed} pushes or logins never reached their page; is the machine too busy?"));
        }
        None
    }

    /// What makes a budget that holds less sure, in words: the best peer may be better than the best one here. A budget that is
    /// broken is broken all the same.
    pub fn weakness(&self, comparison: &PeerComparison) -> Option<String> {
        let result_of = |peer: &Contestant| comparison.contestants.iter().find(|result| result.contestant == *peer);
        let is_known = |peer: &Contestant| {
            let samples = result_of(peer).map(|result| &result.samples[..]).unwrap_or_default();
            !samples.is_empty() && !samples.iter().any(|sample| sample.is_generator_limited)
        };
        let peers = Contestant::VARIANTS.iter().filter(|contestant| contestant.is_peer());
        let unknown: Vec<_> = peers.filter(|peer| !is_known(peer)).map(ToString::to_string).collect();
        (!unknown.is_empty()).then(|| {
            format!(
                "budgets that hold may not: {} were not measured, or with a generator that was the limit, and one of them may be \
                 the best peer",
                unknown.join(", ")
            )
        })
    }

    /// What became of each budget.
    pub fn check(&self, comparison: &PeerComparison) -> Vec<BudgetOutcome> {
        let ours = || comparison.contestants.iter().filter(|result| !result.contestant.is_peer());
        let was_late = ours().flat_map(|result| &result.samples).any(|sample| sample.is_generator_limited);
        let was_limit = ours().filter_map(|result| result.capacity).any(|found| found.is_generator_limited);
        let outcome = |(figure, limit)| {
            let is_limited = match figure {
                Figure::P50 | Figure::P99 => was_late,
                Figure::Capacity => was_limit,
                Figure::BytesPerPage | Figure::CpuPerPush | Figure::CpuPerOpen => false,
            };
            let ratio = if is_limited { None } else { comparison.ratio_to_best_peer(figure) };
            BudgetOutcome { figure, ratio, limit, is_limited }
        };
        let limits = [
            (Figure::CpuPerPush, self.cpu_per_login_at_most),
            (Figure::P50, self.p50_at_most),
            (Figure::P99, self.p99_at_most),
            (Figure::CpuPerOpen, self.cpu_per_open_at_most),
            (Figure::BytesPerPage, self.bytes_per_page_at_most),
            (Figure::Capacity, self.capacity_at_least),
        ];
        limits.map(outcome).to_vec()
    }
}

impl BudgetOutcome {
    /// Whether it is broken. What was not measured isn't.
    pub fn is_broken(&self) -> bool {
        self.ratio.is_some_and(|ratio| match self.figure {
            Figure::Capacity => ratio < self.limit,
            _ => ratio > self.limit,
        })
    }
}

impl fmt::Display for BudgetOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.figure {
            Figure::BytesPerPage => "a page's memory",
            Figure::CpuPerPush => "the CPU time of a login",
            Figure::P50 => "the median from scan to frame",
            Figure::P99 => "p99 from scan to frame",
            Figure::CpuPerOpen => "the CPU time of an open",
            Figure::Capacity => "the capacity",
        };
        let side = if self.figure == Figure::Capacity { "at least" } else { "at most" };
        match self.ratio {
            Some(ratio) => write!(
                f,
                "{what} is {ratio:.2} times that of the best peer, and {side} {:.2} is the budget",
                self.limit
            ),
            None if self.is_limited => write!(
                f,
                "{what} can't be judged, because the generator was the limit; {side} {:.2} is the budget",
                self.limit
            ),
            None => write!(f, "{what} was not compared with any peer; {side} {:.2} is the budget", self.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{comparison::ContestantResult, sample};

    fn budgets(cpu: f64, capacity: f64) -> PeerBudgets {
        PeerBudgets {
            cpu_per_login_at_most: cpu,
            p50_at_most: 10.0,
            p99_at_most: 10.0,
            cpu_per_open_at_most: 10.0,
            bytes_per_page_at_most: 10.0,
            capacity_at_least: capacity,
            ..PeerBudgets::shipped()
        }
    }

    fn broken(budgets: &PeerBudgets) -> Vec<String> {
        let outcomes = budgets.check(&sample::comparison());
        outcomes.iter().filter(|outcome| outcome.is_broken()).map(ToString::to_string).collect()
    }

    #[test]
    fn a_broken_budget_is_said_in_words() {
        // A login costs twice the best peer's push, and the capacity is three quarters of the best.
        assert!(broken(&budgets(2.1, 0.7)).is_empty());
        assert_eq!(
            broken(&budgets(1.9, 0.8)),
            [
                "the CPU time of a login is 2.00 times that of the best peer, and at most 1.90 is the budget",
                "the capacity is 0.75 times that of the best peer, and at least 0.80 is the budget",
            ]
        );
    }

    #[test]
    fn what_was_not_measured_breaks_no_budget_and_is_named() {
        let mut comparison = sample::comparison();
        comparison.contestants.truncate(1);
        let outcomes = budgets(0.1, 9.0).check(&comparison);
        assert!(outcomes.iter().all(|outcome| !outcome.is_broken()));
        assert!(outcomes[0].to_string().starts_with("the CPU time of a login was not compared"), "{}", outcomes[0]);
    }

    #[test]
    fn a_comparison_that_is_small_or_not_whole_is_not_judged() {
        let doubt = |change: fn(&mut PeerComparison)| {
            let mut comparison = sample::comparison();
            change(&mut comparison);
            PeerBudgets::shipped().doubt(&comparison).unwrap_or_default()
        };
        assert_eq!(doubt(|_| {}), "");
        assert!(doubt(|comparison| comparison.load.sockets = 100).contains("at least 10000 sockets"));
        assert!(doubt(|comparison| comparison.load.rate = 10.0).contains("1000 logins a second"));
        let missed = doubt(|comparison| comparison.contestants[1].samples[0].delivered -= 3);
        assert!(missed.starts_with("3 pushes or logins never reached"), "{missed}");
    }

    #[test]
    fn a_generator_that_was_the_limit_takes_only_times_from_judgement() {
        let mut comparison = sample::comparison();
        comparison.contestants[0].samples[0].is_generator_limited = true;
        let outcomes = budgets(1.9, 0.7).check(&comparison);
        let unjudged: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_limited).map(|it| it.figure).collect();
        assert_eq!((unjudged, outcomes[0].is_broken()), (vec![Figure::P50, Figure::P99], true));
        assert!(outcomes[1].to_string().contains("can't be judged, because the generator"), "{}", outcomes[1]);
    }

    #[test]
    fn a_yardstick_without_all_peers_is_weak() {
        let mut comparison = sample::comparison();
        let weakness = |comparison: &PeerComparison| PeerBudgets::shipped().weakness(comparison).unwrap_or_default();
        assert!(weakness(&comparison).contains(": socket-io, centrifugo were"), "{}", weakness(&comparison));
        comparison.contestants[1].samples[0].is_generator_limited = true;
        assert!(weakness(&comparison).contains(": nchan, socket-io, centrifugo were"), "{}", weakness(&comparison));
        let other = |contestant| ContestantResult { contestant, ..sample::comparison().contestants[1].clone() };
        comparison.contestants = Contestant::VARIANTS.iter().map(|contestant| other(*contestant)).collect();
        assert_eq!(weakness(&comparison), "");
    }

    #[test]
    fn a_budget_with_a_slip_of_the_pen_is_refused_by_its_name() {
        let text = SHIPPED.replace("p99_at_most", "p99_atmost");
        assert!(PeerBudgets::parse(&text).unwrap_err().to_string().contains("p99_atmost"));
        assert!(PeerBudgets::parse("<html>").is_err());
    }
}
