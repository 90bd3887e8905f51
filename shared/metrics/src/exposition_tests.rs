//! The same metrics in each format.

use prometheus::{Histogram, HistogramOpts};

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A registry with one metric of each kind.
fn registry() -> (Metrics, TracedHistogram) {
    let metrics = Metrics::new();
    metrics
        .counter_vec("calls_total", "Calls, by \"name\" and so on.", &["name"])
        .with_label_values(&["a\"b\\c\nd"])
        .inc();
    metrics.counter("idle_total", "Nothing happened.");
    metrics.gauge("held", "Held now.").set(-3);
    metrics.seconds_gauge_vec("ahead_seconds", "A clock.", &["primary"]).with_label_values(&["a"]).set(f64::INFINITY);
    metrics.seconds_histogram("plain_seconds", "Without traces.").observe(0.3);
    let traced = metrics.traced_seconds_histogram("push_seconds", "With traces.");
    traced.observe(0.01, None);
    traced.observe(0.012, Some(TRACE.to_owned()));
    traced.observe(0.013, None);
    traced.observe(11.5, None);
    (metrics, traced)
}

/// The lines about metrics of ours, without those of the process.
fn ours(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.contains("process_")).collect()
}

fn text_in(metrics: &Metrics, accept: &str) -> String {
    String::from_utf8(metrics.expose(accept).body).unwrap()
}

#[test]
fn in_plain_text_a_traced_histogram_is_one_like_any_other() {
    let values = [0.0, 0.0005, 0.00051, 0.3, 1.0, 7.25, 10.0, 10.1, 1e9];
    let (traced, plain) = (Metrics::new(), Metrics::new());
    let of_traced = traced.traced_seconds_histogram("push_seconds", "Help.");
    let of_plain = plain
        .add(Histogram::with_opts(HistogramOpts::new("scenecast_push_seconds", "Help.").buckets(SECONDS.to_vec())));
    for value in values {
        assert_eq!(ours(&traced.text()), ours(&plain.text()));
        of_traced.observe(value, Some(TRACE.to_owned()));
        of_plain.observe(value);
    }
    assert_eq!(ours(&traced.text()), ours(&plain.text()));
    assert!(!traced.text().contains(TRACE));
    assert_eq!(ours(&text_in(&traced, "")), ours(&traced.text()), "who asks for nothing gets the text");
}

#[test]
fn open_metrics_has_the_traces_and_what_the_text_has() {
    let (metrics, _) = registry();
    let text = text_in(&metrics, "application/openmetrics-text");
    for line in [
        "# HELP scenecast_calls Calls, by \\\"name\\\" and so on.",
        "# TYPE scenecast_calls counter",
        r#"scenecast_calls_total{name="a\"b\\c\nd"} 1"#,
        "# TYPE scenecast_idle counter",
        "scenecast_idle_total 0",
        "# TYPE scenecast_held gauge",
        "scenecast_held -3",
        r#"scenecast_ahead_seconds{primary="a"} +Inf"#,
        "# TYPE scenecast_push_seconds histogram",
        r#"scenecast_push_seconds_bucket{le="0.008"} 0"#,
        r#"scenecast_push_seconds_bucket{le="0.03"} 3"#,
        r#"scenecast_push_seconds_bucket{le="1"} 3"#,
        r#"scenecast_push_seconds_bucket{le="+Inf"} 4"#,
        "scenecast_push_seconds_count 4",
        r#"scenecast_plain_seconds_bucket{le="0.25"} 0"#,
        r#"scenecast_plain_seconds_bucket{le="0.5"} 1"#,
        "scenecast_plain_seconds_sum 0.3",
        "# TYPE process_cpu_seconds counter",
    ] {
        assert!(text.lines().any(|other| other == line), "no {line} in {text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
    let (sample, exemplar) = text.lines().find_map(|line| line.split_once(" # ")).unwrap();
    assert_eq!(sample, r#"scenecast_push_seconds_bucket{le="0.015"} 3"#);
    let (labels, at) = exemplar.rsplit_once(' ').unwrap();
    assert_eq!(labels, format!("{{trace_id=\"{TRACE}\"}} 0.012"));
    assert!(at.parse::<f64>().unwrap() > 1.7e9, "{at}");
    assert_eq!(text.matches(" # ").count(), 1, "only a traced login is an example");

    // Each series is there as in the text.
    let is_sample = |line: &&str| !line.starts_with('#') && !line.starts_with("process_");
    let series = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(is_sample).map(|line| line.split(" # ").next().unwrap().to_owned());
        let mut series: Vec<_> = samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        series.sort();
        series
    };
    assert_eq!(series(&text), series(&metrics.text()));
}

#[test]
fn the_latest_trace_of_a_bucket_is_its_example() {
    let (metrics, traced) = registry();
    traced.observe(0.0121, Some("11111111111111111111111111111111".to_owned()));
    traced.observe(0.0122, None);
    let text = text_in(&metrics, "application/openmetrics-text");
    assert!(
        text.contains("{trace_id=\"11111111111111111111111111111111\"} 0.0121 ") && !text.contains(TRACE),
        "{text}"
    );
}
