//! The metrics as a scraper asks for them.
//!
//! | format | exemplars | native histogram |
//! |---|---|---|
//! | text, to all who ask for nothing else | | |
//! | `OpenMetrics` | yes | |
//! | protobuf | yes | yes |
//!
//! See docs/decisions/124-one-histogram-in-three-formats.md.

mod accept;
mod open_metrics;
mod protobuf;

use std::collections::HashMap;

use prometheus::proto::MetricFamily;

use crate::traced_histogram::HistogramSnapshot;
use accept::Format;

/// All metrics, in a format that a scraper takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposition {
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// The metrics of a process at one moment.
pub(crate) struct GatheredMetrics {
    pub(crate) families: Vec<MetricFamily>,
    /// What a family doesn't say of a traced histogram, by its name.
    pub(crate) traced: HashMap<String, HistogramSnapshot>,
}

impl GatheredMetrics {
    /// In the format that an `Accept` header asks for. `text` is the plain text.
    pub(crate) fn expose(&self, accept: &str, text: impl FnOnce(&[MetricFamily]) -> String) -> Exposition {
        let format = Format::negotiate(accept);
        let body = match format {
            Format::Text => text(&self.families).into_bytes(),
            Format::OpenMetrics | Format::OpenMetricsBefore1 => open_metrics::encode(self).into_bytes(),
            Format::Protobuf => protobuf::encode(self),
        };
        Exposition { content_type: format.content_type(), body }
    }
}
