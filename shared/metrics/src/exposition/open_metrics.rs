//! `OpenMetrics` 1.0.0: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::{
    fmt::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::GatheredMetrics;
use crate::traced_histogram::{Exemplar, HistogramSnapshot};

/// All metrics as text.
pub(super) fn encode(metrics: &GatheredMetrics) -> String {
    let mut text = String::new();
    for family in &metrics.families {
        write_family(&mut text, family, metrics.traced.get(family.name())).expect("a String takes every text");
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, family: &MetricFamily, traced: Option<&HistogramSnapshot>) -> fmt::Result {
    let (kind, name) = match family.get_field_type() {
        // A counter's family is named without what its samples end in.
        MetricType::COUNTER => ("counter", family.name().strip_suffix("_total").unwrap_or(family.name())),
        MetricType::GAUGE => ("gauge", family.name()),
        MetricType::HISTOGRAM => ("histogram", family.name()),
        // There are none.
        MetricType::SUMMARY | MetricType::UNTYPED => return Ok(()),
    };
    writeln!(text, "# HELP {name} {}", escaped(family.help()))?;
    writeln!(text, "# TYPE {name} {kind}")?;
    for metric in family.get_metric() {
        match (family.get_field_type(), traced) {
            (MetricType::HISTOGRAM, Some(histogram)) => write_traced(text, name, histogram)?,
            (MetricType::HISTOGRAM, None) => write_histogram(text, name, metric)?,
            (MetricType::COUNTER, _) => {
                write_sample(text, name, "_total", metric.get_label(), None, metric.get_counter().get_value())?;
                text.push('\n');
            }
            _ => {
                write_sample(text, name, "", metric.get_label(), None, metric.get_gauge().get_value())?;
                text.push('\n');
            }
        }
    }
    Ok(())
}

fn write_histogram(text: &mut String, name: &str, metric: &Metric) -> fmt::Result {
    let histogram = metric.get_histogram();
    let finite = histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (bound, count) in finite.chain([(f64::INFINITY, histogram.get_sample_count())]) {
        write_sample(text, name, "_bucket", metric.get_label(), Some(bound), as_number(count))?;
        text.push('\n');
    }
    write_sample(text, name, "_count", metric.get_label(), None, as_number(histogram.get_sample_count()))?;
    text.push('\n');
    write_sample(text, name, "_sum", metric.get_label(), None, histogram.get_sample_sum())?;
    text.push('\n');
    Ok(())
}

/// A traced histogram has no labels.
fn write_traced(text: &mut String, name: &str, histogram: &HistogramSnapshot) -> fmt::Result {
    for bucket in &histogram.buckets {
        write_sample(text, name, "_bucket", &[], Some(bucket.bound), as_number(bucket.count))?;
        if let Some(Exemplar { trace_id, value, at }) = &bucket.exemplar {
            write!(text, " # {{trace_id=\"{trace_id}\"}} {value} {}", unix_seconds(*at))?;
        }
        text.push('\n');
    }
    writeln!(text, "{name}_count {}", histogram.count)?;
    writeln!(text, "{name}_sum {}", histogram.sum)
}

/// A sample without the end of its line, after which an exemplar may come.
fn write_sample(
    text: &mut String,
    name: &str,
    suffix: &str,
    labels: &[LabelPair],
    bound: Option<f64>,
    value: f64,
) -> fmt::Result {
    write!(text, "{name}{suffix}")?;
    let labels = labels.iter().map(|label| (label.name(), escaped(label.value())));
    // As in the plain text, so that a series is the same in both.
    let bound = bound.map(|bound| ("le", if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() }));
    let mut separator = '{';
    for (name, value) in labels.chain(bound) {
        write!(text, "{separator}{name}=\"{value}\"")?;
        separator = ',';
    }
    if separator == ',' {
        text.push('}');
    }
    write!(text, " {}", number(value))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process counts to 2^53")]
fn as_number(count: u64) -> f64 {
    count as f64
}

fn unix_seconds(at: SystemTime) -> f64 {
    (at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3).round() / 1e3
}
