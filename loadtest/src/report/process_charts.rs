//! CPU and memory of the processes over time, as charts.

use std::collections::BTreeMap;

use super::{
    chart::{Chart, ChartAxis, ChartLine, ChartStroke, ChartUnit, rounded},
    numbers::float,
    reported::ReportedRun,
};
use crate::results::{ProcessRole, ProcessSample, ProcessSeries};

/// With more processes than this, those of one role are added up.
const MOST_LINES: usize = 8;
/// Processes of one role have the same colour.
const STROKES: [ChartStroke; 4] = [ChartStroke::Solid, ChartStroke::Dashed, ChartStroke::Dotted, ChartStroke::Thin];

/// The processes that make one line.
type LineProcesses<'a> = Vec<&'a ProcessSeries>;

pub(super) fn cpu(runs: &[ReportedRun]) -> Chart {
    chart("cpu", "Processor time", ChartUnit::Processors, runs, |process, from, to| {
        Some((cumulated_cpu(process, to)? - cumulated_cpu(process, from)?).max(0.0) / (to - from))
    })
}

pub(super) fn memory(runs: &[ReportedRun]) -> Chart {
    chart("memory", "Resident memory", ChartUnit::Bytes, runs, |process, _, to| memory_at(process, to))
}

fn chart(
    id: &'static str,
    title: &'static str,
    unit: ChartUnit,
    runs: &[ReportedRun],
    value: impl Fn(&ProcessSeries, f64, f64) -> Option<f64>,
) -> Chart {
    // Steps have no gaps, so the longest run has the steps of each.
    let points: Vec<f64> = runs
        .iter()
        .map(|run| run.steps.iter().map(|step| float(step.from)).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    let mut lines = vec![];
    let mut adds_up = false;
    for run in runs {
        let length = float(run.step_seconds);
        for (label, processes, stroke) in groups(run, runs.len() > 1) {
            adds_up |= processes.len() > 1;
            let at = |from: &f64| {
                let values: Vec<f64> =
                    processes.iter().filter_map(|process| value(process, *from, from + length)).collect();
                (!values.is_empty()).then(|| rounded(values.iter().sum()))
            };
            let colour = colour_of(processes.first().map(|process| process.role));
            lines.push(ChartLine {
                label: run.label_of(&label),
                colour,
                stroke,
                values: points.iter().map(at).collect(),
            });
        }
    }
    Chart {
        id,
        title,
        summary: lines.iter().map(|line| line.in_words(unit)).collect::<Vec<_>>().join("; "),
        note: if adds_up { "Processes of one kind are added up.".to_owned() } else { String::new() },
        unit,
        axis: ChartAxis::Time,
        logarithmic: false,
        points,
        lines,
    }
}

/// The lines of a run: one for each process, or one for each role.
fn groups<'a>(run: &'a ReportedRun, is_compared: bool) -> Vec<(String, LineProcesses<'a>, ChartStroke)> {
    let mut by_role: BTreeMap<ProcessRole, LineProcesses> = BTreeMap::new();
    run.result.processes.iter().for_each(|process| by_role.entry(process.role).or_default().push(process));
    if is_compared || run.result.processes.len() > MOST_LINES {
        return by_role
            .into_iter()
            .map(|(role, processes)| {
                let label =
                    if processes.len() == 1 { role.name().to_owned() } else { format!("{} (all)", role.name()) };
                (label, processes, run.stroke_of(ChartStroke::Solid))
            })
            .collect();
    }
    let of_role = |processes: LineProcesses<'a>| {
        processes
            .into_iter()
            .zip(STROKES.into_iter().cycle())
            .map(|(process, stroke)| (process.name.clone(), vec![process], stroke))
    };
    by_role.into_values().flat_map(of_role).collect()
}

fn colour_of(role: Option<ProcessRole>) -> usize {
    match role {
        Some(ProcessRole::Gateway) | None => 1,
        Some(ProcessRole::Callback | ProcessRole::Peer) => 2,
        Some(ProcessRole::Redis) => 3,
        Some(ProcessRole::Generator) => 4,
        Some(ProcessRole::Simulator) => 5,
    }
}

/// The CPU time up to a moment, in seconds. Between two samples it grows evenly.
fn cumulated_cpu(process: &ProcessSeries, at: f64) -> Option<f64> {
    let (before, after) = around(&process.samples, at)?;
    let apart = after.at_seconds - before.at_seconds;
    let way = if apart > 0.0 { ((at - before.at_seconds) / apart).clamp(0.0, 1.0) } else { 0.0 };
    Some(before.cpu_seconds + (after.cpu_seconds - before.cpu_seconds) * way)
}

/// The memory at the sample nearest to a moment.
fn memory_at(process: &ProcessSeries, at: f64) -> Option<f64> {
    let (before, after) = around(&process.samples, at)?;
    let nearest = if after.at_seconds - at < at - before.at_seconds { after } else { before };
    Some(float(nearest.rss_bytes))
}

/// The samples before and after a moment. A second beyond the first or last sample is still theirs.
fn around(samples: &[ProcessSample], at: f64) -> Option<(&ProcessSample, &ProcessSample)> {
    let (first, last) = (samples.first()?, samples.last()?);
    if at < first.at_seconds - 1.0 || at > last.at_seconds + 1.0 {
        return None;
    }
    let next = samples.partition_point(|sample| sample.at_seconds <= at);
    let before = next.checked_sub(1).and_then(|index| samples.get(index)).unwrap_or(first);
    Some((before, samples.get(next).unwrap_or(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::SampleRun;

    fn process(samples: &[(f64, f64)]) -> ProcessSeries {
        let sample = |(at_seconds, cpu_seconds): &(f64, f64)| ProcessSample {
            at_seconds: *at_seconds,
            cpu_seconds: *cpu_seconds,
            rss_bytes: 1000,
            descriptors: 0,
        };
        let samples = samples.iter().map(sample).collect();
        ProcessSeries { role: ProcessRole::Gateway, name: "gateway 0".to_owned(), pid: 1, samples }
    }

    #[test]
    fn cpu_time_between_samples_is_spread_evenly() {
        let process = process(&[(0.5, 1.0), (1.5, 3.0), (2.5, 3.0)]);
        let at = [0.0, 0.5, 1.0, 2.0, 2.6].map(|at| cumulated_cpu(&process, at));
        assert_eq!(at, [1.0, 1.0, 2.0, 3.0, 3.0].map(Some));
    }

    #[test]
    fn nothing_is_said_of_a_process_that_was_not_there() {
        let process = process(&[(10.0, 0.0), (20.0, 1.0)]);
        assert_eq!([8.9, 21.1].map(|at| cumulated_cpu(&process, at)), [None, None]);
        assert_eq!([8.9, 9.1].map(|at| memory_at(&process, at)), [None, Some(1000.0)]);
    }

    #[test]
    fn many_processes_are_added_up_by_role_and_few_are_not() {
        let mut result = SampleRun::default().result();
        let few = memory(&[ReportedRun::alone(&result).unwrap()]);
        let labels: Vec<_> = few.lines.iter().map(|line| line.label.as_str()).collect();
        assert_eq!(labels, ["gateway 0", "gateway 1", "callback 0", "redis 0", "generator"]);
        assert_ne!(few.lines[0].stroke, few.lines[1].stroke);
        let gateway = result.processes[0].clone();
        (0..7).for_each(|_| result.processes.push(gateway.clone()));
        let many = memory(&[ReportedRun::alone(&result).unwrap()]);
        assert_eq!((many.lines.len(), many.lines[0].label.as_str(), many.note.is_empty()), (4, "gateway (all)", false));
        let [one, all] = [&few, &many].map(|chart| chart.lines[0].values[20].unwrap());
        assert!((all / one - 9.0).abs() < 0.01, "{all} {one}");
    }
}
