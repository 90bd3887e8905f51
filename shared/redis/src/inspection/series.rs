//! A metric's value about one primary, which goes when the primary does.

use prometheus::core::{Atomic, GenericGauge, GenericGaugeVec};

/// One series of a gauge. Dropping it removes it from the metrics.
pub(crate) struct PrimarySeries<P: Atomic> {
    gauge: GenericGaugeVec<P>,
    labels: Vec<String>,
}

impl<P: Atomic> PrimarySeries<P> {
    pub(crate) fn new(gauge: GenericGaugeVec<P>, labels: Vec<String>) -> Self {
        Self { gauge, labels }
    }

    pub(crate) fn value(&self) -> GenericGauge<P> {
        self.gauge.with_label_values(&self.labels)
    }
}

impl<P: Atomic> Drop for PrimarySeries<P> {
    fn drop(&mut self) {
        // Fails only if it never had a value, which is as it should be.
        let _ = self.gauge.remove_label_values(&self.labels);
    }
}
