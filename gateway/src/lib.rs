//! A gateway connects browsers. It keeps nothing but its connections, has no WeChat secret, and may only read and
//! subscribe in Redis; all that it writes there is its own entry in the census of gateways.
//!
//! | room | what |
//! |---|---|
//! | [`config`] | the configuration |
//! | `transport` | HTTP routes, and what carries events to a page: WebSocket, server-sent events, long poll |
//! | `compatible` | routes for login pages that were written for other servers |
//! | `session` | one page's session: its state machine, its feed, and its JSON messages |
//! | `state` | what all connections share |
//! | `scenes` | opening scenes: keys, calls to the callback, QR codes |
//! | `drain` | moving pages to other pods: at shutdown, and when this pod has more than its share |
//! | `refusal` | why a page doesn't get its scene |
//! | `metrics` | all metrics that only a gateway has |
//! | `recent_scenes` | which scenes something has happened to lately |
//! | `bench` | what a page is sent, as functions for the benches (feature `bench`) |
//!
//! ```text
//!         lib
//!          │
//!      compatible ──▶ transport
//!          │              │
//!          └─▶ session ◀──┘
//!                 │
//!               state
//!              ╱     ╲
//!         scenes     drain
//!            │
//!   refusal, metrics ──▶ config, recent_scenes
//! ```

#[cfg(feature = "bench")]
pub mod bench;
mod compatible;
pub mod config;
mod drain;
mod metrics;
mod recent_scenes;
mod refusal;
mod scenes;
mod session;
mod state;
mod transport;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn_with_state};
use futures_util::future::{join, join_all};
use scenecast_bus::{Census, SceneReader};
use scenecast_metrics::{Metrics, Stages};
use scenecast_service::{
    admission::{Admission, Rejections},
    http::{ListenerKind, MisplacedRequests, tell_of_misplaced},
    listener::{ListenError, Listener, probes},
    shutdown::Shutdown,
};

pub use config::GatewayConfig;
use drain::{DrainQueue, shed_excess};
use metrics::GatewayMetrics;
use scenes::SceneService;
use state::GatewayState;
use transport::http;
pub use transport::{login_box_module, page_module};

/// A gateway that listens.
pub struct Gateway {
    public: (Listener, Router),
    /// The listener of pages that get a QR code as soon as they connect.
    qr_on_open: Option<(Listener, Router)>,
    drain: DrainQueue,
    compatible_drain: Duration,
    census: Census,
    rebalance: bool,
    shutdown: Shutdown,
}

impl Gateway {
    /// A gateway on this bus, whatever bus its configuration names.
    pub async fn bind<B>(
        config: &GatewayConfig<B>,
        bus: SceneReader,
        census: Census,
        stages: Stages,
        registry: &Metrics,
        shutdown: &Shutdown,
    ) -> Result<Self, ListenError> {
        let rejections = Rejections::new(registry);
        let admission = Admission::new(config.limits.admits(), config.trusted_proxies.clone(), rejections.clone());
        let metrics = Arc::new(GatewayMetrics::new(registry, stages, &bus, config.limits));
        let scenes = SceneService::new(config, bus, rejections, metrics.clone());
        let drain = DrainQueue::new(shutdown.clone());
        let state = GatewayState::new(scenes, drain.clone(), metrics, shutdown.clone());

        let listen = async |name, address| {
            let keep_alive = config.limits.keep_alive.duration();
            let listener = Listener::bind_with_admission(name, address, &admission, keep_alive).await?;
            Ok(listener.with_unread_timeout(config.limits.unread.duration()))
        };
        let compatible = compatible::router(&config.compatible, &state);
        let public = http::router(&state, compatible, &config.origins, &config.trusted_proxies, &admission);
        let public = (listen("browsers", config.listen.public).await?, public.merge(probes(shutdown)));
        let qr_on_open = match &config.compatible.qr_on_open {
            Some(route) => {
                let misplaced = MisplacedRequests::at(ListenerKind::Browsers, admission.bad_requests());
                let routes = compatible::qr_on_open_router(&route.account, &state)
                    .layer(from_fn_with_state(misplaced, tell_of_misplaced));
                let routes = http::for_pages(routes, &state, &config.origins, &config.trusted_proxies, &admission);
                Some((listen("QR codes on open", route.listen).await?, routes.merge(probes(shutdown))))
            }
            None => None,
        };
        Ok(Self {
            public,
            qr_on_open,
            drain,
            compatible_drain: config.compatible_drain(),
            census,
            rebalance: config.rebalance,
            shutdown: shutdown.clone(),
        })
    }

    /// Where browsers connect.
    pub fn address(&self) -> SocketAddr {
        self.public.0.address()
    }

    /// Where pages connect that get a QR code as soon as their socket is open; none if that route is off.
    pub fn qr_on_open_address(&self) -> Option<SocketAddr> {
        self.qr_on_open.as_ref().map(|(listener, _)| listener.address())
    }

    /// Serves until the process closes, and then until all pages are drained.
    pub async fn serve(self) {
        let Self { public, qr_on_open, drain, compatible_drain, census, rebalance, shutdown } = self;
        let listeners = std::iter::once(public).chain(qr_on_open);
        let listening = join_all(listeners.map(|(listener, app)| listener.serve(app, shutdown.clone())));
        let served = join(listening, drain.drain(compatible_drain));
        tokio::select! {
            _ = served => {}
            () = shed_excess(&drain, census, rebalance) => {}
        }
    }
}
