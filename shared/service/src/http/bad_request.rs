//! Requests that no route sees, because they aren't HTTP/1.1 as we read it, or belong to another listener. Mostly a proxy
//! is configured for something else, so the log says for what, and what to change.
//!
//! See docs/decisions/066-what-is-no-request-is-named.md.

use std::{fmt, net::SocketAddr, sync::Arc};

use prometheus::IntCounterVec;
use scenecast_metrics::Metrics;
use strum::VariantArray;

use crate::admission::rate_limit::RateLimit;

/// Why a request can't be served, whatever its route. Its text is the label `why` in metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum BadRequest {
    /// The connection begins with a header of the PROXY protocol, version 1 or 2.
    ProxyProtocol,
    /// The client speaks TLS.
    Tls,
    /// The client speaks HTTP/2 without having asked whether we do.
    Http2,
    /// Request line and headers are longer, or more, than a listener reads.
    HeadTooLarge,
    /// So many clients send a large head, and slowly, that this one gets no memory for its own.
    LargeHeads,
    /// Two servers could read the request differently: it lacks its `Host`, or has a header twice.
    Ambiguous,
    /// It isn't HTTP/1.1, or not in its right form.
    Malformed,
    /// It is for another listener, of this process or of another.
    Misplaced,
}

impl BadRequest {
    fn label(self) -> &'static str {
        self.into()
    }

    /// What the operator is told.
    fn advice(self) -> &'static str {
        match self {
            Self::ProxyProtocol => {
                "refused a connection that begins with the PROXY protocol, which isn't spoken here: switch it off in the \
                 load balancer (send-proxy, proxy_protocol, aws-load-balancer-proxy-protocol), have the proxy append the \
                 client's address to X-Forwarded-For, and name it in trusted_proxies"
            }
            Self::Tls => {
                "refused a connection that begins with TLS, which isn't spoken here: TLS has to end in the proxy, which \
                 connects to this port by plain HTTP (http:// in its backend's address, HTTP in its health check)"
            }
            Self::Http2 => {
                "refused a connection that begins with HTTP/2, which isn't spoken here: set the proxy's protocol towards \
                 this port to HTTP/1.1 (not h2c, http2 or grpc)"
            }
            Self::HeadTooLarge => {
                "refused a request with more than 64 KB or 200 lines of headers: mostly the site's domain has too many \
                 cookies, or a proxy adds too much"
            }
            Self::LargeHeads => {
                "closed a connection in the middle of a request with more than 16 KB of headers, because 256 others were \
                 just as far: perhaps somebody attacks with headers that arrive slowly; a proxy that reads whole requests \
                 first (nginx does) keeps them away"
            }
            Self::Ambiguous => {
                "refused a request that two servers could read differently: if it came from a proxy or a health check, \
                 have it send one Host (nginx: proxy_set_header Host $host) and at most one Authorization"
            }
            Self::Malformed => {
                "refused a request that isn't HTTP/1.1; if a proxy or a health check sent it, set its protocol towards this \
                 port to HTTP/1.1. The internet's scanners send such, too"
            }
            Self::Misplaced => {
                "refused a request that belongs to another listener: correct the address or the port where the sender has \
                 it, or the route of the proxy before this one. The internet's scanners send such, too"
            }
        }
    }
}

/// Counts bad requests in `scenecast_bad_requests_total`, and logs at most one a second of each kind. Clones share the
/// counter.
#[derive(Debug, Clone)]
pub struct BadRequests(Arc<BadRequestCounter>);

#[derive(Debug)]
struct BadRequestCounter {
    counter: IntCounterVec,
    /// In the order of the variants.
    log_rates: [RateLimit; BadRequest::VARIANTS.len()],
}

impl BadRequests {
    /// Counts in this registry.
    pub fn new(metrics: &Metrics) -> Self {
        let counter = metrics.bad_requests();
        for why in BadRequest::VARIANTS {
            counter.with_label_values(&[why.label()]);
        }
        Self(Arc::new(BadRequestCounter { counter, log_rates: std::array::from_fn(|_| RateLimit::per_second(1)) }))
    }

    /// Counts one more, from this peer. `detail` says more of it, and nothing that is secret.
    pub(crate) fn count(&self, why: BadRequest, peer: Option<SocketAddr>, detail: impl fmt::Display) {
        self.0.counter.with_label_values(&[why.label()]).inc();
        if self.0.log_rates[why as usize].allows() {
            let peer = peer.map(tracing::field::display);
            tracing::warn!(why = why.label(), peer, %detail, "{}", why.advice());
        }
    }
}

#[cfg(test)]
mod tests {
    use scenecast_testing::{LogText, metric_value};

    use super::*;

    #[test]
    fn each_kind_is_counted_and_logged_once_a_second() {
        let log = LogText::default();
        let metrics = Metrics::new();
        tracing::subscriber::with_default(log.subscriber(), || {
            let bad_requests = BadRequests::new(&metrics);
            for _ in 0..500 {
                bad_requests.count(BadRequest::ProxyProtocol, Some(([10, 0, 0, 7], 1).into()), "PROXY");
                bad_requests.count(BadRequest::Tls, None, "");
            }
        });
        let counted = |why| metric_value(&metrics.text(), "scenecast_bad_requests_total", &[("why", why)]);
        assert_eq!(
            (counted("proxy_protocol"), counted("tls"), counted("http2")),
            (Some(500.0), Some(500.0), Some(0.0))
        );
        let log = log.text();
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(log.contains("peer=10.0.0.7:1") && log.contains("name it in trusted_proxies"), "{log}");
    }
}
