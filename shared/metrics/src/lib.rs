//! The metrics that gateways and callbacks have in common, and the registry for their own.
//!
//! Names begin with `scenecast_`; units are seconds and bytes; no label has a scene or a person.

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, PullingGauge, Registry,
    TextEncoder, core::Collector,
};

/// The registry of one process. Our own names are given without their prefix.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    turned_away: IntCounterVec,
}

impl Metrics {
    #[expect(clippy::new_without_default, reason = "each registry is a process's, and made on purpose")]
    /// An empty registry, with the process's own memory, CPU and file descriptors.
    pub fn new() -> Self {
        let help = "Connections and requests that were told to come back, and those that found no place even for that.";
        let turned_away = IntCounterVec::new(Opts::new(ours("turned_away_total"), help), &["why"]);
        let turned_away = turned_away.expect("metric names are literals");
        let metrics = Self { registry: Registry::new(), turned_away };
        metrics.register(prometheus::process_collector::ProcessCollector::for_self());
        metrics.register(metrics.turned_away.clone());
        metrics
    }

    /// Those who were turned away, by whichever part of the process.
    pub fn turned_away(&self) -> IntCounterVec {
        self.turned_away.clone()
    }

    fn register<C: Collector + 'static>(&self, collector: C) {
        self.registry.register(Box::new(collector)).expect("each metric is registered once, under a valid name");
    }

    fn add<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let metric = made.expect("metric names are literals");
        self.register(metric.clone());
        metric
    }

    /// A counter.
    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(ours(name), help))
    }

    /// A counter by labels.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(ours(name), help), labels))
    }

    /// A gauge.
    pub fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(ours(name), help))
    }

    /// A gauge by labels.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(ours(name), help), labels))
    }

    /// A gauge that is asked for its value when it is looked at.
    pub fn sampled(&self, name: &str, help: &str, sample: impl Fn() -> usize + Send + Sync + 'static) {
        #[expect(clippy::cast_precision_loss, reason = "no process holds 2^52 of anything")]
        let sample = Box::new(move || sample() as f64);
        self.register(PullingGauge::new(ours(name), help, sample).expect("metric names are literals"));
    }

    /// A histogram of seconds, from half a millisecond to ten seconds.
    pub fn seconds(&self, name: &str, help: &str) -> Histogram {
        let buckets =
            vec![0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        self.add(Histogram::with_opts(HistogramOpts::new(ours(name), help).buckets(buckets)))
    }

    /// Everything, in Prometheus's text format.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("a Vec takes every byte");
        String::from_utf8(text).expect("the text format is UTF-8")
    }
}

fn ours(name: &str) -> String {
    format!("scenecast_{name}")
}

/// How far logins get.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// A scene was opened.
    Opened,
    /// Somebody scanned it.
    Scanned,
    /// The login was confirmed.
    Confirmed,
    /// The page has its grant.
    HandedOver,
    /// The site's backend redeemed it.
    Redeemed,
    /// Whoever scanned said no.
    Declined,
    /// The page gave up.
    Cancelled,
}

/// Counts scenes by stage.
#[derive(Debug, Clone)]
pub struct Stages(IntCounterVec);

impl Stages {
    /// The counter, in this registry.
    pub fn new(metrics: &Metrics) -> Self {
        Self(metrics.counters("scenes_total", "Scenes that reached this stage of their life.", &["stage"]))
    }

    /// One more scene reached this stage.
    pub fn count(&self, stage: Stage) {
        let stage = match stage {
            Stage::Opened => "opened",
            Stage::Scanned => "scanned",
            Stage::Confirmed => "confirmed",
            Stage::HandedOver => "handed_over",
            Stage::Redeemed => "redeemed",
            Stage::Declined => "declined",
            Stage::Cancelled => "cancelled",
        };
        self.0.with_label_values(&[stage]).inc();
    }
}
