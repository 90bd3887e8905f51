//! The report as one HTML file. It asks no network for anything: styles, scripts and data are in it.
//! See docs/decisions/094-the-report-is-one-file-with-vendored-charts.md.

use askama::Template;
use serde::Serialize;

use super::{
    cards::{Card, cards},
    chart::{Chart, ChartMark, to_script_json},
    comparison_table::ComparisonTable,
    condensed::SecondError,
    funnel_bars::{FunnelBar, login_bars, page_bars, troubles},
    headline::{Headline, headline},
    limits::limits,
    numbers,
    percentile_chart::{self, PhaseError},
    plan_words::plan_words,
    process_charts,
    reported::ReportedRun,
    tables::{self, TableLine},
    time_charts,
};
use crate::results::RunResult;

const STYLE: &str =
    concat!(include_str!("../../vendor/uplot/uPlot.min.css"), include_str!("../../templates/report/report.css"));
const UPLOT: &str = include_str!("../../vendor/uplot/uPlot.iife.min.js");
const UPLOT_LICENCE: &str = include_str!("../../vendor/uplot/LICENSE");
const SCRIPT: &str = include_str!("../../templates/report/report.js");

/// A result whose histograms can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Second(#[from] SecondError),
    #[error(transparent)]
    Phase(#[from] PhaseError),
}

/// The report of one run.
pub fn run_page(result: &RunResult) -> Result<String, ReportError> {
    let runs = [ReportedRun::alone(result)?];
    let title = format!("{} – load test of {}", headline(result).word, result.target.summary);
    page(title, headline(result), None, &runs)
}

/// The report of two runs of the same plan, side by side.
pub fn comparison_page(before: &RunResult, after: &RunResult, table: ComparisonTable) -> Result<String, ReportError> {
    let runs = ReportedRun::pair(before, after)?;
    let title = format!("{} – load tests compared", table.headline.word);
    page(title, table.headline.clone(), Some(table), &runs)
}

#[derive(Template)]
#[template(path = "report/page.html")]
struct ReportPage<'a> {
    title: String,
    style: &'static str,
    uplot: &'static str,
    uplot_licence: &'static str,
    script: &'static str,
    headline: Headline,
    comparison: Option<ComparisonTable>,
    runs: Vec<RunSection<'a>>,
    over_time: Vec<Chart>,
    percentiles: Chart,
    resources: Vec<Chart>,
    numbers: Vec<TableLine>,
    /// For the script: all charts, and what they mark.
    data: String,
}

/// What the report says of each run.
struct RunSection<'a> {
    /// `before` or `after`; empty if there is one run.
    name: &'static str,
    result: &'a RunResult,
    headline: Headline,
    began: String,
    took: String,
    memory: String,
    cards: Vec<Card>,
    plan: Vec<String>,
    page_bars: Vec<FunnelBar>,
    login_bars: Vec<FunnelBar>,
    troubles: Vec<String>,
    percentiles: Vec<TableLine>,
    roles: Vec<TableLine>,
    processes: Vec<TableLine>,
    health: Vec<TableLine>,
    limits: Vec<String>,
    command: String,
}

/// What the script draws.
#[derive(Serialize)]
struct ChartData<'a> {
    charts: Vec<&'a Chart>,
    marks: Vec<ChartMark>,
}

fn page(
    title: String,
    headline: Headline,
    comparison: Option<ComparisonTable>,
    runs: &[ReportedRun],
) -> Result<String, ReportError> {
    let with_values = |charts: Vec<Chart>| charts.into_iter().filter(Chart::has_values).collect::<Vec<_>>();
    let over_time = with_values(vec![
        time_charts::latency(runs),
        time_charts::rates(runs),
        time_charts::pages(runs),
        time_charts::opens(runs),
    ]);
    let percentiles = percentile_chart::percentiles(runs)?;
    let resources = with_values(vec![process_charts::cpu(runs), process_charts::memory(runs)]);
    let drawn = over_time.iter().chain(Some(&percentiles).filter(|chart| chart.has_values())).chain(&resources);
    let data = to_script_json(&ChartData { charts: drawn.collect(), marks: time_charts::marks(runs) });
    let mut numbers = vec![];
    for run in runs {
        numbers.extend(tables::over_time(run)?);
    }
    let page = ReportPage {
        title,
        style: STYLE,
        uplot: UPLOT,
        uplot_licence: UPLOT_LICENCE,
        script: SCRIPT,
        headline,
        comparison,
        runs: runs.iter().map(section).collect(),
        over_time,
        percentiles,
        resources,
        numbers,
        data,
    };
    Ok(page.render().expect("texts and numbers can be written into a template"))
}

fn section<'a>(run: &ReportedRun<'a>) -> RunSection<'a> {
    let result = run.result;
    RunSection {
        name: run.name(),
        result,
        headline: headline(result),
        began: numbers::moment(result.began_unix_ms),
        took: numbers::duration(result.took_seconds),
        memory: numbers::bytes(numbers::float(result.host.memory_bytes)),
        cards: cards(result),
        plan: plan_words(&result.plan),
        page_bars: page_bars(&result.funnel),
        login_bars: login_bars(&result.funnel),
        troubles: troubles(result),
        percentiles: tables::percentiles(run),
        roles: tables::roles(run),
        processes: tables::processes(run),
        health: tables::health(run),
        limits: limits(result),
        command: command(result),
    }
}

/// The command that made the result.
fn command(result: &RunResult) -> String {
    let words = [&result.tool.name].into_iter().chain(&result.tool.arguments);
    words.map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it, whatever is in it.
fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl RunSection<'_> {
    /// A heading of this run.
    fn heading(&self, text: &str) -> String {
        if self.name.is_empty() { text.to_owned() } else { format!("{text}, {}", self.name) }
    }
}
