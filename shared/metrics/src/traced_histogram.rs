//! A histogram that can show traces as examples of its values, and fine buckets to those who read them.
//!
//! See docs/decisions/124-one-histogram-in-three-formats.md.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use prometheus::{
    core::{Collector, Desc},
    proto,
};

use crate::native_buckets::NativeBuckets;

/// Observes seconds. Clones share the counts.
#[derive(Debug, Clone)]
pub struct TracedHistogram(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    desc: Desc,
    bounds: Vec<f64>,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    sum: f64,
    /// As many as bounds, and one more for what is above the last.
    buckets: Vec<ClassicBucket>,
    native: NativeBuckets,
}

#[derive(Debug, Clone, Default)]
struct ClassicBucket {
    count: u64,
    exemplar: Option<Exemplar>,
}

/// A value whose login was traced.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: String,
    pub(crate) value: f64,
    pub(crate) at: SystemTime,
}

/// A histogram at one moment.
#[derive(Debug, Clone)]
pub(crate) struct HistogramSnapshot {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    pub(crate) buckets: Vec<CumulativeBucket>,
    pub(crate) native: NativeBuckets,
}

/// What was observed up to a bound.
#[derive(Debug, Clone)]
pub(crate) struct CumulativeBucket {
    /// Infinite for the last one.
    pub(crate) bound: f64,
    pub(crate) count: u64,
    /// The latest traced value since the bound before.
    pub(crate) exemplar: Option<Exemplar>,
}

impl TracedHistogram {
    pub(crate) fn new(name: String, help: &str, bounds: Vec<f64>) -> prometheus::Result<Self> {
        let desc = Desc::new(name, help.to_owned(), vec![], [].into())?;
        let buckets = vec![ClassicBucket::default(); bounds.len() + 1];
        let counts = Mutex::new(Counts { sum: 0.0, buckets, native: NativeBuckets::default() });
        Ok(Self(Arc::new(Shared { desc, bounds, counts })))
    }

    /// Counts a value in seconds. `trace_id` is that of the login if it is traced.
    pub fn observe(&self, seconds: f64, trace_id: Option<String>) {
        let bucket = self.0.bounds.partition_point(|bound| *bound < seconds);
        let exemplar = trace_id.map(|trace_id| Exemplar { trace_id, value: seconds, at: SystemTime::now() });
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.sum += seconds;
        counts.native.add(seconds);
        let bucket = &mut counts.buckets[bucket];
        bucket.count += 1;
        bucket.exemplar = exemplar.or_else(|| bucket.exemplar.take());
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.desc.fq_name
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        let counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        let mut count = 0;
        let cumulative = |(bound, bucket): (f64, &ClassicBucket)| {
            count += bucket.count;
            CumulativeBucket { bound, count, exemplar: bucket.exemplar.clone() }
        };
        let buckets = bounds.zip(&counts.buckets).map(cumulative).collect();
        HistogramSnapshot { sum: counts.sum, count, buckets, native: counts.native.clone() }
    }
}

/// As a plain histogram.
impl Collector for TracedHistogram {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let HistogramSnapshot { sum, count, buckets, .. } = self.snapshot();
        let bucket = |of: &CumulativeBucket| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(of.bound);
            bucket.set_cumulative_count(of.count);
            bucket
        };
        let finite = buckets.iter().filter(|bucket| bucket.bound.is_finite());
        let mut histogram = proto::Histogram::default();
        histogram.set_sample_sum(sum);
        histogram.set_sample_count(count);
        histogram.set_bucket(finite.map(bucket).collect());
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        let mut family = proto::MetricFamily::default();
        family.set_name(self.0.desc.fq_name.clone());
        family.set_help(self.0.desc.help.clone());
        family.set_field_type(proto::MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        vec![family]
    }
}
