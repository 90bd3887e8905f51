//! Starts logs and traces.

use std::{io::IsTerminal, time::Duration};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::{error::ConfigError, types::TelemetryConfig},
    telemetry::{log_limit::LogLimiter, trace},
};

/// How long the exit of the process waits for the last traces.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// Exports traces in the background. Call [`TelemetryGuard::flush`] before the process ends.
#[must_use = "traces are lost without flush"]
pub struct TelemetryGuard(Option<SdkTracerProvider>);

/// Starts logs on standard error (readable text on a terminal, JSON otherwise) and, if configured, traces. May be called
/// once in a process. `library_filter` is a default filter for the log lines of libraries; the configured filter
/// overrides it. Fails if the exporter of traces can't be built from the configured endpoint.
pub fn start(
    name: &'static str,
    library_filter: &str,
    config: &TelemetryConfig,
) -> Result<TelemetryGuard, ConfigError> {
    let filter = EnvFilter::builder().parse_lossy(format!("{library_filter},{}", config.log.as_str()));
    let log = tracing_subscriber::fmt::layer().with_writer(LogLimiter::new(std::io::stderr));
    let log = if std::io::stderr().is_terminal() {
        log.with_target(false).boxed()
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };
    let provider = config.otlp_endpoint.as_ref().map(|endpoint| trace::provider(name, endpoint, config.trace_share));
    let provider = provider.transpose()?;
    let traces = provider.as_ref().map(|provider| {
        // Only our own spans are exported. Libraries have many spans that say little.
        let ours = tracing_subscriber::filter::filter_fn(|metadata| {
            metadata.is_span() && metadata.target().starts_with("scenecast")
        });
        tracing_opentelemetry::layer().with_tracer(provider.tracer(name)).with_filter(ours)
    });
    tracing_subscriber::registry().with(traces).with(log.with_filter(filter)).init();
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(tracing::field::display);
        tracing::error!(
            location,
            why = panic.payload_as_str().unwrap_or("no message"),
            "a task panicked; this is a bug in scenecast, please report it with this line"
        );
    }));
    Ok(TelemetryGuard(provider))
}

impl TelemetryGuard {
    /// Sends the remaining traces, within a second. Must be called outside of an async runtime, because the exporter blocks.
    pub fn flush(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_TIME)
        {
            tracing::warn!(%error, "the last traces could not be sent and are lost; check telemetry.otlp_endpoint and the collector");
        }
    }
}
