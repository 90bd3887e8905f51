//! What counts as better, worse, or as no news.

use super::{
    bootstrap::ChangeInterval,
    comparison::{ChangeOutcome, GoodDirection, RunComparison, UnknownReason, judge},
};
use crate::{report::sample::SampleRun, results::RunResult};

const NOISE: f64 = 0.05;

fn run(seed: u64, slowness: f64) -> RunResult {
    SampleRun { seed, slowness, ..SampleRun::default() }.result()
}

fn outcome(comparison: &RunComparison, name: &str) -> ChangeOutcome {
    comparison.metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name}")).outcome
}

#[test]
fn a_slower_run_is_worse_and_the_other_way_round_better() {
    let (usual, slow) = (run(1, 1.0), run(2, 1.5));
    let worse = RunComparison::new(&usual, &slow, NOISE).unwrap();
    let better = RunComparison::new(&slow, &usual, NOISE).unwrap();
    for name in ["p50 of response in load", "p90 of response in load", "p50 of service in load", "CPU a login in load"]
    {
        assert_eq!(
            (outcome(&worse, name), outcome(&better, name)),
            (ChangeOutcome::Worse, ChangeOutcome::Better),
            "{name}"
        );
    }
    assert_eq!(outcome(&worse, "logins delivered a second in load"), ChangeOutcome::Same);
    assert_eq!(outcome(&worse, "memory a page"), ChangeOutcome::Same);
    // 4,000 logins have four that are slower than p99.9.
    assert_eq!(outcome(&worse, "p99.9 of response in load"), ChangeOutcome::Unknown(UnknownReason::TooFewLogins));
    assert!(!worse.metrics.iter().any(|metric| metric.name.ends_with("fault")));
}

#[test]
fn another_run_of_the_same_is_never_better_or_worse() {
    let comparison = RunComparison::new(&run(1, 1.0), &run(2, 1.0), NOISE).unwrap();
    let changed: Vec<_> = comparison
        .metrics
        .iter()
        .filter(|metric| matches!(metric.outcome, ChangeOutcome::Worse | ChangeOutcome::Better))
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(outcome(&comparison, "CPU a login in load"), ChangeOutcome::Same);
}

#[test]
fn a_change_below_the_noise_is_no_news() {
    let (usual, slow) = (run(1, 1.0), run(2, 1.5));
    let comparison = RunComparison::new(&usual, &slow, 0.9).unwrap();
    assert_eq!(outcome(&comparison, "p50 of response in load"), ChangeOutcome::Same);
    assert!(comparison.with(ChangeOutcome::Worse).next().is_none());
}

#[test]
fn one_lost_login_more_is_worse_whatever_the_noise() {
    let mut lossy = run(1, 1.0);
    lossy.funnel.lost = 1;
    let comparison = RunComparison::new(&run(1, 1.0), &lossy, 0.9).unwrap();
    assert!(comparison.breaks_the_promise());
    let mended = RunComparison::new(&lossy, &run(1, 1.0), 0.9).unwrap();
    assert_eq!(outcome(&mended, "logins lost, doubled or mixed up"), ChangeOutcome::Better);
}

#[test]
fn what_was_not_measured_is_not_judged() {
    let mut elsewhere = run(1, 1.0);
    elsewhere.processes.clear();
    elsewhere.phases.iter_mut().for_each(|phase| phase.cost = None);
    let comparison = RunComparison::new(&elsewhere, &elsewhere, NOISE).unwrap();
    assert!(
        !comparison.metrics.iter().any(|metric| metric.name.starts_with("CPU") || metric.name.starts_with("memory"))
    );
    let half = RunComparison::new(&run(1, 1.0), &elsewhere, NOISE).unwrap();
    assert!(matches!(outcome(&half, "CPU a login in load"), ChangeOutcome::Unknown(_)));
    assert_eq!(outcome(&half, "memory a page"), ChangeOutcome::Unknown(UnknownReason::NotMeasured));
    let short = SampleRun { load_seconds: 9, ..SampleRun::default() }.result();
    let comparison = RunComparison::new(&short, &short, NOISE).unwrap();
    assert_eq!(outcome(&comparison, "p50 of response in load"), ChangeOutcome::Unknown(UnknownReason::TooFewSeconds));
}

#[test]
fn a_wide_interval_is_not_judged() {
    let judge = |low, high| judge(ChangeInterval { low, high }, GoodDirection::Down, NOISE);
    assert_eq!(judge(-0.04, 0.04), ChangeOutcome::Same);
    assert_eq!(judge(0.01, 0.2), ChangeOutcome::Unknown(UnknownReason::TooMuchSpread));
    assert_eq!((judge(0.06, 0.2), judge(-0.2, -0.06)), (ChangeOutcome::Worse, ChangeOutcome::Better));
}

#[test]
fn a_damaged_histogram_is_named() {
    let mut damaged = run(1, 1.0);
    damaged.seconds[20].service.hdr = "?".to_owned();
    let error = RunComparison::new(&run(1, 1.0), &damaged, NOISE).unwrap_err().to_string();
    assert_eq!(
        error,
        "the result after is damaged: second 20: a histogram can't be read: it is not base64; measure again"
    );
}
