//! A comparison in words: for a terminal, and for the report.

use super::{
    bootstrap::ChangeInterval,
    comparison::{ChangeOutcome, ComparedMetric, MetricUnit, RunComparison, UnknownReason},
};
use crate::report::{ComparisonRow, ComparisonTable, ComparisonTone, Headline, Tone, numbers};

/// The exit code if something became worse.
const REGRESSION: u8 = 99;
/// The exit code if nothing can be concluded.
const DOUBTFUL: u8 = 3;
/// How many metrics a sentence names.
const MOST_NAMES: usize = 4;

impl RunComparison {
    /// 99 if something became worse, 3 if a run can't be relied on, and 0 otherwise. A promise that broke is worse in
    /// any case.
    pub fn exit_code(&self) -> u8 {
        let is_worse = self.with(ChangeOutcome::Worse).next().is_some();
        match (is_worse, self.doubts.is_empty()) {
            (true, true) => REGRESSION,
            (true, false) if self.breaks_the_promise() => REGRESSION,
            (_, false) => DOUBTFUL,
            (false, true) => 0,
        }
    }

    /// As lines of text: the verdict, the metrics, and what a reader has to know.
    pub fn text(&self) -> String {
        let Headline { word, reason, details, .. } = self.headline();
        let mut lines = vec![format!("{word}: {reason}")];
        lines.extend(details);
        lines.push(String::new());
        let rows: Vec<ComparisonRow> = self.metrics.iter().map(row).collect();
        let width = rows.iter().map(|row| row.metric.chars().count()).max().unwrap_or(0);
        lines.extend(rows.iter().map(|row| {
            let ComparisonRow { metric, before, after, change, interval, words, .. } = row;
            let values = format!("{before} → {after}");
            format!("{metric:<width$}  {values:<22}  {change:>8}  {interval:<24}  {words}").trim_end().to_owned()
        }));
        lines.push(String::new());
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }

    /// For the report.
    pub fn table(&self) -> ComparisonTable {
        let noise = format!(
            "Changes up to {} count as none. An interval has the true change in it in 95 of 100 cases.",
            numbers::share(self.noise)
        );
        let notes = [noise].into_iter().chain(self.notes.clone()).collect();
        ComparisonTable { headline: self.headline(), rows: self.metrics.iter().map(row).collect(), notes }
    }

    fn headline(&self) -> Headline {
        let worse: Vec<&ComparedMetric> = self.with(ChangeOutcome::Worse).collect();
        let better: Vec<&ComparedMetric> = self.with(ChangeOutcome::Better).collect();
        let same = self.with(ChangeOutcome::Same).count();
        let unknown = self.metrics.iter().filter(|metric| matches!(metric.outcome, ChangeOutcome::Unknown(_)));
        let unknown: Vec<String> = unknown.map(|metric| metric.name.clone()).collect();
        let is_doubtful = !self.doubts.is_empty() && !self.breaks_the_promise();
        let (tone, word) = match (worse.is_empty(), better.is_empty()) {
            _ if is_doubtful => (Tone::Unsure, "Can't be told"),
            (false, _) => (Tone::Bad, "Worse"),
            (true, false) => (Tone::Good, "Better"),
            (true, true) if same > 1 => (Tone::Good, "No change"),
            (true, true) => (Tone::Unsure, "Can't be told"),
        };
        let mut sentences = self.doubts.clone();
        sentences.extend(told("worse", &worse));
        sentences.extend(told("better", &better));
        if sentences.is_empty() {
            sentences.push(if same > 1 {
                "Nothing became better or worse.".to_owned()
            } else {
                "The runs are too short, or differ too much within themselves.".to_owned()
            });
        }
        if !unknown.is_empty() {
            sentences.push(format!("It can't be told of: {}.", listed(unknown)));
        }
        let reason = sentences.remove(0);
        Headline { tone, word: word.to_owned(), reason, details: sentences }
    }
}

/// The most important metric in full, and the others by their names.
fn told(outcome: &str, metrics: &[&ComparedMetric]) -> Vec<String> {
    let Some((first, others)) = metrics.split_first() else { return vec![] };
    let mut sentences = vec![in_a_sentence(first)];
    if !others.is_empty() {
        let names = others.iter().map(|metric| format!("{} ({})", metric.name, change(metric)));
        sentences.push(format!("Also {outcome}: {}.", listed(names.collect())));
    }
    sentences
}

/// The first of these texts; the table has all.
fn listed(mut texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(MOST_NAMES);
    texts.truncate(MOST_NAMES);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

fn in_a_sentence(metric: &ComparedMetric) -> String {
    let [before, after] = [metric.before, metric.after].map(|value| in_unit(value, metric.unit));
    let name = &metric.name;
    let how = match metric.interval {
        Some(ChangeInterval { low, high }) => {
            format!(" ({}, between {} and {})", change(metric), signed_percent(low), signed_percent(high))
        }
        None if metric.unit == MetricUnit::Logins => String::new(),
        None => format!(" ({})", change(metric)),
    };
    format!("“{name}” went from {before} to {after}{how}.")
}

fn row(metric: &ComparedMetric) -> ComparisonRow {
    ComparisonRow {
        metric: metric.name.clone(),
        before: in_unit(metric.before, metric.unit),
        after: in_unit(metric.after, metric.unit),
        change: change(metric),
        interval: metric.interval.map(range).unwrap_or_default(),
        tone: match metric.outcome {
            ChangeOutcome::Better => ComparisonTone::Better,
            ChangeOutcome::Worse => ComparisonTone::Worse,
            ChangeOutcome::Same => ComparisonTone::Same,
            ChangeOutcome::Unknown(_) => ComparisonTone::Unknown,
        },
        words: outcome_words(metric.outcome).to_owned(),
    }
}

fn outcome_words(outcome: ChangeOutcome) -> &'static str {
    match outcome {
        ChangeOutcome::Better => "better",
        ChangeOutcome::Worse => "worse",
        ChangeOutcome::Same => "no change",
        ChangeOutcome::Unknown(UnknownReason::TooMuchSpread) => "can't be told: too much spread",
        ChangeOutcome::Unknown(UnknownReason::TooFewLogins) => "can't be told: too few logins",
        ChangeOutcome::Unknown(UnknownReason::TooFewSeconds) => "can't be told: too few seconds",
        ChangeOutcome::Unknown(UnknownReason::NotMeasured) => "can't be told: not measured",
    }
}

fn in_unit(value: Option<f64>, unit: MetricUnit) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match unit {
        MetricUnit::Milliseconds => numbers::millis(value),
        MetricUnit::Microseconds => numbers::micros(value),
        MetricUnit::PerSecond => numbers::rate(value),
        MetricUnit::Bytes => numbers::bytes(value),
        MetricUnit::Logins => numbers::digits(value),
    }
}

/// `+12 %`; empty where it would say nothing.
fn change(metric: &ComparedMetric) -> String {
    match (metric.before, metric.after) {
        (Some(before), Some(after)) if before > 0.0 => signed_percent(after / before - 1.0),
        _ => String::new(),
    }
}

fn range(ChangeInterval { low, high }: ChangeInterval) -> String {
    format!("{} to {}", signed_percent(low), signed_percent(high))
}

fn signed_percent(part: f64) -> String {
    if part >= 10.0 {
        return "over +1,000 %".to_owned();
    }
    let text = format!("{:+.1}", part * 100.0);
    if matches!(text.as_str(), "+0.0" | "-0.0") { "0 %".to_owned() } else { format!("{} %", text.replace('-', "−")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{report::sample::SampleRun, results::RunResult};

    fn run(seed: u64, slowness: f64) -> RunResult {
        SampleRun { seed, slowness, ..SampleRun::default() }.result()
    }

    fn compared(before: &RunResult, after: &RunResult) -> RunComparison {
        RunComparison::new(before, after, 0.05).unwrap()
    }

    #[test]
    fn a_regression_is_told_first_and_has_its_exit_code() {
        let comparison = compared(&run(1, 1.0), &run(2, 1.5));
        let text = comparison.text();
        assert!(text.starts_with("Worse: “p50 of response in load” went from 0."), "{text}");
        assert!(text.contains("It can't be told of: p99.9 of response in load, p99.9 of service in load."), "{text}");
        assert!(text.contains("no change") && text.contains("These are one run each."), "{text}");
        assert_eq!((comparison.exit_code(), comparison.table().headline.tone), (99, Tone::Bad));
        let better = compared(&run(2, 1.5), &run(1, 1.0));
        assert!(better.text().starts_with("Better: “p50 of response in load” went from 1."), "{}", better.text());
        assert_eq!((better.exit_code(), better.table().headline.tone), (0, Tone::Good));
    }

    #[test]
    fn without_a_change_it_says_so() {
        let comparison = compared(&run(1, 1.0), &run(1, 1.0));
        assert!(comparison.text().starts_with("No change: Nothing became better or worse."), "{}", comparison.text());
        assert_eq!(comparison.exit_code(), 0);
    }

    #[test]
    fn runs_that_cannot_be_relied_on_are_no_regression_but_a_lost_login_is() {
        let mut doubtful = run(2, 1.5);
        doubtful.completeness.lacks("Ctrl-C".to_owned());
        doubtful.verdict = doubtful.judge();
        let comparison = compared(&run(1, 1.0), &doubtful);
        assert!(
            comparison.text().starts_with("Can't be told: The run after is incomplete: Ctrl-C."),
            "{}",
            comparison.text()
        );
        assert_eq!(comparison.exit_code(), 3);
        doubtful.funnel.lost = 2;
        let comparison = compared(&run(1, 1.0), &doubtful);
        assert_eq!((comparison.exit_code(), comparison.table().headline.tone), (99, Tone::Bad));
        assert!(
            comparison.text().contains("“logins lost, doubled or mixed up” went from 0 to 2."),
            "{}",
            comparison.text()
        );
    }

    #[test]
    fn percentages_have_a_sign() {
        assert_eq!(
            [0.123, -0.05, 0.0001, -0.0001, 12.0].map(signed_percent),
            ["+12.3 %", "−5.0 %", "0 %", "0 %", "over +1,000 %"]
        );
    }
}
