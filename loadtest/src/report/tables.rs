//! What the report shows as tables.

use super::{
    condensed::{self, SecondError},
    numbers::{self, float},
    reported::{ReportedRun, main_phase, phase_words},
};
use crate::results::{LatencySummary, ProcessRole, ProcessSeries, RunResult};

/// The most rows of the table that stands for the charts.
const MOST_ROWS: u64 = 60;

/// A row of numbers under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableLine {
    pub(super) name: String,
    pub(super) cells: Vec<String>,
}

/// Percentiles of every phase in which people logged in, and of the opening of pages.
pub(super) fn percentiles(run: &ReportedRun) -> Vec<TableLine> {
    let opened = run.result.phases.iter().filter(|phase| phase.open.summary.count > 0);
    let opened = opened.map(|phase| (format!("open in {}", phase_words(phase.phase)), &phase.open.summary));
    let lines = run.timed_phases().flat_map(|phase| {
        [("response", &phase.response), ("service", &phase.service), ("lateness", &phase.lateness)]
            .map(|(what, record)| (format!("{what} in {}", phase_words(phase.phase)), &record.summary))
    });
    lines
        .chain(opened)
        .map(|(what, summary)| TableLine { name: run.label_of(&what), cells: percentile_cells(summary) })
        .collect()
}

fn percentile_cells(summary: &LatencySummary) -> Vec<String> {
    let LatencySummary { p50_ms, p75_ms, p90_ms, p95_ms, p99_ms, p999_ms, max_ms, .. } = *summary;
    let times = [p50_ms, p75_ms, p90_ms, p95_ms, p99_ms, p999_ms, max_ms].map(numbers::millis);
    [numbers::count(summary.count)].into_iter().chain(times).collect()
}

/// The numbers of the charts over time, for who can't see them.
pub(super) fn over_time(run: &ReportedRun) -> Result<Vec<TableLine>, SecondError> {
    let seconds = &run.result.seconds;
    let length = condensed::step_length(condensed::length(seconds), MOST_ROWS);
    let steps = condensed::condense(seconds, length)?;
    let line = |step: &condensed::TimeStep| {
        let a_second = |count| numbers::rate(float(count) / float(length));
        let at = |percent| {
            let millis = step.response.percentile(percent).as_secs_f64() * 1e3;
            if step.response.is_empty() { "–".to_owned() } else { numbers::millis(millis) }
        };
        TableLine {
            name: run.label_of(&format!("{} s", step.from)),
            cells: vec![
                phase_words(step.phase),
                a_second(step.planned),
                a_second(step.sent),
                a_second(step.heard),
                at(50.0),
                at(99.0),
                at(100.0),
                numbers::count(step.connected),
            ],
        }
    };
    Ok(steps.iter().map(line).collect())
}

/// What the processes of each role cost in the phase by which the run is judged.
pub(super) fn roles(run: &ReportedRun) -> Vec<TableLine> {
    let result = run.result;
    let mut roles: Vec<ProcessRole> = result.processes.iter().map(|process| process.role).collect();
    roles.sort_unstable();
    roles.dedup();
    let line = |role: ProcessRole| {
        let of_role: Vec<&ProcessSeries> = result.processes.iter().filter(|process| process.role == role).collect();
        let cost = main_phase(result).and_then(|phase| phase.cost.as_ref()).and_then(|cost| cost.roles.get(&role));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        TableLine {
            name: run.label_of(role.name()),
            cells: vec![
                numbers::count(of_role.len() as u64),
                processors(result, &of_role),
                or_dash(cost.map(|cost| numbers::micros(cost.cpu_us_per_login))),
                numbers::bytes(of_role.iter().map(|process| peak(process)).sum()),
                or_dash(
                    cost.filter(|cost| cost.rss_bytes_per_page > 0.0)
                        .map(|cost| numbers::bytes(cost.rss_bytes_per_page)),
                ),
            ],
        }
    };
    roles.into_iter().map(line).collect()
}

/// Each process by itself.
pub(super) fn processes(run: &ReportedRun) -> Vec<TableLine> {
    let line = |process: &ProcessSeries| TableLine {
        name: run.label_of(&process.name),
        cells: vec![
            process.pid.to_string(),
            processors(run.result, &[process]),
            numbers::bytes(peak(process)),
            process
                .samples
                .iter()
                .map(|sample| sample.descriptors)
                .max()
                .filter(|most| *most > 0)
                .map_or("–".to_owned(), numbers::count),
        ],
    };
    run.result.processes.iter().map(line).collect()
}

/// The processors that these used in the phase by which the run is judged.
fn processors(result: &RunResult, processes: &[&ProcessSeries]) -> String {
    let Some(phase) = main_phase(result) else { return "–".to_owned() };
    let took = phase.to_seconds - phase.from_seconds;
    let cpu: f64 = processes.iter().map(|process| process.cpu_between(phase.from_seconds, phase.to_seconds)).sum();
    if took > 0.0 { numbers::digits(cpu / took) } else { "–".to_owned() }
}

fn peak(process: &ProcessSeries) -> f64 {
    process.samples.iter().map(|sample| float(sample.rss_bytes)).fold(0.0, f64::max)
}

/// How the generator itself was. The second cell is what would have been too much.
pub(super) fn health(run: &ReportedRun) -> Vec<TableLine> {
    let health = &run.result.generator;
    let line =
        |name: &str, value: String, limit: String| TableLine { name: run.label_of(name), cells: vec![value, limit] };
    let of = |limit: u64| if limit == 0 { "–".to_owned() } else { numbers::count(limit) };
    vec![
        line(
            "logins a second",
            numbers::rate(health.reached_rate),
            format!("{} asked for", numbers::rate(health.asked_rate)),
        ),
        line("lateness, p99", numbers::millis(health.lateness_p99_ms), numbers::millis(health.lateness_limit_ms)),
        line("processors used", numbers::digits(health.cpus_used), numbers::count(health.cpus.into())),
        line("machine left idle", numbers::share(health.machine_idle_share), "–".to_owned()),
        line("descriptors", numbers::count(health.descriptors_used), of(health.descriptors_limit)),
        line("ports to one address", numbers::count(health.ports_used), of(health.ports_limit)),
        line("TCP segments sent again", numbers::count(health.retransmitted_segments), "–".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::SampleRun;

    #[test]
    fn the_table_of_a_long_run_is_short_and_adds_up() {
        let result = SampleRun { load_seconds: 400, rate: 3, ..SampleRun::default() }.result();
        let lines = over_time(&ReportedRun::alone(&result).unwrap()).unwrap();
        assert_eq!(lines.len(), 42);
        assert_eq!(
            (lines[5].name.as_str(), &lines[5].cells[..4]),
            ("50 s", &["load", "3", "3", "3"].map(str::to_owned)[..])
        );
        assert_eq!(lines[0].cells[4..], ["–", "–", "–", "10,000"]);
    }

    #[test]
    fn roles_and_processes_say_what_they_cost() {
        let result = SampleRun::default().result();
        let run = ReportedRun::alone(&result).unwrap();
        let roles = roles(&run);
        assert_eq!(
            (roles[0].name.as_str(), roles[0].cells[0].as_str(), roles[0].cells[2].as_str()),
            ("gateway", "2", "180 µs")
        );
        assert_eq!(roles.last().unwrap().cells[2], "–");
        assert_eq!(processes(&run).len(), 5);
        assert_eq!(percentiles(&run).len(), 3);
    }
}
