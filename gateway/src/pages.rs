//! What every page's connection needs: opening, resuming, and the counters.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::http::StatusCode;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};
use scenecast_shared::{
    bus::{Bus, Watch},
    internal::{self, Handle},
    scene::{BadKey, Binding, Claims, Event, KeyRing, Page, SceneId, State},
    serve::{Problem, Shutdown},
    telemetry::{self, Metrics, Stage, Stages},
    time::{millis, unix_now},
};

use crate::{
    config::Settings,
    opener::Opener,
    qr,
    session::{Begun, Handover},
    wire::{self, First, Frame, Opened, Shown},
};

/// What all pages of this gateway share. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Pages(Arc<Inner>);

struct Inner {
    bus: Bus,
    keys: KeyRing,
    opener: Opener,
    life: Duration,
    shutdown: Shutdown,
    counters: Counters,
}

pub(crate) struct Counters {
    pub(crate) open: IntGauge,
    pub(crate) closed: IntCounterVec,
    lost: IntCounter,
    stages: Stages,
    scan_to_push: Histogram,
}

impl Pages {
    pub(crate) fn new(settings: Settings, bus: Bus, stages: Stages, metrics: &Metrics, shutdown: Shutdown) -> Self {
        let held = bus.clone();
        metrics.sampled("scenes_held", "Scenes with a page in this process.", move || held.held());
        let counters = Counters {
            open: metrics.gauge("connections_open", "WebSockets that are open."),
            closed: metrics.counters(
                "connections_closed_total",
                "WebSockets that were closed, by close code.",
                &["code"],
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
            life: settings.scene_life.duration(),
            shutdown,
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

    pub(crate) fn counters(&self) -> &Counters {
        &self.0.counters
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
        let shown = match self.0.opener.open(&open).await? {
            internal::Opened::Qr { url, .. } => Shown::Qr { svg: draw(&url)?, url },
            internal::Opened::MiniProgram { image } => Shown::MiniProgram { image },
            internal::Opened::Typed { code } => Shown::Code(code),
        };
        let opened = Opened { scene: claims.scene, key, expires_in: self.0.life.as_secs(), shown };
        Ok((claims, opened))
    }

    /// What a page's first frame asks for.
    pub(crate) async fn begin(self, first: First, page: Page) -> (Result<Begun, Problem>, Option<Watch>) {
        let began = match first {
            First::Open(open) => self.begin_new(&open, page).await,
            First::Resume(resume) => self.begin_again(&resume).await,
        };
        match began {
            Ok((begun, watch)) => (Ok(begun), Some(watch)),
            Err(problem) => (Err(problem), None),
        }
    }

    async fn begin_new(&self, open: &wire::Open, page: Page) -> Result<(Begun, Watch), Problem> {
        let (claims, opened) = self.open(open, page).await?;
        let (watch, mailbox) = self.0.bus.watch(claims.scene, 0).await?;
        let begun = Begun {
            state: State::Open,
            remaining: mailbox.map_or(self.0.life, |mailbox| mailbox.remaining),
            frame: Frame::Opened(&opened).json(),
            more: false,
            stored: 0,
            claims,
        };
        Ok((begun, watch))
    }

    async fn begin_again(&self, resume: &wire::Resume) -> Result<(Begun, Watch), Problem> {
        let claims = self.check(&resume.key)?;
        let scene = claims.scene;
        let (watch, mailbox) = self.0.bus.watch(scene, resume.after).await?;
        let (state, remaining, stored) = match mailbox {
            Some(mailbox) => {
                let stored = mailbox.events.last().map_or(0, |event| event.seq);
                (mailbox.state, mailbox.remaining, stored)
            }
            None => {
                let remaining = claims.remaining(SystemTime::now());
                if remaining.is_zero() {
                    return Err(scene_expired());
                }
                self.reopen(&claims, Page::default(), Instant::now() + remaining, true);
                (State::Open, remaining, 0)
            }
        };
        let frame = Frame::resumed(scene, state, remaining).json();
        Ok((Begun { claims, state, remaining, frame, more: stored > resume.after, stored }, watch))
    }

    /// Has a scene that Redis doesn't have opened until then: again, if it `was_there`.
    pub(crate) fn reopen(&self, claims: &Claims, page: Page, ends: Instant, was_there: bool) {
        if was_there {
            self.0.counters.lost.inc();
        } else {
            self.0.counters.stages.count(Stage::Opened);
        }
        self.0.opener.reopen(claims.clone(), page, ends);
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

/// The last step of a login, and of the trace that began with its message.
pub(crate) fn push_span(scene: SceneId, event: &Event) -> tracing::Span {
    let span = tracing::info_span!("push", %scene);
    if let Some(traceparent) = &event.traceparent {
        telemetry::continue_from(&span, traceparent);
    }
    span
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
