//! Starts logs and traces.

use std::{io::IsTerminal, time::Duration};

use opentelemetry::global;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::{Filter, SubscriberExt},
    util::SubscriberInitExt,
};

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
    let is_terminal = std::io::stderr().is_terminal();
    let filter = log_filter(&format!("{library_filter},{}", config.log.as_str()), is_terminal);
    let log = tracing_subscriber::fmt::layer().with_writer(LogLimiter::new(std::io::stderr));
    let log = if is_terminal {
        log.with_target(false).boxed()
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };
    let provider = config.otlp_endpoint.as_ref().map(|endpoint| trace::provider(name, endpoint)).transpose()?;
    if let Some(provider) = &provider {
        global::set_tracer_provider(provider.clone());
        scenecast_traces::set_share(config.trace_share.get());
    }
    tracing_subscriber::registry().with(log.with_filter(filter)).init();
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

/// Which log lines are written. Lines that show no spans ask for none: a span of the log costs a login nothing then. A filter may name spans in brackets, and has to see them for that.
///
/// See docs/decisions/099-what-a-login-costs-beside-its-work.md.
fn log_filter<S: Subscriber>(directives: &str, shows_spans: bool) -> impl Filter<S> + use<S> {
    let needs_spans = shows_spans || directives.contains('[');
    let events = filter_fn(move |metadata| needs_spans || metadata.is_event());
    // Without a hint of its own it would hide the other's, and each line of a library below the level would be looked at.
    let events = events.with_max_level_hint(LevelFilter::TRACE);
    EnvFilter::builder().parse_lossy(directives).and(events)
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

#[cfg(test)]
mod tests {
    use scenecast_testing::LogText;
    use tracing_subscriber::Registry;

    use super::*;

    #[test]
    fn a_span_that_nobody_sees_is_not_made() {
        let all = LogText::default();
        let span = tracing::subscriber::with_default(all.subscriber(), || tracing::info_span!("delivery"));
        let metadata = span.metadata().unwrap();
        for (directives, shows_spans, is_made) in [
            ("fred=error,info", false, false),
            ("fred=error,info", true, true),
            ("info,[delivery]=debug", false, true),
            ("warn", true, false),
        ] {
            let filter = log_filter::<Registry>(directives, shows_spans);
            assert_eq!(filter.max_level_hint(), EnvFilter::new(directives).max_level_hint(), "{directives}");
            // A span that never interests anybody is decided once.
            let is_never_made = filter.callsite_enabled(metadata).is_never();
            assert_eq!(!is_never_made, is_made, "{directives} {shows_spans}");
        }
    }
}
