//! The metrics registry of a process, and the metrics that gateways and callbacks have in common.
//!
//! Names begin with `scenecast_`, which the functions here add. Units are seconds and bytes. No label contains a scene or
//! a person.

mod exposition;
mod native_buckets;
mod traced_histogram;

use std::sync::{Arc, Mutex, PoisonError};

pub use exposition::Exposition;
use exposition::GatheredMetrics;
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, PullingGauge,
    Registry, TextEncoder, core::Collector, proto::MetricFamily,
};
pub use traced_histogram::TracedHistogram;

/// The bounds of histograms, in seconds.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The registry of one process. Clones share it. Names are given without the prefix `scenecast_`.
///
/// Registering a name twice panics.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    traced: Arc<Mutex<Vec<TracedHistogram>>>,
    rejections: IntCounterVec,
    bad_requests: IntCounterVec,
}

impl Metrics {
    /// A registry that has only the rejections and bad requests, and the process's memory, CPU and file descriptors.
    #[expect(clippy::new_without_default, reason = "a registry belongs to one process, and is made on purpose")]
    pub fn new() -> Self {
        let help = "Connections and requests that were rejected because a limit was reached, by limit.";
        let rejections = IntCounterVec::new(Opts::new(prefixed("turned_away_total"), help), &["why"]);
        let rejections = rejections.expect("metric names are literals");
        let help = "Connections and requests that aren't HTTP/1.1 as it is read here, by what they are.";
        let bad_requests = IntCounterVec::new(Opts::new(prefixed("bad_requests_total"), help), &["why"]);
        let bad_requests = bad_requests.expect("metric names are literals");
        let metrics = Self { registry: Registry::new(), traced: Arc::default(), rejections, bad_requests };
        metrics.register(prometheus::process_collector::ProcessCollector::for_self());
        metrics.register(metrics.rejections.clone());
        metrics.register(metrics.bad_requests.clone());
        metrics
    }

    /// `turned_away_total`, with the label `why`. Several parts of a process count in it.
    pub fn rejections(&self) -> IntCounterVec {
        self.rejections.clone()
    }

    /// `bad_requests_total`, with the label `why`. Several parts of a process count in it.
    pub fn bad_requests(&self) -> IntCounterVec {
        self.bad_requests.clone()
    }

    fn register<C: Collector + 'static>(&self, collector: C) {
        self.registry.register(Box::new(collector)).expect("each metric is registered once, under a valid name");
    }

    fn add<C: Collector + Clone + 'static>(&self, created: prometheus::Result<C>) -> C {
        let metric = created.expect("metric names are literals");
        self.register(metric.clone());
        metric
    }

    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(prefixed(name), help))
    }

    pub fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(prefixed(name), help), labels))
    }

    pub fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(prefixed(name), help))
    }

    pub fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(prefixed(name), help), labels))
    }

    /// Registers gauges of seconds, which may be negative.
    pub fn seconds_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(GaugeVec::new(Opts::new(prefixed(name), help), labels))
    }

    /// Registers a gauge whose value is sampled each time the metrics are read.
    pub fn sampled_gauge(&self, name: &str, help: &str, sample: impl Fn() -> usize + Send + Sync + 'static) {
        #[expect(clippy::cast_precision_loss, reason = "no process holds 2^52 of anything")]
        let sample = Box::new(move || sample() as f64);
        self.register(PullingGauge::new(prefixed(name), help, sample).expect("metric names are literals"));
    }

    /// Registers a histogram of seconds, with buckets from 0.5 ms to 10 s.
    pub fn seconds_histogram(&self, name: &str, help: &str) -> Histogram {
        self.add(Histogram::with_opts(HistogramOpts::new(prefixed(name), help).buckets(SECONDS.to_vec())))
    }

    /// The same. It also shows traces of logins, and fine buckets, to scrapers that ask for them.
    pub fn traced_seconds_histogram(&self, name: &str, help: &str) -> TracedHistogram {
        let histogram = self.add(TracedHistogram::new(prefixed(name), help, SECONDS.to_vec()));
        self.traced.lock().unwrap_or_else(PoisonError::into_inner).push(histogram.clone());
        histogram
    }

    /// All metrics, in Prometheus's text format.
    pub fn text(&self) -> String {
        text_of(&self.registry.gather())
    }

    /// All metrics, as an `Accept` header asks for them; in the text format if it is empty, or asks for nothing that we have.
    pub fn expose(&self, accept: &str) -> Exposition {
        let traced = self.traced.lock().unwrap_or_else(PoisonError::into_inner);
        let traced = traced.iter().map(|histogram| (histogram.name().to_owned(), histogram.snapshot())).collect();
        GatheredMetrics { families: self.registry.gather(), traced }.expose(accept, text_of)
    }
}

fn text_of(families: &[MetricFamily]) -> String {
    let mut text = Vec::new();
    TextEncoder::new().encode(families, &mut text).expect("a Vec takes every byte");
    String::from_utf8(text).expect("the text format is UTF-8")
}

fn prefixed(name: &str) -> String {
    format!("scenecast_{name}")
}

/// A stage in the life of a scene. Its text is the label `stage`.
#[derive(Debug, Clone, Copy, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    Opened,
    /// A phone scanned it.
    Scanned,
    Confirmed,
    /// The page was given its grant.
    HandedOver,
    /// The site's backend redeemed the grant.
    Redeemed,
    Declined,
    /// The page gave up.
    Cancelled,
}

/// Counts the scenes that reach each stage, in `scenes_total`. Clones share the counter.
#[derive(Debug, Clone)]
pub struct Stages(IntCounterVec);

impl Stages {
    pub fn new(metrics: &Metrics) -> Self {
        Self(metrics.counter_vec("scenes_total", "Scenes that reached this stage of their life.", &["stage"]))
    }

    /// Shows these stages from now on, with 0 as long as no scene has reached them. Prometheus sees no increase in a series
    /// that begins at 1, so a fleet that has just been replaced would seem to lose the first login of each pod.
    ///
    /// See docs/decisions/136-alerts-allow-for-fleets-that-change.md.
    pub fn start(&self, stages: &[Stage]) {
        for stage in stages {
            self.0.with_label_values(&[<&str>::from(stage)]);
        }
    }

    /// Counts one more scene that reached this stage.
    pub fn count(&self, stage: Stage) {
        self.0.with_label_values(&[<&str>::from(stage)]).inc();
    }
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
