//! What a measurement can't say, in words. A number without its limits is a rumour.

use super::{
    headline::sentence,
    numbers::{self, counted, float},
    reported::main_phase,
};
use crate::results::{RunResult, WorkerWords};

/// A load that is shorter says little of what happens seldom, in seconds.
const SHORT: f64 = 30.0;
/// Below this share of idle processors, times are mostly those of waiting for a processor.
const BUSY: f64 = 0.1;
/// A percentile that rests on fewer slower logins moves much from run to run.
const FEW: f64 = 10.0;

/// One sentence each, the most important first.
pub(super) fn limits(result: &RunResult) -> Vec<String> {
    let mut texts = vec![];
    if result.tool.build == "debug" {
        texts.push("The generator was a debug build, which is many times slower: its times mean little.".to_owned());
    }
    texts.extend(machine(result));
    texts.extend(tail(result));
    texts.push(clock(result));
    texts.extend(doubles(result));
    texts.extend(WorkerWords::of(&result.completeness).map(|words| sentence(&format!("Of the workers {words}"))));
    texts.push(
        "WeChat was simulated. A real message travels through the internet first, and WeChat may take its time."
            .to_owned(),
    );
    texts.push(
        "This was one run. How much another one would differ, only another one tells: repeat it, and compare."
            .to_owned(),
    );
    texts.extend(result.target.notes.iter().map(|note| sentence(note)));
    texts
}

fn machine(result: &RunResult) -> Vec<String> {
    let mut texts = vec![];
    if result.processes.iter().any(|process| process.role.is_under_test()) {
        texts.push(format!(
            "Servers and generator shared one machine with {}, so they took processor time from each other, and no network was between them.",
            counted(result.host.cpus.into(), "processor", "processors")
        ));
    } else {
        texts.push(
            "CPU and memory of the servers were not measured, because they ran elsewhere; times have the network in them.".to_owned(),
        );
    }
    let idle = result.generator.machine_idle_share;
    if main_phase(result).is_some() && idle < BUSY {
        texts.push(format!(
            "Only {} of the machine's processor time was left over, so times are also those of waiting for a processor.",
            numbers::share(idle)
        ));
    }
    texts
}

fn tail(result: &RunResult) -> Vec<String> {
    let Some(phase) = main_phase(result) else {
        return vec!["No login was timed, so nothing can be said of latency.".to_owned()];
    };
    let mut texts = vec![];
    let took = phase.to_seconds - phase.from_seconds;
    if took < SHORT {
        texts.push(format!(
            "The {} took {}. What happens once a minute may not be in it.",
            phase.phase,
            numbers::duration(took)
        ));
    }
    let timed = phase.response.summary.count;
    for (name, share) in [("p99", 0.01), ("p99.9", 0.001)] {
        let slower = (float(timed) * share).floor();
        if slower < FEW {
            texts.push(format!(
                "{name} rests on the {} slowest of {}: don't rely on it.",
                numbers::digits(slower.max(1.0)),
                counted(timed, "login", "logins")
            ));
        }
    }
    texts
}

fn clock(result: &RunResult) -> String {
    format!(
        "Each time was taken by one clock, in the process that held the page and sent its phone's message. Up to {} of it (99 of 100) is the generator's own lateness.",
        numbers::millis(result.generator.lateness_p99_ms)
    )
}

/// How hard doubled logins were looked for.
fn doubles(result: &RunResult) -> Option<String> {
    let funnel = &result.funnel;
    (funnel.redeemed > 0).then(|| {
        format!(
            "Doubled logins were looked for: each page listened on after its login, and {} of {} redeemed grants were tried a second time.",
            numbers::count(funnel.redeemed_again),
            numbers::count(funnel.redeemed)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::SampleRun;

    fn text(change: impl FnOnce(&mut RunResult)) -> String {
        let mut result = SampleRun { rate: 20, ..SampleRun::default() }.result();
        change(&mut result);
        limits(&result).join("\n")
    }

    #[test]
    fn limits_that_this_run_has_are_told_and_others_are_not() {
        let usual = text(|_| ());
        for says in [
            "shared one machine with 2 processors",
            "p99 rests on the 8 slowest of 800 logins",
            "p99.9 rests on the 1 slowest",
            "Up to 0.11 ms",
            "of 800 redeemed grants were tried a second time",
            "WeChat was simulated",
            "This was one run",
        ] {
            assert!(usual.contains(says), "{says}: {usual}");
        }
        assert!(
            !usual.contains("debug") && !usual.contains("left over") && !usual.contains("ran elsewhere"),
            "{usual}"
        );
    }

    #[test]
    fn what_makes_a_run_weak_is_told() {
        assert!(text(|result| result.tool.build = "debug".to_owned()).starts_with("The generator was a debug build"));
        assert!(text(|result| result.processes.clear()).contains("they ran elsewhere"));
        assert!(text(|result| result.generator.machine_idle_share = 0.02).contains("Only 2 % of the machine's"));
        assert!(text(|result| result.target.notes = vec!["no grant".to_owned()]).ends_with("No grant."));
        assert!(text(|result| result.phases.clear()).contains("No login was timed"));
        assert!(text(|result| result.phases[2].to_seconds = 20.0).contains("The load took 5 s."));
    }
}
