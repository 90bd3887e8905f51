//! Where the spans of logins go. Which spans there are is said in `scenecast_traces`.

use std::{env, time::Duration};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};

use super::export::reporting_processor;
use crate::{
    config::{error::ConfigError, types::HttpUrl},
    outbound::blocking_client,
};

/// How long the collector may take for a batch of traces.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
const SERVICE_NAME: &str = "service.name";

/// Exports every span that is made to the endpoint's `/v1/traces`. Where a login isn't traced, none are made.
pub(crate) fn provider(name: &'static str, endpoint: &HttpUrl) -> Result<SdkTracerProvider, ConfigError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(blocking_client(EXPORT_TIMEOUT))
        .with_endpoint(endpoint.join("/v1/traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(ConfigError::TraceExporter)?;
    Ok(SdkTracerProvider::builder()
        .with_span_processor(reporting_processor(exporter))
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource(name, is_named(|variable| env::var(variable).ok())))
        .build())
}

/// What the spans are of: this process, and what `OTEL_RESOURCE_ATTRIBUTES` says of it, such as the pod's name.
fn resource(name: &'static str, is_named: bool) -> Resource {
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = if is_named { resource } else { resource.with_service_name(name) };
    resource.build()
}

/// Whether the environment names the process, as OpenTelemetry defines it.
fn is_named(variable: impl Fn(&str) -> Option<String>) -> bool {
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let mut keys = attributes.split(',').filter_map(|attribute| attribute.split_once('='));
    variable("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || keys.any(|(key, name)| key.trim() == SERVICE_NAME && !name.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_the_name_that_the_environment_gives_it() {
        for (service_name, attributes, expected) in [
            (None, None, false),
            (Some(""), Some("k8s.pod.name=a,service.name="), false),
            (Some("login"), None, true),
            (None, Some("k8s.pod.name=a, service.name = login"), true),
            (None, Some("service.name,=,service.namespace=x"), false),
        ] {
            let variable = |name: &str| match name {
                "OTEL_SERVICE_NAME" => service_name.map(str::to_owned),
                _ => attributes.map(str::to_owned),
            };
            assert_eq!(is_named(variable), expected, "{service_name:?} {attributes:?}");
        }
    }
}
