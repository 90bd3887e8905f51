//! The callback's own metrics.

use prometheus::{Histogram, IntCounterVec, IntGaugeVec};
use scenecast_shared::telemetry::{Metrics, Stages};

/// What is counted here. Clones are the same counts.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// Scenes by stage.
    pub(crate) stages: Stages,
    /// Webhooks by what became of them.
    pub(crate) webhooks: IntCounterVec,
    /// Typed codes by what became of them.
    pub(crate) typed_codes: IntCounterVec,
    /// Webhooks of accounts that check where they come from, by what they found.
    pub(crate) sources: IntCounterVec,
    /// From a webhook's headers to its answer.
    pub(crate) webhook_seconds: Histogram,
    /// Calls of WeChat's API by `call` and `result`.
    pub(crate) calls: IntCounterVec,
    /// What is left of a day's quota, by `account` and `call`.
    pub(crate) quota_left: IntGaugeVec,
    /// Redeems by what became of them.
    pub(crate) redeems: IntCounterVec,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics, stages: Stages) -> Self {
        Self {
            stages,
            webhooks: metrics.counters("webhooks_total", "Webhooks by what became of them.", &["outcome"]),
            typed_codes: metrics.counters("typed_codes_total", "Typed codes by what became of them.", &["result"]),
            sources: metrics.counters("webhook_sources_total", "Webhooks by where they came from.", &["source"]),
            webhook_seconds: metrics.seconds("webhook_seconds", "From a webhook's headers to its answer."),
            calls: metrics.counters("wechat_calls_total", "Calls of WeChat's API.", &["call", "result"]),
            quota_left: metrics.gauges("wechat_quota_left", "What is left of a day's quota.", &["account", "call"]),
            redeems: metrics.counters("redeems_total", "Redeems by what became of them.", &["outcome"]),
        }
    }
}
