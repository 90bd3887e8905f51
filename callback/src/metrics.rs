//! All metrics of the callback, with their help texts. The shared crate adds those of the process, the bus and the
//! listeners.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use scenecast_metrics::{Metrics, Stage, Stages};

use crate::phone::Phrase;

/// The stages that callbacks count. Gateways count the others.
const STAGES: [Stage; 6] =
    [Stage::Opened, Stage::Scanned, Stage::Confirmed, Stage::Redeemed, Stage::Declined, Stage::Cancelled];

/// What the HTTP routes and WeChat's API client count. Clones share the metrics.
#[derive(Debug, Clone)]
pub(crate) struct CallbackMetrics {
    pub(crate) stages: Stages,
    /// By `outcome`.
    pub(crate) deliveries: IntCounterVec,
    pub(crate) delivery_seconds: Histogram,
    /// By `source`.
    pub(crate) delivery_sources: IntCounterVec,
    pub(crate) wechat_clock_ahead: IntGauge,
    /// By `result`.
    pub(crate) typed_codes: IntCounterVec,
    /// By `call` and `outcome`.
    pub(crate) mini_program_requests: IntCounterVec,
    /// By `outcome`.
    pub(crate) redeems: IntCounterVec,
    /// By `setting`.
    pub(crate) previous_secrets: IntCounterVec,
    pub(crate) handles: HandleMetrics,
    pub(crate) wechat: WechatMetrics,
}

/// What pages get to show.
#[derive(Debug, Clone)]
pub(crate) struct HandleMetrics {
    /// By `account` and `kind`.
    pub(crate) handles: IntCounterVec,
    /// By `account` and `why`.
    pub(crate) fallbacks: IntCounterVec,
    /// By `account` and `call`.
    pub(crate) quota: IntGaugeVec,
    /// By `account` and `call`.
    pub(crate) quota_left: IntGaugeVec,
}

/// Our calls of WeChat's API.
#[derive(Debug, Clone)]
pub(crate) struct WechatMetrics {
    /// By `call` and `result`.
    pub(crate) calls: IntCounterVec,
    /// By `account`, `call` and `why`.
    pub(crate) circuit_open: IntGaugeVec,
}

#[derive(Debug, Clone)]
pub(crate) struct WebhookMetrics {
    /// By `account` and `result`.
    pub(crate) sent: IntCounterVec,
    /// By `account` and `cause`.
    pub(crate) dead_letters: IntCounterVec,
    /// By `account`.
    pub(crate) backlog: IntGaugeVec,
    /// By `account`.
    pub(crate) dead: IntGaugeVec,
}

/// Changes of the configuration file.
#[derive(Debug, Clone)]
pub(crate) struct ReloadMetrics {
    pub(crate) reloads: IntCounter,
    pub(crate) errors: IntCounter,
    /// 1 unless the file as it is now was refused.
    pub(crate) last_successful: IntGauge,
}

impl CallbackMetrics {
    pub(crate) fn new(metrics: &Metrics, stages: Stages) -> Self {
        stages.start(&STAGES);
        let deliveries = metrics.counter_vec(
            "deliveries_total",
            "Messages that WeChat delivered, by what became of them.",
            &["outcome"],
        );
        let redeems = metrics.counter_vec("redeems_total", "Redeem calls, by what became of them.", &["outcome"]);
        // Alerts watch these for an increase. A counter that first appears with 1 would be no increase.
        let asked_again = [Phrase::ScanAgain.as_str(), Phrase::AnswerAgain.as_str()];
        for outcome in ["undecided", "stale", "body_too_slow", "signature_reused"].into_iter().chain(asked_again) {
            deliveries.with_label_values(&[outcome]);
        }
        for outcome in ["bus_unavailable", "store_unavailable", "grant_not_yet"] {
            redeems.with_label_values(&[outcome]);
        }
        Self {
            stages,
            deliveries,
            delivery_seconds: metrics.seconds_histogram("delivery_seconds", "From a delivery's headers to our answer."),
            delivery_sources: metrics.counter_vec(
                "delivery_sources_total",
                "Deliveries of accounts with check_source_address, by where they came from.",
                &["source"],
            ),
            wechat_clock_ahead: metrics
                .gauge("wechat_clock_ahead_seconds", "WeChat's clock less ours, as rightly signed requests say."),
            typed_codes: metrics.counter_vec("typed_codes_total", "Typed codes, by what became of them.", &["result"]),
            mini_program_requests: metrics.counter_vec(
                "miniapp_requests_total",
                "Calls of mini programs, by what became of them.",
                &["call", "outcome"],
            ),
            redeems,
            previous_secrets: metrics.counter_vec(
                "previous_secrets_used_total",
                "Requests that were accepted by the previous value of a secret, by the secret's setting.",
                &["setting"],
            ),
            handles: HandleMetrics::new(metrics),
            wechat: WechatMetrics::new(metrics),
        }
    }
}

impl HandleMetrics {
    fn new(metrics: &Metrics) -> Self {
        let account_and_call = &["account", "call"];
        Self {
            handles: metrics.counter_vec("handles_total", "What pages got to show, by kind.", &["account", "kind"]),
            fallbacks: metrics.counter_vec(
                "handle_fallbacks_total",
                "Pages that got something in place of a QR code, by the reason.",
                &["account", "why"],
            ),
            quota: metrics.gauge_vec("wechat_quota", "A day's quota, as configured.", account_and_call),
            quota_left: metrics.gauge_vec("wechat_quota_left", "What is left of a day's quota.", account_and_call),
        }
    }
}

impl WechatMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            calls: metrics.counter_vec("wechat_calls_total", "Calls of WeChat's API, by result.", &["call", "result"]),
            circuit_open: metrics.gauge_vec(
                "wechat_circuit_open",
                "1 while we don't make this call, because WeChat's refusal will last.",
                &["account", "call", "why"],
            ),
        }
    }
}

impl WebhookMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            sent: metrics.counter_vec(
                "webhooks_sent_total",
                "Attempts to deliver a webhook to a site, by result.",
                &["account", "result"],
            ),
            dead_letters: metrics.counter_vec(
                "dead_letters_total",
                "Webhook events that were given up, by cause.",
                &["account", "cause"],
            ),
            backlog: metrics.gauge_vec(
                "outbox_backlog",
                "Webhook events that wait, of all pods together.",
                &["account"],
            ),
            dead: metrics.gauge_vec("outbox_dead", "Dead letters that are kept, of all pods together.", &["account"]),
        }
    }
}

impl ReloadMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let last_successful =
            metrics.gauge("config_last_reload_successful", "1 unless the configuration file as it is now was refused.");
        last_successful.set(1);
        Self {
            last_successful,
            reloads: metrics.counter("config_reloads_total", "Times that a changed configuration was taken over."),
            errors: metrics.counter("config_reload_errors_total", "Times that a changed configuration was refused."),
        }
    }
}

#[cfg(test)]
mod tests {
    use scenecast_testing::metric_value;

    use super::*;

    #[test]
    fn stages_are_there_before_a_scene_reaches_them() {
        let metrics = Metrics::new();
        CallbackMetrics::new(&metrics, Stages::new(&metrics));
        for stage in ["opened", "scanned", "confirmed", "redeemed", "declined", "cancelled"] {
            let value = metric_value(&metrics.text(), "scenecast_scenes_total", &[("stage", stage)]);
            assert_eq!(value, Some(0.0), "{stage}");
        }
    }
}
