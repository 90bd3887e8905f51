//! Names, kinds and attributes of spans. HTTP and databases have stable conventions; those of messaging are in development.
//! What has no convention begins with `scenecast.`.

use std::time::SystemTime;

use opentelemetry::{
    KeyValue,
    trace::{SpanContext, SpanKind},
};
use scenecast_scene::SceneId;

use crate::{
    context::parse_sampled,
    sampling::is_traced,
    span::{LoginSpan, SpanStart},
};

/// A `POST` that this process answers.
#[derive(Debug, Clone, Copy)]
pub struct ServedRequest<'a> {
    /// The route's pattern, such as `/wechat/{account}`.
    pub route: &'static str,
    pub path: &'a str,
    pub arrived: SystemTime,
}

impl ServedRequest<'_> {
    fn start(&self, scene: SceneId, parent: Option<SpanContext>) -> LoginSpan {
        LoginSpan::start(SpanStart {
            name: format!("POST {}", self.route).into(),
            kind: SpanKind::Server,
            parent,
            since: Some(self.arrived),
            attributes: vec![
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("http.route", self.route),
                KeyValue::new("url.path", self.path.to_owned()),
                KeyValue::new("url.scheme", "http"),
                of_scene(scene),
            ],
        })
    }
}

impl LoginSpan {
    /// A request from outside about this scene: the first span of a trace. A trace context that came with it isn't trusted;
    /// it may be linked.
    pub fn of_public_request(scene: SceneId, request: &ServedRequest<'_>) -> Self {
        if is_traced(scene) { request.start(scene, None) } else { Self::none() }
    }

    /// A request about this scene that belongs to the span with this W3C trace context.
    pub fn of_request_within(scene: SceneId, request: &ServedRequest<'_>, traceparent: Option<&str>) -> Self {
        match traceparent.and_then(parse_sampled) {
            Some(parent) => request.start(scene, Some(parent)),
            None => Self::none(),
        }
    }

    /// A `POST` to a callback about this scene: the first span of a trace.
    pub fn of_call(scene: SceneId, path: &'static str) -> Self {
        if !is_traced(scene) {
            return Self::none();
        }
        let attributes =
            vec![KeyValue::new("http.request.method", "POST"), KeyValue::new("url.path", path), of_scene(scene)];
        let name = format!("POST {path}").into();
        Self::start(SpanStart { name, kind: SpanKind::Client, parent: None, since: None, attributes })
    }

    /// A change of this scene and its event, which `system` carries to the page. `traceparent` is that of its cause.
    pub fn of_sending(scene: SceneId, system: &'static str, traceparent: Option<&str>) -> Self {
        Self::of_message(scene, system, "send", SpanKind::Producer, traceparent)
    }

    /// The event of this scene is sent to its page. `traceparent` came with the event.
    pub fn of_processing(scene: SceneId, system: &'static str, traceparent: Option<&str>) -> Self {
        Self::of_message(scene, system, "process", SpanKind::Consumer, traceparent)
    }

    fn of_message(
        scene: SceneId,
        system: &'static str,
        operation: &'static str,
        kind: SpanKind,
        traceparent: Option<&str>,
    ) -> Self {
        const TEMPLATE: &str = "wx:{scene}";
        let Some(parent) = traceparent.and_then(parse_sampled) else { return Self::none() };
        let attributes = vec![
            KeyValue::new("messaging.system", system),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", operation),
            KeyValue::new("messaging.destination.name", format!("wx:{scene}")),
            KeyValue::new("messaging.destination.template", TEMPLATE),
            KeyValue::new("messaging.destination.temporary", true),
            of_scene(scene),
        ];
        let name = format!("{operation} {TEMPLATE}").into();
        Self::start(SpanStart { name, kind, parent: Some(parent), since: None, attributes })
    }

    /// A script that Redis runs, as a part of the span with this W3C trace context.
    pub fn of_script(script: &'static str, traceparent: Option<&str>) -> Self {
        let Some(parent) = traceparent.and_then(parse_sampled) else { return Self::none() };
        let attributes = vec![
            KeyValue::new("db.system.name", "redis"),
            KeyValue::new("db.operation.name", "EVALSHA"),
            KeyValue::new("db.stored_procedure.name", script),
        ];
        let name = format!("EVALSHA {script}").into();
        Self::start(SpanStart { name, kind: SpanKind::Client, parent: Some(parent), since: None, attributes })
    }
}

fn of_scene(scene: SceneId) -> KeyValue {
    KeyValue::new("scenecast.scene", scene.to_string())
}
