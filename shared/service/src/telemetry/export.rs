//! Exports traces, and says when some are lost, and when that is over: the collector doesn't take them, or it is so slow
//! that the queue is full.
//!
//! See docs/decisions/081-lost-traces-have-a-line-each-change.md.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

/// How many spans wait at most until they are sent.
const QUEUE: usize = 2048;

/// The processor of a provider of traces that sends them by this exporter, in batches.
pub(crate) fn reporting_processor(exporter: impl SpanExporter + 'static) -> impl SpanProcessor {
    let waiting = Arc::new(AtomicUsize::new(0));
    let exporter = ReportingExporter { inner: exporter, waiting: waiting.clone(), losses: Losses::default() };
    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
    CountingProcessor { inner: BatchSpanProcessor::builder(exporter).with_batch_config(config).build(), waiting }
}

/// Counts the spans that wait. The other processor tells nobody which it drops.
#[derive(Debug)]
struct CountingProcessor {
    inner: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
}

impl SpanProcessor for CountingProcessor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Passes everything on to another exporter, and reports what is lost.
#[derive(Debug)]
struct ReportingExporter<E> {
    inner: E,
    waiting: Arc<AtomicUsize>,
    losses: Losses,
}

impl<E: SpanExporter> SpanExporter for ReportingExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.inner.export(batch).await;
        let dropped = take_dropped(&self.waiting, spans);
        match &exported {
            Err(error) => self.losses.report(spans + dropped, error),
            Ok(()) if dropped > 0 => self.losses.report(dropped, &"the collector is too slow, so the queue is full"),
            Ok(()) => self.losses.report_sent(),
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// How many spans were dropped, once so many of those that waited have been exported: the queue can't hold them.
fn take_dropped(waiting: &AtomicUsize, exported: usize) -> usize {
    let left = waiting.load(Ordering::Relaxed).saturating_sub(exported);
    let dropped = left.saturating_sub(QUEUE);
    waiting.fetch_sub(exported + dropped, Ordering::Relaxed);
    dropped
}

/// What is lost, and whether that has been said.
#[derive(Debug, Default)]
struct Losses {
    is_losing: AtomicBool,
    /// Since it began.
    spans: AtomicUsize,
}

impl Losses {
    /// Takes down that so many spans are lost, for this reason.
    fn report(&self, spans: usize, why: &dyn Display) {
        self.spans.fetch_add(spans, Ordering::Relaxed);
        if !self.is_losing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %why,
                "traces are lost until the log says otherwise; check telemetry.otlp_endpoint (OTLP over HTTP, mostly port \
                 4318) and the collector, or lower telemetry.trace_share"
            );
        }
    }

    /// Takes down that a batch was sent, and nothing is lost.
    fn report_sent(&self) {
        if self.is_losing.swap(false, Ordering::Relaxed) {
            let lost_spans = self.spans.swap(0, Ordering::Relaxed);
            tracing::info!(lost_spans, "traces are sent again");
        }
    }
}

#[cfg(test)]
mod tests {
    use scenecast_testing::LogText;

    use super::*;

    #[test]
    fn lost_traces_are_said_once_and_so_is_that_they_are_sent_again() {
        let log = LogText::default();
        tracing::subscriber::with_default(log.subscriber(), || {
            let losses = Losses::default();
            for is_lost in [false, true, true, true, false, false, true] {
                if is_lost { losses.report(5, &"connection refused") } else { losses.report_sent() }
            }
        });
        let log = log.text();
        let count = |text| log.lines().filter(|line| line.contains(text)).count();
        assert_eq!((count("are lost until"), count("connection refused"), count("sent again")), (2, 2, 1), "{log}");
        assert!(log.contains("lost_spans=15"), "{log}");
    }

    #[test]
    fn what_waits_beyond_the_queue_was_dropped() {
        let waiting = AtomicUsize::new(QUEUE + 512);
        assert_eq!(take_dropped(&waiting, 512), 0, "all of it fits");
        waiting.fetch_add(700, Ordering::Relaxed);
        assert_eq!(take_dropped(&waiting, 512), 188);
        assert_eq!(waiting.load(Ordering::Relaxed), QUEUE);
        assert_eq!((take_dropped(&waiting, QUEUE), waiting.load(Ordering::Relaxed)), (0, 0));
    }
}
