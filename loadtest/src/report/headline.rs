//! The verdict, in words: what a reader takes away who reads nothing else.

use std::collections::BTreeMap;

use super::{
    numbers::{self, counted},
    reported::main_phase,
};
use crate::results::{Funnel, RunResult, RunVerdict, ThresholdOutcome};

/// How many reasons are told in full.
const MOST_REASONS: usize = 4;

/// A verdict, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Headline {
    pub(crate) tone: Tone,
    /// In a word or two.
    pub(crate) word: String,
    /// The most important reason, in a sentence.
    pub(crate) reason: String,
    /// What else there is to say, one sentence each.
    pub(crate) details: Vec<String>,
}

/// Whether a verdict is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    /// Nobody can know.
    Unsure,
}

impl Tone {
    /// Its class in the page.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unsure => "unsure",
        }
    }
}

/// The verdict of a run.
pub(super) fn headline(result: &RunResult) -> Headline {
    let (tone, word, mut reasons) = match result.verdict {
        RunVerdict::Passed => (Tone::Good, "Passed", vec![]),
        RunVerdict::BrokenPromise => (Tone::Bad, "Failed", broken_promise(&result.funnel)),
        RunVerdict::ThresholdCrossed => (Tone::Bad, "Failed", crossed(result)),
        RunVerdict::GeneratorLimited => (Tone::Unsure, "Generator-limited", limited(result)),
        RunVerdict::Incomplete => (Tone::Unsure, "Incomplete", incomplete(result)),
    };
    let mut details = what_was_measured(result);
    if reasons.is_empty() {
        reasons.push(details.remove(0));
    }
    let reason = reasons.remove(0);
    reasons.extend(details);
    Headline { tone, word: word.to_owned(), reason, details: reasons }
}

fn broken_promise(funnel: &Funnel) -> Vec<String> {
    let mut broken = [(funnel.lost, "lost"), (funnel.doubled, "doubled"), (funnel.mixed_up, "mixed up")]
        .into_iter()
        .filter(|(count, _)| *count > 0);
    let (first, what) = broken.next().unwrap_or((0, "lost"));
    let accepted = counted(funnel.accepted, "accepted login", "accepted logins");
    let verb = if first == 1 { "was" } else { "were" };
    let add = |text: String, (count, what): (u64, &str)| text + &format!(", {} {what}", numbers::count(count));
    let others = broken.fold(String::new(), add);
    let mut reasons = vec![format!("{} of {accepted} {verb} {what}{others}.", numbers::count(first))];
    if !funnel.lost_because.is_empty() {
        reasons.push(format!("Lost because: {}.", with_counts(&funnel.lost_because)));
    }
    reasons
}

/// Reasons with their counts, the most frequent first.
pub(super) fn with_counts(reasons: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = reasons.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let more = sorted.len().saturating_sub(MOST_REASONS);
    let mut texts: Vec<_> = sorted
        .into_iter()
        .take(MOST_REASONS)
        .map(|(reason, count)| format!("{reason} ({})", numbers::count(*count)))
        .collect();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

fn crossed(RunResult { thresholds, aborted_by, .. }: &RunResult) -> Vec<String> {
    let crossed: Vec<_> = thresholds.iter().filter(|threshold| !threshold.holds).collect();
    let measured = |threshold: &ThresholdOutcome| {
        let value = numbers::measured(threshold.value, &threshold.text);
        format!("“{}” does not hold: {value} was measured.", threshold.text)
    };
    let all = counted(thresholds.len() as u64, "threshold", "thresholds");
    let mut reasons =
        vec![format!("{} of {all} {} not hold.", crossed.len(), if crossed.len() == 1 { "does" } else { "do" })];
    reasons.extend(aborted_by.iter().map(|text| format!("“{text}” ended the run early.")));
    reasons.extend(crossed.into_iter().take(MOST_REASONS).map(measured));
    reasons
}

fn limited(result: &RunResult) -> Vec<String> {
    let mut reasons = vec!["The generator was the limit, so these times are not those of the servers.".to_owned()];
    let findings = result.generator.findings.iter().filter(|finding| finding.limits);
    reasons.extend(findings.map(|finding| sentence(&finding.text)));
    reasons
}

fn incomplete(result: &RunResult) -> Vec<String> {
    let mut reasons = vec!["Something of the plan is missing, so the numbers below are of a part of it.".to_owned()];
    reasons.extend(result.completeness.reasons.iter().map(|reason| sentence(reason)));
    reasons
}

/// A text as a sentence: with a capital letter, and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let stop = if text.trim_end().ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// At least one sentence.
fn what_was_measured(result: &RunResult) -> Vec<String> {
    let funnel = &result.funnel;
    let mut texts = vec![match funnel.accepted {
        0 if funnel.planned == 0 => "No login was planned: pages opened and waited.".to_owned(),
        0 => "No login was accepted.".to_owned(),
        accepted if funnel.delivered == accepted => {
            format!(
                "All {} reached their page, and none was seen twice.",
                counted(accepted, "accepted login", "accepted logins")
            )
        }
        accepted => format!(
            "{} of {} reached their page.",
            numbers::count(funnel.delivered),
            counted(accepted, "accepted login", "accepted logins")
        ),
    }];
    if funnel.doubled + funnel.mixed_up > 0 {
        texts[0] = texts[0].replace(", and none was seen twice", "");
    }
    if let Some(phase) = main_phase(result) {
        let summary = &phase.response.summary;
        texts.push(format!(
            "Half of the pages heard within {} of the planned scan, 99 of 100 within {}, the slowest after {}.",
            numbers::millis(summary.p50_ms),
            numbers::millis(summary.p99_ms),
            numbers::millis(summary.max_ms),
        ));
        let health = &result.generator;
        texts.push(format!(
            "{} logins a second were asked for, and {} reached.",
            numbers::rate(health.asked_rate),
            numbers::rate(health.reached_rate)
        ));
    }
    if funnel.without_page > 0 {
        texts.push(format!(
            "{} not begun, because no page waited at that moment.",
            counted(funnel.without_page, "planned login was", "planned logins were")
        ));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::sample::SampleRun, results::HealthFinding};

    fn of(change: impl FnOnce(&mut RunResult)) -> Headline {
        let mut result = SampleRun::default().result();
        change(&mut result);
        result.verdict = result.judge();
        headline(&result)
    }

    fn text(headline: &Headline) -> String {
        format!("{} {}", headline.reason, headline.details.join(" "))
    }

    #[test]
    fn a_run_that_passes_says_what_it_measured() {
        let passed = of(|_| ());
        assert_eq!((passed.tone, passed.word.as_str()), (Tone::Good, "Passed"));
        assert_eq!(passed.reason, "All 4,000 accepted logins reached their page, and none was seen twice.");
        assert!(text(&passed).contains("100 logins a second were asked for, and 100 reached."), "{}", text(&passed));
    }

    #[test]
    fn each_kind_of_failure_says_why_first() {
        let lost = of(|result| {
            result.funnel.lost = 3;
            result.funnel.doubled = 1;
            result.funnel.delivered -= 3;
            result.funnel.lost_because = [("timeout".to_owned(), 1), ("unknown_scene".to_owned(), 2)].into();
        });
        assert_eq!(lost.reason, "3 of 4,000 accepted logins were lost, 1 doubled.");
        assert_eq!(lost.details[0], "Lost because: unknown_scene (2), timeout (1).");
        assert!(lost.details[1].starts_with("3,997 of 4,000"), "{lost:?}");
        let crossed = of(|result| result.thresholds[1].holds = false);
        assert_eq!((crossed.tone, crossed.reason.as_str()), (Tone::Bad, "1 of 2 thresholds does not hold."));
        assert_eq!(crossed.details[0], "“lost == 0” does not hold: 0 was measured.");
        let limited = of(|result| {
            result.generator.is_limited = true;
            let text = "lateness p99 is 12 ms; use fewer logins".to_owned();
            result.generator.findings = vec![HealthFinding { text, limits: true }];
        });
        assert_eq!((limited.tone, limited.word.as_str()), (Tone::Unsure, "Generator-limited"));
        assert_eq!(limited.details[0], "Lateness p99 is 12 ms; use fewer logins.");
        let aborted = of(|result| result.aborted_by = Some("lost == 0 abort".to_owned()));
        assert_eq!(aborted.details[0], "“lost == 0 abort” ended the run early.");
        let incomplete = of(|result| result.completeness.lacks("worker 3 stopped after 12 s".to_owned()));
        assert_eq!(
            (incomplete.word.as_str(), incomplete.details[0].as_str()),
            ("Incomplete", "Worker 3 stopped after 12 s.")
        );
    }

    #[test]
    fn a_run_without_logins_says_so() {
        let nothing = of(|result| *result = RunResult::new(result.plan.clone(), result.target.clone()));
        assert_eq!(nothing.reason, "No login was planned: pages opened and waited.");
        let refused = of(|result| {
            result.funnel = Funnel { planned: 9, without_page: 9, ..Funnel::default() };
            result.phases.clear();
        });
        assert_eq!(refused.reason, "No login was accepted.");
        assert_eq!(refused.details, ["9 planned logins were not begun, because no page waited at that moment."]);
    }
}
