//! The callback's own metrics.

use prometheus::{Histogram, IntCounterVec, IntGaugeVec};
use scenecast_shared::telemetry::{Metrics, Stages};

use crate::phrase::Phrase;

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
    /// 1 while a call isn't made, by `account`, `call` and `why`.
    pub(crate) circuit_open: IntGaugeVec,
    /// What pages show, by `account` and `kind`.
    pub(crate) handles: IntCounterVec,
    /// Pages that got something in place of a QR code, by `account` and `why`.
    pub(crate) fallbacks: IntCounterVec,
    /// A day's quota, and what is left of it, by `account` and `call`.
    pub(crate) quota: IntGaugeVec,
    pub(crate) quota_left: IntGaugeVec,
    /// Calls of mini programs by `call` and what became of them.
    pub(crate) miniapp: IntCounterVec,
    /// Redeems by what became of them.
    pub(crate) redeems: IntCounterVec,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics, stages: Stages) -> Self {
        let webhooks = metrics.counters("webhooks_total", "Webhooks by what became of them.", &["outcome"]);
        let redeems = metrics.counters("redeems_total", "Redeems by what became of them.", &["outcome"]);
        // What alerts look for is there from the start: the first of a kind is an increase, too.
        for outcome in ["undecided", Phrase::ScanAgain.word(), Phrase::AnswerAgain.word()] {
            webhooks.with_label_values(&[outcome]);
        }
        for outcome in ["bus_unavailable", "store_unavailable", "grant_not_yet"] {
            redeems.with_label_values(&[outcome]);
        }
        Self {
            stages,
            webhooks,
            typed_codes: metrics.counters("typed_codes_total", "Typed codes by what became of them.", &["result"]),
            sources: metrics.counters("webhook_sources_total", "Webhooks by where they came from.", &["source"]),
            webhook_seconds: metrics.seconds("webhook_seconds", "From a webhook's headers to its answer."),
            calls: metrics.counters("wechat_calls_total", "Calls of WeChat's API.", &["call", "result"]),
            circuit_open: metrics.gauges(
                "wechat_circuit_open",
                "1 while WeChat isn't asked, since it has refused in a way that lasts.",
                &["account", "call", "why"],
            ),
            handles: metrics.counters("handles_total", "What pages show, by kind.", &["account", "kind"]),
            fallbacks: metrics.counters(
                "handle_fallbacks_total",
                "Pages that got something in place of a QR code.",
                &["account", "why"],
            ),
            quota: metrics.gauges("wechat_quota", "A day's quota, as configured.", &["account", "call"]),
            quota_left: metrics.gauges("wechat_quota_left", "What is left of a day's quota.", &["account", "call"]),
            miniapp: metrics.counters(
                "miniapp_requests_total",
                "Calls of mini programs by what became of them.",
                &["call", "outcome"],
            ),
            redeems,
        }
    }
}
