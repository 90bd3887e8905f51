//! Which results can be compared at all.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{plan::LoginPlan, results::RunResult};

/// A part of a plan that may differ: it changes which random choices were made, and not the load.
const MAY_DIFFER: &str = "seed";

/// Why two results can't be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotComparableError {
    /// Times under one load say nothing of times under another.
    #[error("the results are of different plans, so their times can't be compared: {}; measure both with one plan", .differences.join("; "))]
    Plans { differences: Vec<String> },
    #[error("the result {which} has no login that was timed, so there is nothing to compare")]
    NoTimes {
        /// `before` or `after`.
        which: &'static str,
    },
}

/// Refuses what can't be compared.
pub(super) fn check(before: &RunResult, after: &RunResult) -> Result<(), NotComparableError> {
    let differences = differences(&before.plan, &after.plan);
    if !differences.is_empty() {
        return Err(NotComparableError::Plans { differences });
    }
    for (which, result) in [("before", before), ("after", after)] {
        if result.phases.iter().all(|phase| phase.response.summary.count == 0) {
            return Err(NotComparableError::NoTimes { which });
        }
    }
    Ok(())
}

fn differences(before: &LoginPlan, after: &LoginPlan) -> Vec<String> {
    let [before, after] = [before, after].map(|plan| serde_json::to_value(plan).unwrap_or_default());
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return vec![] };
    // A field may be left out where it says nothing, such as the faults.
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |name: &String| {
        let [was, is] = [before, after].map(|plan| plan.get(name).unwrap_or(&Value::Null));
        (name != MAY_DIFFER && was != is).then(|| format!("{name} was {was} before and is {is} after"))
    };
    names.into_iter().filter_map(differs).collect()
}

/// Why nothing can be concluded, one sentence each; empty if something can.
pub(super) fn doubts(before: &RunResult, after: &RunResult) -> Vec<String> {
    let mut texts = vec![];
    // Not by the verdict: that of a run that lost a login says nothing else.
    for (which, RunResult { generator, completeness, .. }) in [("before", before), ("after", after)] {
        if generator.is_limited {
            texts.push(format!(
                "In the run {which} the generator was the limit: its times are not those of the servers."
            ));
        }
        if !completeness.is_complete {
            texts.push(match completeness.reasons.first() {
                Some(reason) => format!("The run {which} is incomplete: {reason}."),
                None => format!("The run {which} is incomplete."),
            });
        }
    }
    texts
}

/// What a reader has to know of the comparison, one sentence each.
pub(super) fn notes(before: &RunResult, after: &RunResult) -> Vec<String> {
    let mut texts = vec![];
    let mut differs = |what: &str, was: &str, is: &str| {
        if was != is {
            texts.push(format!("{what}: {was} before, {is} after."));
        }
    };
    let machine =
        |result: &RunResult| format!("{} ({} × {})", result.host.name, result.host.cpus, result.host.cpu_model);
    differs("The machines differ", &machine(before), &machine(after));
    differs("The generator's builds differ", &before.tool.build, &after.tool.build);
    differs("The generator's versions differ", &before.tool.version, &after.tool.version);
    let target = |result: &RunResult| format!("{} {}", result.target.kind, result.target.version);
    differs("The targets differ", &target(before), &target(after));
    differs("The targets' set-ups differ", &before.target.summary, &after.target.summary);
    let settings = |result: &RunResult| {
        result.target.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
    };
    differs("The targets' settings differ", &settings(before), &settings(after));
    texts.push(
        "These are one run each. The intervals tell how much the seconds of a run differ, and not how much runs differ: measure before, after, after, before, to be sure.".to_owned(),
    );
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::SampleRun;

    fn result() -> RunResult {
        SampleRun { load_seconds: 2, rate: 5, ..SampleRun::default() }.result()
    }

    #[test]
    fn only_results_of_one_plan_are_compared_and_the_seed_may_differ() {
        let mut other = result();
        other.plan.seed = 7;
        other.plan_hash = other.plan.hash();
        assert_eq!(check(&result(), &other), Ok(()));
        other.plan.pages = 5;
        other.plan.hold_seconds = 9.0;
        let mut broken = result();
        broken.plan.faults = vec!["gateway-killed@1..2".parse().unwrap()];
        for (before, after) in [(&broken, &result()), (&result(), &broken)] {
            assert!(
                check(before, after).unwrap_err().to_string().contains("faults was "),
                "{:?}",
                check(before, after)
            );
        }
        assert_eq!(
            check(&result(), &other).unwrap_err().to_string(),
            "the results are of different plans, so their times can't be compared: hold_seconds was 5.0 before and is 9.0 after; pages was 10000 before and is 5 after; measure both with one plan"
        );
    }

    #[test]
    fn a_result_without_times_is_named() {
        let mut empty = result();
        empty.phases.clear();
        assert_eq!(check(&empty, &result()), Err(NotComparableError::NoTimes { which: "before" }));
        assert_eq!(check(&result(), &empty), Err(NotComparableError::NoTimes { which: "after" }));
    }

    #[test]
    fn doubts_and_differences_are_told() {
        let mut other = result();
        assert_eq!((doubts(&result(), &other).len(), notes(&result(), &other).len()), (0, 1));
        other.completeness.lacks("somebody pressed Ctrl-C".to_owned());
        other.host.cpus = 64;
        other.target.kind = "nchan".to_owned();
        other.target.settings.clear();
        assert_eq!(doubts(&result(), &other), ["The run after is incomplete: somebody pressed Ctrl-C."]);
        assert_eq!(doubts(&other, &result()), ["The run before is incomplete: somebody pressed Ctrl-C."]);
        // A lost login hides nothing of that.
        other.generator.is_limited = true;
        other.funnel.lost = 1;
        other.verdict = other.judge();
        assert_eq!(doubts(&result(), &other).len(), 2);
        let told = notes(&result(), &other).join("\n");
        for says in [
            "bench (2 × a processor) before, bench (64 × ",
            "scenecast 0.2.0 before, nchan 0.2.0 after",
            "settings differ",
        ] {
            assert!(told.contains(says), "{told}");
        }
    }
}
