//! A span that is under way.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    Context, KeyValue, Value, global,
    trace::{SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};

use crate::context::{parse, to_text};

/// A span of a login; it ends when it is dropped. Of a login that isn't traced there is none, and all of this does nothing.
#[derive(Debug, Default)]
#[must_use = "a span ends when it is dropped"]
pub struct LoginSpan(Option<Context>);

/// How a span begins.
pub(crate) struct SpanStart {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    /// `None` for the first span of a trace.
    pub(crate) parent: Option<SpanContext>,
    /// `None` for now.
    pub(crate) since: Option<SystemTime>,
    pub(crate) attributes: Vec<KeyValue>,
}

impl LoginSpan {
    /// The span of a login that isn't traced.
    pub const fn none() -> Self {
        Self(None)
    }

    pub(crate) fn start(start: SpanStart) -> Self {
        let tracer = global::tracer("scenecast");
        let mut builder = tracer.span_builder(start.name).with_kind(start.kind).with_attributes(start.attributes);
        builder.start_time = start.since;
        let root = Context::new();
        let parent = start.parent.map_or_else(|| root.clone(), |parent| root.with_remote_span_context(parent));
        Self(Some(root.with_span(builder.start_with_context(&tracer, &parent))))
    }

    /// Whether the login is traced. If not, nobody has to find out what to add to its span.
    pub fn is_traced(&self) -> bool {
        self.0.is_some()
    }

    /// The W3C trace context, for what follows from this. `None` if nothing is traced.
    pub fn traceparent(&self) -> Option<String> {
        self.0.as_ref().and_then(to_text)
    }

    /// The trace's id: 32 hexadecimal characters. `None` if nothing is traced.
    pub fn trace_id(&self) -> Option<String> {
        let context = self.0.as_ref()?.span().span_context().clone();
        context.is_sampled().then(|| context.trace_id().to_string())
    }

    /// Sets an attribute.
    pub fn set(&self, name: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, value.into()));
        }
    }

    /// Sets the server that was asked, by its host and port.
    pub fn set_server(&self, (host, port): (&str, u16)) {
        if self.is_traced() {
            self.set("server.address", host.to_owned());
            self.set("server.port", i64::from(port));
        }
    }

    /// Links the span to another, by its W3C trace context. Anything else is ignored.
    pub fn link(&self, traceparent: Option<&str>) {
        if let (Some(context), Some(other)) = (&self.0, traceparent)
            && let Some(other) = parse(other)
        {
            context.span().add_link(other, vec![]);
        }
    }

    /// What the span stands for has failed. `error_type` is one of few words.
    pub fn fail(&self, error_type: &'static str) {
        if let Some(context) = &self.0 {
            self.set("error.type", error_type);
            context.span().set_status(Status::error(error_type));
        }
    }

    /// Ends the span, with this error if there is one.
    pub fn end(self, error_type: Option<&'static str>) {
        if let Some(error_type) = error_type {
            self.fail(error_type);
        }
    }

    /// The request was answered with this status. What is the server's fault is an error, and so is no answer.
    pub fn answered(&self, status: Option<u16>) {
        match status {
            Some(status) => {
                self.set("http.response.status_code", i64::from(status));
                if status >= 500 {
                    self.fail("5xx");
                }
            }
            None => self.fail("unanswered"),
        }
    }
}
