//! A chart as data. `report.js` draws it and decides nothing.

use serde::Serialize;

use super::numbers;

/// Numbers over time or over percentiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Chart {
    /// The id of its element in the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it shows, in words, for who can't see it.
    pub(super) summary: String,
    /// What a reader has to know of it; empty if nothing.
    pub(super) note: String,
    pub(super) unit: ChartUnit,
    pub(super) axis: ChartAxis,
    /// Whether each line of the grid is ten times the one below.
    pub(super) logarithmic: bool,
    /// Where the values are, on the axis.
    pub(super) points: Vec<f64>,
    pub(super) lines: Vec<ChartLine>,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ChartLine {
    pub(super) label: String,
    /// The number of its colour.
    pub(super) colour: usize,
    pub(super) stroke: ChartStroke,
    /// One for each point; `None` where nothing was measured.
    pub(super) values: Vec<Option<f64>>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChartStroke {
    Solid,
    Thin,
    Dashed,
    Dotted,
}

/// What the values count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChartUnit {
    Milliseconds,
    PerSecond,
    Pages,
    /// 1 is one whole processor.
    Processors,
    Bytes,
}

/// What the points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChartAxis {
    /// Seconds since the run's start.
    Time,
    /// The logarithm (base 10) of how rare a value is: 0 for 0 %, 1 for 90 %, 2 for 99 %.
    Percentile,
}

/// A stretch of time that the charts mark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ChartMark {
    pub(super) label: String,
    pub(super) is_fault: bool,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Chart {
    /// Whether any line has a value.
    pub(super) fn has_values(&self) -> bool {
        self.lines.iter().any(|line| line.values.iter().any(Option::is_some))
    }
}

impl ChartLine {
    /// Its least and its largest value.
    pub(super) fn in_words(&self, unit: ChartUnit) -> String {
        let values = self.values.iter().flatten().copied();
        let Some(least) = values.clone().reduce(f64::min) else { return format!("{}: nothing", self.label) };
        let most = values.fold(least, f64::max);
        let text = |value| match unit {
            ChartUnit::Milliseconds => numbers::millis(value),
            ChartUnit::Bytes => numbers::bytes(value),
            ChartUnit::PerSecond | ChartUnit::Pages | ChartUnit::Processors => numbers::rate(value),
        };
        format!("{}: from {} to {}", self.label, text(least), text(most))
    }
}

/// To four digits: more can't be seen, and takes room in the file.
pub(super) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 3 - magnitude(value);
    let factor = 10_f64.powi(digits.clamp(-300, 300));
    (value * factor).round() / factor
}

/// The power of ten just below.
#[expect(clippy::cast_possible_truncation, reason = "the logarithm of a number is at most 308")]
fn magnitude(value: f64) -> i32 {
    value.abs().log10().floor() as i32
}

/// JSON that may stand inside of a `<script>` element, whatever texts are in it.
pub(super) fn to_script_json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("numbers and texts can be written as JSON");
    // In JSON these characters can only be inside of texts.
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_four_digits() {
        let values = [0.0, 0.000_123_456, 1.0, 48.128_9, 123_456.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE];
        let expected = [0.0, 0.000_123_5, 1.0, 48.13, 123_500.0, 0.0, 0.0];
        for (value, expected) in values.map(rounded).into_iter().zip(expected) {
            assert!((value - expected).abs() <= expected * 1e-12, "{value} {expected}");
        }
    }

    #[test]
    fn a_line_in_words_has_its_least_and_its_largest_value() {
        let line = |values: Vec<Option<f64>>| ChartLine {
            label: "p50".to_owned(),
            colour: 1,
            stroke: ChartStroke::Solid,
            values,
        };
        let found = line(vec![None, Some(2.5), Some(0.8), None, Some(1200.0)]).in_words(ChartUnit::Milliseconds);
        assert_eq!(found, "p50: from 0.8 ms to 1.2 s");
        assert_eq!(line(vec![None]).in_words(ChartUnit::Bytes), "p50: nothing");
    }

    #[test]
    fn no_text_ends_the_script_element() {
        let hostile = "</script><!--<script>&amp;\u{2028}";
        let json = to_script_json(&hostile);
        assert!(!json.contains(['<', '>', '&']), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }
}
