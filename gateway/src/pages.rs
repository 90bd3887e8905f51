//! What every page's connection needs: keys, opening, and the counters.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::http::StatusCode;
use futures_util::FutureExt;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGaugeVec};
use scenecast_shared::{
    bus::Bus,
    internal::{self, Handle},
    scene::{BadKey, Binding, Claims, Event, KeyRing, Page, SceneId},
    serve::{Crowded, Problem, RateByAddress, Shutdown, TurnedAway, Why},
    telemetry::{Metrics, Stage, Stages},
    time::{millis, unix_now},
};

use crate::{
    config::Settings,
    opener::Opener,
    qr,
    session::{End, Handover},
    turns::{Line, Turns},
    wire::{self, Opened, Shown},
};

/// What all pages of this gateway share. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Pages(Arc<Inner>);

struct Inner {
    bus: Bus,
    keys: KeyRing,
    opener: Opener,
    opens: RateByAddress,
    turned_away: TurnedAway,
    life: Duration,
    shutdown: Shutdown,
    turns: Turns,
    counters: Counters,
}

struct Counters {
    open: IntGaugeVec,
    closed: IntCounterVec,
    lost: IntCounter,
    stages: Stages,
    scan_to_push: Histogram,
}

/// What carries a scene to its page.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    Poll,
}

impl Transport {
    /// Its word in metrics.
    fn word(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::Poll => "poll",
        }
    }
}

/// A connection that waits on a scene, as the metrics have it. One that says nothing of its end is gone.
pub(crate) struct Counted {
    pages: Pages,
    transport: Transport,
    end: &'static str,
}

impl Counted {
    /// How the connection ends.
    pub(crate) fn ends(&mut self, how: &'static str) {
        self.end = how;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let (counters, transport) = (&self.pages.0.counters, self.transport.word());
        counters.open.with_label_values(&[transport]).dec();
        counters.closed.with_label_values(&[transport, self.end]).inc();
    }
}

impl Pages {
    pub(crate) fn new(
        settings: Settings,
        bus: Bus,
        stages: Stages,
        metrics: &Metrics,
        turned_away: TurnedAway,
        shutdown: Shutdown,
    ) -> Self {
        let held = bus.clone();
        metrics.sampled("scenes_held", "Scenes with a page in this process.", move || held.held());
        let limit = metrics.gauge("connections_limit", "Connections that this process takes at a time.");
        limit.set(settings.limits.connections.get().into());
        let counters = Counters {
            open: metrics.gauges("connections_open", "Connections that wait on a scene.", &["transport"]),
            closed: metrics.counters(
                "connections_closed_total",
                "Connections that waited on a scene, by how that ended.",
                &["transport", "end"],
            ),
            lost: metrics
                .counter("scenes_lost_total", "Times that a page's scene was missing in Redis and asked for again."),
            stages,
            scan_to_push: metrics.seconds(
                "scan_to_push_seconds",
                "From WeChat's message at a callback to the page's frame; two pods' clocks.",
            ),
        };
        Self(Arc::new(Inner {
            bus,
            keys: KeyRing::new(settings.key_secret),
            opener: Opener::new(settings.callback, settings.internal_secret),
            opens: RateByAddress::per_minute(settings.limits.scenes_per_address),
            turned_away,
            life: settings.scene_life.duration(),
            shutdown,
            turns: Turns::new(),
            counters,
        }))
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    pub(crate) fn opener(&self) -> &Opener {
        &self.0.opener
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// Done when it is the turn of a page in this line; how that ends for it.
    pub(crate) fn turn(&self, line: Line) -> impl Future<Output = End> {
        let shutdown = &self.0.shutdown;
        self.0.turns.turn(line).map(|()| if shutdown.is_closing() { End::Restart } else { End::Rebalance })
    }

    /// What the key says, if it is one of ours.
    pub(crate) fn check(&self, key: &str) -> Result<Claims, Problem> {
        key.parse().and_then(|key| self.0.keys.check(&key, SystemTime::now())).map_err(|bad| match bad {
            BadKey::Foreign => Problem::new(StatusCode::FORBIDDEN, "key_invalid", bad.to_string()),
            BadKey::Stale => scene_expired(),
        })
    }

    /// A new scene, and what its page shows.
    pub(crate) async fn open(&self, asked: &wire::Open, mut page: Page) -> Result<(Claims, Opened), Problem> {
        page.language = asked.locale.map(|locale| locale.0);
        let binding = asked.state.as_ref().map(|state| Binding::of(state.as_str()));
        let (key, claims) = self.0.keys.issue(&asked.account, binding, self.0.life, SystemTime::now());
        let open = internal::Open {
            scene: claims.scene,
            account: claims.account.clone(),
            binding: claims.binding,
            page,
            life_ms: millis(self.0.life),
            handle: Handle::Any,
        };
        let shown = match self.have_opened(&open).await? {
            internal::Opened::Qr { url, .. } => Shown::Qr { svg: draw(&url)?, url },
            internal::Opened::MiniProgram { image } => Shown::MiniProgram { image },
            internal::Opened::Typed { code } => Shown::Code(code),
        };
        let opened = Opened { scene: claims.scene, key, expires_in: self.0.life.as_secs(), shown };
        Ok((claims, opened))
    }

    /// Has a scene opened, if its page's address may have one more; answers what its page shows.
    pub(crate) async fn have_opened(&self, open: &internal::Open) -> Result<internal::Opened, Problem> {
        let allowed = open.page.address.map_or(Ok(()), |address| self.0.opens.check(address));
        if let Err(back_in) = allowed {
            self.0.turned_away.count(Why::Scenes);
            return Err(Crowded::until(Why::Scenes, back_in).problem());
        }
        self.0.opener.open(open).await
    }

    /// Has a scene that Redis lost opened again for what is left of its life.
    pub(crate) fn reopen(&self, claims: Claims, page: Page, ends: Instant) {
        self.0.counters.lost.inc();
        self.0.opener.reopen(claims, page, ends);
    }

    /// Has a scene opened whose page hasn't asked for its code yet.
    pub(crate) fn open_early(&self, claims: Claims, page: Page, ends: Instant) {
        self.0.counters.stages.count(Stage::Opened);
        self.0.opener.reopen(claims, page, ends);
    }

    /// Counts a connection that waits on a scene, until it is dropped.
    pub(crate) fn count(&self, transport: Transport) -> Counted {
        self.0.counters.open.with_label_values(&[transport.word()]).inc();
        Counted { pages: self.clone(), transport, end: "gone" }
    }

    /// The page has its grant.
    pub(crate) fn handed_over(&self, scene: SceneId, event: &Event, handover: Handover) {
        let took = unix_now().saturating_sub(Duration::from_millis(event.received_at));
        let counters = &self.0.counters;
        if handover == Handover::Live {
            counters.scan_to_push.observe(took.as_secs_f64());
        }
        if handover != Handover::Again {
            counters.stages.count(Stage::HandedOver);
        }
        tracing::info!(%scene, handover = handover.word(), ms = millis(took), "login handed to its page");
    }
}

/// The picture of a QR code that says this.
pub(crate) fn draw(url: &str) -> Result<String, Problem> {
    qr::svg(url).map_err(|error| {
        tracing::error!(%error, "WeChat's QR code can't be drawn");
        Problem::new(StatusCode::BAD_GATEWAY, "wechat_refused", "the QR code can't be drawn")
    })
}

pub(crate) fn scene_expired() -> Problem {
    Problem::new(StatusCode::GONE, "scene_expired", "this scene's time is over")
}
