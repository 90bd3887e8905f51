//! All metrics that only a gateway has. Their names get the prefix `scenecast_`.
//!
//! | metric | labels |
//! |---|---|
//! | `scenes_held` | |
//! | `connections_limit` | |
//! | `connections_open` | `transport` |
//! | `connections_opened_total` | `transport` |
//! | `connections_closed_total` | `transport`, `end` |
//! | `opens_total` | `outcome` |
//! | `scenes_lost_total` | |
//! | `scan_to_push_seconds` | |
//! | `origins_forbidden_total` | |
//! | `compatible_foreign_total` | `route` |
//! | `compatible_frames_ignored_total` | `route` |
//!
//! A gateway also counts `scenes_total` by stage, as callbacks do.

use std::{
    iter,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};
use scenecast_bus::SceneReader;
use scenecast_metrics::{Metrics, Stage, Stages, TracedHistogram};
use scenecast_scene::SceneId;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use crate::{
    config::{CompatibleKind, GatewayLimits},
    recent_scenes::RecentScenes,
    refusal::PageRefusal,
};

/// The outcome of an open that gave a page its code.
const OPENED: &str = "opened";

/// What carries a scene's events to its page. As text, the label `transport`.
#[derive(Debug, Clone, Copy, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    Poll,
}

/// The metrics of one gateway.
pub(crate) struct GatewayMetrics {
    /// Scenes by stage, which gateways and callbacks count together.
    pub(crate) stages: Stages,
    pub(crate) scenes_lost: IntCounter,
    pub(crate) scan_to_push: TracedHistogram,
    /// Requests from pages whose origin isn't allowed.
    pub(crate) origins_forbidden: IntCounter,
    connections_open: IntGaugeVec,
    connections_opened: IntCounterVec,
    opens: IntCounterVec,
    connections_closed: IntCounterVec,
    compatible_foreign: IntCounterVec,
    compatible_frames_ignored: IntCounterVec,
    handed_over: Mutex<RecentScenes>,
}

impl GatewayMetrics {
    pub(crate) fn new(registry: &Metrics, stages: Stages, bus: &SceneReader, limits: GatewayLimits) -> Self {
        stages.start(&[Stage::Opened, Stage::HandedOver]);
        let bus = bus.clone();
        registry.sampled_gauge("scenes_held", "Scenes with a page in this process.", move || bus.watched_scenes());
        let limit = registry.gauge("connections_limit", "The most connections that this process accepts at a time.");
        limit.set(limits.connections.get().into());
        let connections_open = registry.gauge_vec(
            "connections_open",
            "Connections of pages that wait for a scene's events.",
            &["transport"],
        );
        // An autoscaler takes a pod without a value for one that it knows nothing of, and not for an empty one.
        for transport in Transport::iter() {
            connections_open.with_label_values::<&str>(&[transport.into()]).set(0);
        }
        Self {
            stages,
            scenes_lost: registry
                .counter("scenes_lost_total", "Times that Redis had lost a page's scene, which was then opened again."),
            scan_to_push: registry.traced_seconds_histogram(
                "scan_to_push_seconds",
                "Time from the arrival of WeChat's message at a callback to the sending of the page's frame. It \
                 compares the clocks of two pods.",
            ),
            origins_forbidden: registry
                .counter("origins_forbidden_total", "Requests refused because their page's origin isn't in origins."),
            connections_open,
            connections_opened: registry.counter_vec(
                "connections_opened_total",
                "Connections of pages that began to wait for a scene's events.",
                &["transport"],
            ),
            opens: opens(registry),
            connections_closed: registry.counter_vec(
                "connections_closed_total",
                "Connections of pages that waited for a scene's events, by how they ended.",
                &["transport", "end"],
            ),
            compatible_foreign: registry.counter_vec(
                "compatible_foreign_total",
                "Requests to watch an id, code or ticket from a browser that has no cookie for it: a first visit, or \
                 another browser.",
                &["route"],
            ),
            compatible_frames_ignored: registry.counter_vec(
                "compatible_frames_ignored_total",
                "WebSocket frames from pages of compatible routes, where the gateway ignores what pages send.",
                &["route"],
            ),
            handed_over: Mutex::default(),
        }
    }

    /// Counts a scene whose page has its login, once. Returns whether it did.
    pub(crate) fn count_handed_over(&self, scene: SceneId) -> bool {
        let is_first = self.handed_over.lock().unwrap_or_else(PoisonError::into_inner).add(scene);
        if is_first {
            self.stages.count(Stage::HandedOver);
        }
        is_first
    }

    /// Counts a page that asked for a scene, by what it got.
    pub(crate) fn count_open<T>(&self, opened: &Result<T, PageRefusal>) {
        self.opens.with_label_values(&[opened.as_ref().map_or_else(PageRefusal::code, |_| OPENED)]).inc();
    }

    /// Counts a connection of a page until the guard is dropped.
    pub(crate) fn connection_opened(self: &Arc<Self>, transport: Transport) -> ConnectionGuard {
        let label: &str = transport.into();
        self.connections_open.with_label_values(&[label]).inc();
        self.connections_opened.with_label_values(&[label]).inc();
        ConnectionGuard { metrics: self.clone(), transport, end: "gone" }
    }

    /// A browser asked to watch what it has no cookie for.
    pub(crate) fn count_foreign(&self, kind: CompatibleKind) {
        self.compatible_foreign.with_label_values::<&str>(&[kind.into()]).inc();
    }

    /// A page of a compatible route sent a frame.
    pub(crate) fn count_ignored_frame(&self, kind: CompatibleKind) {
        self.compatible_frames_ignored.with_label_values::<&str>(&[kind.into()]).inc();
    }
}

/// What pages got that asked for a scene. An objective and alerts stand on it
/// (docs/decisions/126-an-objective-is-judged-from-a-thousand-events-on.md). Each outcome is there from the start: a
/// counter that first appears with 1 would be no increase to an alert.
fn opens(registry: &Metrics) -> IntCounterVec {
    let opens = registry.counter_vec(
        "opens_total",
        "Pages that asked for a scene and its code, by what they got.",
        &["outcome"],
    );
    for outcome in iter::once(OPENED).chain(PageRefusal::CODES_OF_OPENS) {
        opens.with_label_values(&[outcome]);
    }
    opens
}

/// Counts one open connection. Unless [`ConnectionGuard::set_end`] says otherwise, it ended because the page left.
pub(crate) struct ConnectionGuard {
    metrics: Arc<GatewayMetrics>,
    transport: Transport,
    end: &'static str,
}

impl ConnectionGuard {
    pub(crate) fn set_end(&mut self, end: &'static str) {
        self.end = end;
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let transport: &str = self.transport.into();
        self.metrics.connections_open.with_label_values(&[transport]).dec();
        self.metrics.connections_closed.with_label_values(&[transport, self.end]).inc();
    }
}
