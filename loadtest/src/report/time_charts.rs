//! What happened over time, as charts: latency, rates, pages.

use super::{
    chart::{Chart, ChartAxis, ChartLine, ChartMark, ChartStroke, ChartUnit, rounded},
    condensed::TimeStep,
    numbers::float,
    reported::{ReportedRun, phase_words},
};

/// The value of a step, and `None` where there is none.
type StepValue = fn(&TimeStep, f64) -> Option<f64>;

/// A line that each run has.
struct TimeLine {
    label: &'static str,
    colour: usize,
    stroke: ChartStroke,
    value: StepValue,
}

/// Marks of phases, and of faults. Of two runs the phases are the same, so those of the last are marked.
pub(super) fn marks(runs: &[ReportedRun]) -> Vec<ChartMark> {
    let Some(last) = runs.last() else { return vec![] };
    let phases = last.result.phases.iter().map(|phase| ChartMark {
        label: phase_words(phase.phase),
        is_fault: false,
        from: phase.from_seconds,
        to: phase.to_seconds,
    });
    let faults = last.result.faults.iter().map(|fault| ChartMark {
        label: fault.what.clone(),
        is_fault: true,
        from: fault.from_seconds,
        to: fault.to_seconds,
    });
    phases.chain(faults).collect()
}

pub(super) fn latency(runs: &[ReportedRun]) -> Chart {
    let percentile = |label, colour, stroke, value| TimeLine { label, colour, stroke, value };
    let lines = [
        percentile("half (p50)", 1, ChartStroke::Solid, |step, _| millis_at(step, 50.0)),
        percentile("99 of 100 (p99)", 2, ChartStroke::Solid, |step, _| millis_at(step, 99.0)),
        percentile("slowest", 3, ChartStroke::Thin, |step, _| millis_at(step, 100.0)),
    ];
    Chart {
        logarithmic: true,
        ..chart("latency", "From the planned scan to the page", ChartUnit::Milliseconds, runs, &lines)
    }
}

pub(super) fn rates(runs: &[ReportedRun]) -> Chart {
    let rate = |label, colour, stroke, value| TimeLine { label, colour, stroke, value };
    let lines = [
        rate("asked for", 4, ChartStroke::Dashed, |step, length| Some(per_second(step.planned, length))),
        rate("sent", 2, ChartStroke::Solid, |step, length| Some(per_second(step.sent, length))),
        rate("reached its page", 1, ChartStroke::Solid, |step, length| Some(per_second(step.heard, length))),
    ];
    chart("rates", "Logins a second", ChartUnit::PerSecond, runs, &lines)
}

pub(super) fn pages(runs: &[ReportedRun]) -> Chart {
    let connected = TimeLine {
        label: "connected",
        colour: 1,
        stroke: ChartStroke::Solid,
        value: |step, _| Some(float(step.connected)),
    };
    chart("pages", "Connected pages", ChartUnit::Pages, runs, &[connected])
}

pub(super) fn opens(runs: &[ReportedRun]) -> Chart {
    let rate = |label, colour, value| TimeLine { label, colour, stroke: ChartStroke::Solid, value };
    let lines = [
        rate("showed a code", 1, |step, length| Some(per_second(step.opened, length))),
        rate("could not open", 3, |step, length| Some(per_second(step.failed_opens, length))),
        rate("lost the connection", 2, |step, length| Some(per_second(step.disconnected, length))),
    ];
    chart("opens", "Pages that opened, failed or lost their connection, a second", ChartUnit::PerSecond, runs, &lines)
}

fn chart(id: &'static str, title: &'static str, unit: ChartUnit, runs: &[ReportedRun], lines: &[TimeLine]) -> Chart {
    let mut points: Vec<u64> = runs.iter().flat_map(|run| run.steps.iter().map(|step| step.from)).collect();
    points.sort_unstable();
    points.dedup();
    let drawn: Vec<ChartLine> = runs
        .iter()
        .flat_map(|run| {
            lines.iter().map(|line| ChartLine {
                label: run.label_of(line.label),
                colour: line.colour,
                stroke: run.stroke_of(line.stroke),
                values: values_of(run, line, &points),
            })
        })
        .collect();
    let summary = drawn.iter().map(|line| line.in_words(unit)).collect::<Vec<_>>().join("; ");
    Chart {
        id,
        title,
        summary,
        note: String::new(),
        unit,
        axis: ChartAxis::Time,
        logarithmic: false,
        points: points.into_iter().map(float).collect(),
        lines: drawn,
    }
}

fn values_of(run: &ReportedRun, line: &TimeLine, points: &[u64]) -> Vec<Option<f64>> {
    let length = float(run.step_seconds);
    let mut steps = run.steps.iter().peekable();
    let value_at = |point: &u64| {
        let step = steps.next_if(|step| step.from == *point)?;
        (line.value)(step, length).map(rounded)
    };
    points.iter().map(value_at).collect()
}

fn millis_at(step: &TimeStep, percent: f64) -> Option<f64> {
    (!step.response.is_empty()).then(|| step.response.percentile(percent).as_secs_f64() * 1e3)
}

fn per_second(count: u64, seconds: f64) -> f64 {
    float(count) / seconds
}
