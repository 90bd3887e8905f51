//! A gateway holds browsers. It keeps nothing but the map of its sockets, holds no WeChat secret, and in
//! Redis may read and subscribe, and write nothing but its part of the census.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`] | what a gateway is told |
//! | `http` | what browsers can ask |
//! | `ws` | WebSocket framing, in next to no memory |
//! | `session` | one page's scene as a state machine, without I/O |
//! | `watching` | one page's watch on its scene, where bus, clock and session meet |
//! | `hold`, `sse`, `poll` | what carries it to the page: a socket's task, a stream, one answer at a time |
//! | `turns`, `pace` | who goes next when this pod has to lose pages, and how many go now |
//! | `shed`, `balance` | losing pages where this pod holds more than its share of the fleet's |
//! | `pages` | what all pages need: keys, opening, counting |
//! | `opener` | calls to the callback, which opens scenes |
//! | `wire` | the own API's JSON |
//! | `module` | the page's JavaScript |
//! | `visitor` | what a request tells of its page |
//! | `qr` | the QR code's picture |
//! | `compatible` | routes for login pages that were written for other servers |

mod balance;
mod compatible;
pub mod config;
mod hold;
mod http;
mod module;
mod opener;
mod pace;
mod pages;
mod poll;
mod qr;
mod session;
mod shed;
mod sse;
mod turns;
mod visitor;
mod watching;
mod wire;
mod ws;

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use futures_util::future::{join, join_all};
use scenecast_shared::{
    bus::Bus,
    serve::{Admission, CannotListen, Listener, Shutdown, TurnedAway},
    store::Census,
    telemetry::{Metrics, Stages},
};

pub use config::{Config, Settings};
pub use module::page_module;
use turns::Turns;

/// How long a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(10);

/// A gateway, built and not yet listening.
pub struct Gateway {
    address: SocketAddr,
    admission: Admission,
    unread: Duration,
    app: Router,
    on_open: Option<(SocketAddr, Router)>,
    turns: Turns,
    stay: Duration,
    census: Census,
    rebalance: bool,
    shutdown: Shutdown,
}

/// A gateway that listens.
pub struct Bound {
    public: (Listener, Router),
    on_open: Option<(Listener, Router)>,
    turns: Turns,
    stay: Duration,
    census: Census,
    rebalance: bool,
    shutdown: Shutdown,
}

impl Gateway {
    /// A gateway on this bus. Needs a runtime, for its calls to the callback.
    pub fn build(
        settings: Settings,
        bus: Bus,
        census: Census,
        stages: Stages,
        metrics: &Metrics,
        shutdown: &Shutdown,
    ) -> Self {
        let Settings { public, origins, trusted_proxies, compatible, stay, rebalance, limits, .. } = settings.clone();
        let turned_away = TurnedAway::new(metrics);
        let admission = Admission::new(limits.admits(), trusted_proxies.clone(), turned_away.clone());
        let pages = pages::Pages::new(settings, bus, stages, metrics, turned_away, shutdown.clone());
        let turns = pages.turns().clone();
        let compatible = compatible::routes(&compatible, &pages, metrics);
        let on_open = compatible.on_open;
        Self {
            address: public,
            app: http::router(pages, compatible.public, &origins, &trusted_proxies, &admission),
            on_open: on_open
                .map(|(address, app)| (address, http::for_pages(app, &origins, &trusted_proxies, &admission))),
            admission,
            unread: limits.unread.duration(),
            turns,
            stay,
            census,
            rebalance,
            shutdown: shutdown.clone(),
        }
    }

    /// Takes its addresses.
    pub async fn bind(self) -> Result<Bound, CannotListen> {
        let listen = async |name, address| {
            let listener = Listener::bind_in(name, address, &self.admission, IDLE).await?;
            Ok(listener.cutting_after(self.unread))
        };
        let public = listen("browsers", self.address).await?;
        let on_open = match self.on_open {
            Some((address, app)) => Some((listen("QR codes on open", address).await?, app)),
            None => None,
        };
        let Self { app, turns, stay, census, rebalance, shutdown, .. } = self;
        Ok(Bound { public: (public, app), on_open, turns, stay, census, rebalance, shutdown })
    }
}

impl Bound {
    /// Where browsers connect.
    pub fn address(&self) -> SocketAddr {
        self.public.0.address()
    }

    /// Where pages connect that are sent a QR code when their socket opens, if any may.
    pub fn on_open_address(&self) -> Option<SocketAddr> {
        self.on_open.as_ref().map(|(listener, _)| listener.address())
    }

    /// Serves until the process closes, and then until all pages have been seen out.
    pub async fn serve(self) {
        let Self { public, on_open, turns, stay, census, rebalance, shutdown } = self;
        let listeners = std::iter::once(public).chain(on_open);
        let listening = join_all(listeners.map(|(listener, app)| listener.serve(app, shutdown.clone())));
        let served = join(listening, turns.see_out(&shutdown, stay));
        tokio::select! {
            _ = served => {}
            () = shed::keep_balance(&turns, census, &shutdown, rebalance) => {}
        }
    }
}
