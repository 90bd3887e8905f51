//! Prometheus's protobuf: the messages of `io.prometheus.client` that we have, each family after its length.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::proto::{self, MetricType};
use prost::Message;

use super::GatheredMetrics;
use crate::{
    native_buckets::{SCHEMA, zero_threshold},
    traced_histogram::{Exemplar, HistogramSnapshot},
};

/// The bytes of all metrics.
pub(super) fn encode(metrics: &GatheredMetrics) -> Vec<u8> {
    let mut bytes = vec![];
    for family in &metrics.families {
        let traced = metrics.traced.get(family.name());
        let family = ProtobufFamily {
            name: family.name().to_owned(),
            help: family.help().to_owned(),
            kind: kind(family.get_field_type()),
            metrics: family
                .get_metric()
                .iter()
                .map(|metric| encoded(family.get_field_type(), metric, traced))
                .collect(),
        };
        family.encode_length_delimited(&mut bytes).expect("a Vec takes every byte");
    }
    bytes
}

fn kind(kind: MetricType) -> i32 {
    match kind {
        MetricType::COUNTER => 0,
        MetricType::GAUGE => 1,
        MetricType::SUMMARY => 2,
        MetricType::UNTYPED => 3,
        MetricType::HISTOGRAM => 4,
    }
}

fn encoded(kind: MetricType, metric: &proto::Metric, traced: Option<&HistogramSnapshot>) -> ProtobufMetric {
    let label = |label: &proto::LabelPair| ProtobufLabel { name: label.name().into(), value: label.value().into() };
    let labels = metric.get_label().iter().map(label).collect();
    let metric_without = ProtobufMetric { labels, ..ProtobufMetric::default() };
    let value = |value: f64| Some(ProtobufValue { value });
    match kind {
        MetricType::COUNTER => ProtobufMetric { counter: value(metric.get_counter().get_value()), ..metric_without },
        MetricType::GAUGE => ProtobufMetric { gauge: value(metric.get_gauge().get_value()), ..metric_without },
        MetricType::HISTOGRAM => {
            let histogram = traced.map_or_else(|| classic(metric.get_histogram()), with_native_buckets);
            ProtobufMetric { histogram: Some(histogram), ..metric_without }
        }
        // There are none.
        MetricType::SUMMARY | MetricType::UNTYPED => metric_without,
    }
}

fn classic(histogram: &proto::Histogram) -> ProtobufHistogram {
    let bucket = |bucket: &proto::Bucket| ProtobufBucket {
        cumulative_count: bucket.cumulative_count(),
        upper_bound: bucket.upper_bound(),
        exemplar: None,
    };
    ProtobufHistogram {
        sample_count: histogram.get_sample_count(),
        sample_sum: histogram.get_sample_sum(),
        buckets: histogram.get_bucket().iter().map(bucket).collect(),
        ..ProtobufHistogram::default()
    }
}

fn with_native_buckets(histogram: &HistogramSnapshot) -> ProtobufHistogram {
    let (spans, deltas) = histogram.native.spans_and_deltas();
    let buckets = histogram.buckets.iter().map(|bucket| ProtobufBucket {
        cumulative_count: bucket.count,
        upper_bound: bucket.bound,
        exemplar: bucket.exemplar.as_ref().map(exemplar),
    });
    ProtobufHistogram {
        sample_count: histogram.count,
        sample_sum: histogram.sum,
        buckets: buckets.collect(),
        schema: SCHEMA,
        zero_threshold: zero_threshold(),
        zero_count: histogram.native.zeros(),
        positive_spans: spans.iter().map(|span| ProtobufSpan { offset: span.offset, length: span.length }).collect(),
        positive_deltas: deltas,
    }
}

fn exemplar(exemplar: &Exemplar) -> ProtobufExemplar {
    ProtobufExemplar {
        labels: vec![ProtobufLabel { name: "trace_id".into(), value: exemplar.trace_id.clone() }],
        value: exemplar.value,
        timestamp: Some(timestamp(exemplar.at)),
    }
}

fn timestamp(at: SystemTime) -> ProtobufTimestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    ProtobufTimestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    }
}

#[derive(Clone, PartialEq, Message)]
struct ProtobufFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<ProtobufMetric>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtobufMetric {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<ProtobufLabel>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<ProtobufValue>,
    #[prost(message, optional, tag = "3")]
    counter: Option<ProtobufValue>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<ProtobufHistogram>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ProtobufLabel {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// A counter, or a gauge.
#[derive(Clone, Copy, PartialEq, Message)]
struct ProtobufValue {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Clone, PartialEq, Message)]
struct ProtobufHistogram {
    #[prost(uint64, tag = "1")]
    sample_count: u64,
    #[prost(double, tag = "2")]
    sample_sum: f64,
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<ProtobufBucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "12")]
    positive_spans: Vec<ProtobufSpan>,
    #[prost(sint64, repeated, tag = "13")]
    positive_deltas: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtobufBucket {
    #[prost(uint64, tag = "1")]
    cumulative_count: u64,
    #[prost(double, tag = "2")]
    upper_bound: f64,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<ProtobufExemplar>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct ProtobufSpan {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
struct ProtobufExemplar {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<ProtobufLabel>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<ProtobufTimestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct ProtobufTimestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[cfg(test)]
mod tests {
    use crate::Metrics;

    use super::*;

    const ACCEPT: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    fn families(metrics: &Metrics) -> Vec<ProtobufFamily> {
        let body = metrics.expose(ACCEPT).body;
        let mut rest = &body[..];
        let mut families = vec![];
        while !rest.is_empty() {
            families.push(ProtobufFamily::decode_length_delimited(&mut rest).unwrap());
        }
        families
    }

    #[test]
    fn each_family_is_there_and_the_traced_histogram_has_fine_buckets() {
        let metrics = Metrics::new();
        metrics.counter_vec("calls_total", "Calls.", &["name"]).with_label_values(&["a\"b\n"]).inc_by(7);
        metrics.counter("idle_total", "Nothing happened.");
        metrics.gauge("held", "Held now.").set(-3);
        metrics.seconds_histogram("plain_seconds", "Without traces.").observe(0.3);
        let traced = metrics.traced_seconds_histogram("push_seconds", "With traces.");
        traced.observe(1.0, Some("0af7651916cd43dd8448eb211c80319c".to_owned()));
        traced.observe(0.0, None);
        traced.observe(2.0, None);
        let families = families(&metrics);
        let family = |name: &str| families.iter().find(|family| family.name == format!("scenecast_{name}")).unwrap();

        let calls = family("calls_total");
        assert_eq!((calls.kind, calls.metrics[0].counter), (0, Some(ProtobufValue { value: 7.0 })));
        assert_eq!(calls.metrics[0].labels, [ProtobufLabel { name: "name".into(), value: "a\"b\n".into() }]);
        assert_eq!(family("idle_total").metrics[0].counter, Some(ProtobufValue { value: 0.0 }), "zero is a value");
        assert_eq!((family("held").kind, family("held").metrics[0].gauge), (1, Some(ProtobufValue { value: -3.0 })));
        let plain = family("plain_seconds").metrics[0].histogram.as_ref().unwrap();
        assert_eq!((plain.sample_count, plain.positive_spans.len(), plain.zero_threshold), (1, 0, 0.0));

        let push = family("push_seconds");
        assert_eq!((push.kind, push.help.as_str(), push.metrics.len()), (4, "With traces.", 1));
        let push = push.metrics[0].histogram.as_ref().unwrap();
        assert_eq!((push.sample_count, push.sample_sum, push.schema, push.zero_count), (3, 3.0, 3, 1));
        let span = |offset| ProtobufSpan { offset, length: 1 };
        assert_eq!((&push.positive_spans[..], &push.positive_deltas[..]), (&[span(0), span(7)][..], &[1, 0][..]));
        assert_eq!(
            push.buckets.last().map(|bucket| (bucket.upper_bound, bucket.cumulative_count)),
            Some((f64::INFINITY, 3))
        );
        let example = push.buckets.iter().find_map(|bucket| Some((bucket.upper_bound, bucket.exemplar.as_ref()?)));
        let (bound, exemplar) = example.unwrap();
        assert_eq!((bound, exemplar.value, exemplar.labels[0].name.as_str()), (1.0, 1.0, "trace_id"));
        assert!(exemplar.timestamp.unwrap().seconds > 1_700_000_000);
    }
}
