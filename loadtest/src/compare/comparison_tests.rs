//! What counts as better, worse, or as no news.

use super::{
    bootstrap::ChangeInterval,
    comparison::{ChangeOutcome, GoodDirection, RunComparison, UnknownReason, judge},
};
use crate::{plan::Phase, report::sample::SampleRun, results::RunResult};

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

#[test]
fn only_whole_seconds_say_what_a_rate_is() {
    let whole = run(1, 1.0);
    // Logins that begin and end in the middle of a second: the first and the last one have half of them.
    let mut cut = whole.clone();
    let load = cut.phases.iter_mut().find(|phase| phase.phase == Phase::Load).unwrap();
    let (first, last) = (load.from_seconds, load.to_seconds - 1.0);
    (load.from_seconds, load.to_seconds) = (first + 0.5, last + 0.5);
    for second in &mut cut.seconds {
        let number = f64::from(u32::try_from(second.second).unwrap());
        if (number - first).abs() < 0.1 || (number - last).abs() < 0.1 {
            second.heard /= 2;
        }
    }
    let compared = RunComparison::new(&whole, &cut, NOISE).unwrap();
    let name = "logins delivered a second in load";
    let rate = compared.metrics.iter().find(|metric| metric.name == name).unwrap();
    assert_eq!((rate.before, rate.after), (Some(100.0), Some(100.0)));
}

#[test]
fn memory_is_compared_before_the_first_login() {
    let usual = run(1, 1.0);
    let mut other = usual.clone();
    // Logins close pages: what is left of them says nothing of a page.
    for phase in other.phases.iter_mut().filter(|phase| phase.phase == Phase::Load) {
        for cost in phase.cost.iter_mut().flat_map(|cost| cost.roles.values_mut()) {
            cost.rss_bytes_per_page *= 9.0;
        }
    }
    assert_eq!(outcome(&RunComparison::new(&usual, &other, NOISE).unwrap(), "memory a page"), ChangeOutcome::Same);
}
