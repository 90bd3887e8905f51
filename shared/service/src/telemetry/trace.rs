//! One trace from WeChat's webhook to the browser: the context travels inside the event.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::config::{
    load::ConfigError,
    types::{HttpUrl, Ratio},
};

const TRACEPARENT: &str = "traceparent";

pub(crate) fn provider(name: &'static str, endpoint: &HttpUrl, share: Ratio) -> Result<SdkTracerProvider, ConfigError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint.with("/v1/traces"))
        .build()
        .map_err(|error| ConfigError::at("telemetry.otlp_endpoint", error))?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share.get()))))
        .with_resource(Resource::builder().with_service_name(name).build())
        .build())
}

/// The W3C trace context of this span, if it is part of a trace.
pub fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// Makes this span go on with the trace that the context names.
pub fn continue_from(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    // Refused only where traces aren't exported, and then there is nothing to continue.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}
