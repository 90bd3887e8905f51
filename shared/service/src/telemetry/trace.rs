//! Tracing of one login from WeChat's message to the browser. The trace context travels inside the scene's event.

use std::{collections::HashMap, time::Duration};

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::export::reporting_processor;
use crate::{
    config::{
        error::ConfigError,
        types::{HttpUrl, Ratio},
    },
    outbound::blocking_client,
};

/// How long the collector may take for a batch of traces.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
const TRACEPARENT: &str = "traceparent";

/// Exports to the endpoint's `/v1/traces`; `share` is the part of the logins that is traced.
pub(crate) fn provider(name: &'static str, endpoint: &HttpUrl, share: Ratio) -> Result<SdkTracerProvider, ConfigError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(blocking_client(EXPORT_TIMEOUT))
        .with_endpoint(endpoint.join("/v1/traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(ConfigError::TraceExporter)?;
    Ok(SdkTracerProvider::builder()
        .with_span_processor(reporting_processor(exporter))
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share.get()))))
        .with_resource(Resource::builder().with_service_name(name).build())
        .build())
}

/// The W3C trace context of this span. `None` if it is part of no trace.
pub fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes this span part of the trace that the W3C trace context names. An invalid context is ignored.
pub fn continue_from(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    // This fails only if no traces are exported, and then there is nothing to continue.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}
