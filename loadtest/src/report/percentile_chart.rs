//! Latency by percentile, as a chart: how slow the slowest are.

use super::{
    chart::{Chart, ChartAxis, ChartLine, ChartStroke, ChartUnit, rounded},
    numbers::{self, float},
    reported::ReportedRun,
};
use crate::{
    measure::{HistogramError, Latency},
    plan::Phase,
};

/// How many points there are between 0 % and 90 %, and between 90 % and 99 %, and so on.
const POINTS_EACH: u32 = 20;
/// 99.9999 %.
const LAST_DECADE: u32 = 6;

/// A phase whose histogram can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("phase {phase}: the histogram of {what} can't be read: {source}")]
pub struct PhaseError {
    phase: Phase,
    what: &'static str,
    source: HistogramError,
}

pub(super) fn percentiles(runs: &[ReportedRun]) -> Result<Chart, PhaseError> {
    let points: Vec<f64> =
        (0..=POINTS_EACH * LAST_DECADE).map(|point| f64::from(point) / f64::from(POINTS_EACH)).collect();
    let mut lines = vec![];
    for run in runs {
        for (phase, first_colour) in run.timed_phases().zip([1, 3].into_iter().cycle()) {
            for (what, record, stroke, colour) in [
                ("response", &phase.response, ChartStroke::Solid, first_colour),
                ("service", &phase.service, ChartStroke::Dashed, first_colour + 1),
            ] {
                let wrong = |source| PhaseError { phase: phase.phase, what, source };
                let latency = record.latency().map_err(wrong)?;
                lines.push(ChartLine {
                    label: run.label_of(&format!("{what} in {}", phase.phase)),
                    colour,
                    stroke: run.stroke_of(stroke),
                    values: points.iter().map(|point| at(&latency, *point)).collect(),
                });
            }
        }
    }
    let reach = |line: &ChartLine| {
        line.values.iter().flatten().last().map(|last| format!("{}: up to {}", line.label, numbers::millis(*last)))
    };
    Ok(Chart {
        id: "percentiles",
        title: "How many heard within which time",
        summary: lines.iter().filter_map(reach).collect::<Vec<_>>().join("; "),
        note: "Each step to the right has ten times fewer logins that took longer.".to_owned(),
        unit: ChartUnit::Milliseconds,
        axis: ChartAxis::Percentile,
        logarithmic: true,
        points,
        lines,
    })
}

/// The time at a point; `None` where fewer than one login would be slower.
fn at(latency: &Latency, point: f64) -> Option<f64> {
    let rare = 10_f64.powf(point);
    let has_it = !latency.is_empty() && rare <= float(latency.count()).max(1.0);
    has_it.then(|| rounded(latency.percentile(100.0 - 100.0 / rare).as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::sample::SampleRun;

    #[test]
    fn the_axis_goes_as_far_as_there_are_logins() {
        let mut latency = Latency::default();
        (1..=1000).for_each(|micros| latency.record(Duration::from_micros(micros)));
        let about = |point: f64, millis: f64| {
            let value = at(&latency, point).unwrap();
            assert!((value - millis).abs() < 0.003, "{point}: {value}");
        };
        about(1.0, 0.9);
        about(2.0, 0.99);
        about(3.0, 0.999);
        assert_eq!(at(&latency, 3.05), None);
        assert_eq!(at(&Latency::default(), 0.0), None);
    }

    #[test]
    fn load_and_fault_are_never_one_line_and_a_bad_histogram_is_named() {
        let mut result = SampleRun { fault_before_end: Some(20), ..SampleRun::default() }.result();
        let chart = percentiles(&[ReportedRun::alone(&result).unwrap()]).unwrap();
        let labels: Vec<_> = chart.lines.iter().map(|line| line.label.as_str()).collect();
        assert_eq!(labels, ["response in load", "service in load", "response in fault", "service in fault"]);
        let load = result.phases.iter_mut().find(|phase| phase.phase.name() == "load").unwrap();
        load.service.hdr = "aGVsbG8=".to_owned();
        let error = percentiles(&[ReportedRun::alone(&result).unwrap()]).unwrap_err().to_string();
        assert_eq!(error, "phase load: the histogram of service can't be read: it is not a V2 histogram");
    }
}
