//! Routes for login pages that were written for other servers. Each maps what such a page sends and
//! hears onto scenes; their events come the one way that all events do.
//!
//! | module | its page |
//! |---|---|
//! | `path_socket` | chooses an id, shows a QR code for it, and waits on a WebSocket whose path ends in it, or polls |
//! | `client_id_socket` | the same with the id in the query, and a mini-program code |
//! | `typed_code` | shows a code that is typed to the account, and waits on server-sent events |
//! | `qr_on_open` | is given a QR code as soon as its WebSocket is open |
//! | `ticket_polling` | asks for a QR code, and polls with its ticket |
//! | `flow` | what these have in common: which scene a browser means, and how far it is |
//! | `cookies` | what ties a scene to one browser |
//! | `following` | a scene, followed to its end |
//! | `one_way` | the socket of a page that never comes back |
//! | `picture` | what an `<img>` shows of a scene |
//!
//! **Whoever knows an id knows nothing.** These pages name their scene by something that others can
//! guess (unix seconds) or see (a QR code's ticket), and on the servers that they were written for
//! whoever came first, or last, with that name got the login. Here it names a scene only together with the
//! browser that it was made in: the browser keeps the scene's key, as issued for any page, in a cookie that no
//! script reads. Another browser with the same id has another key, and so a scene of its own. First come,
//! first served would need a place where all pods look up who came first, and would let anybody take
//! the ids of the next hour in advance; this needs no look-up, and there is nothing to take.

mod client_id_socket;
mod cookies;
mod flow;
mod following;
mod one_way;
mod path_socket;
mod picture;
mod qr_on_open;
mod ticket_polling;
mod typed_code;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use prometheus::IntCounterVec;
use scenecast_shared::telemetry::Metrics;

use crate::{config::Compatible, pages::Pages};
use flow::Flow;

/// A way in which a page and its phone find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    PathSocket,
    ClientIdSocket,
    TypedCode,
    QrOnOpen,
    TicketPolling,
}

impl Route {
    /// Its word in settings and metrics.
    fn word(self) -> &'static str {
        match self {
            Self::PathSocket => "path_socket",
            Self::ClientIdSocket => "client_id_socket",
            Self::TypedCode => "typed_code",
            Self::QrOnOpen => "qr_on_open",
            Self::TicketPolling => "ticket_polling",
        }
    }

    /// How long its scenes live, as on the servers that its pages were written for.
    fn life(self) -> Duration {
        Duration::from_secs(match self {
            Self::PathSocket | Self::TicketPolling => 3600,
            Self::ClientIdSocket | Self::TypedCode => 300,
            Self::QrOnOpen => 120,
        })
    }
}

/// The longest life of a scene on the routes that `settings` turn on.
pub(crate) fn longest_life(settings: &Compatible) -> Duration {
    let Compatible { path_socket, client_id_socket, typed_code, qr_on_open, ticket_polling } = settings;
    let on = [
        (Route::PathSocket, path_socket.is_some()),
        (Route::ClientIdSocket, client_id_socket.is_some()),
        (Route::TypedCode, typed_code.is_some()),
        (Route::QrOnOpen, qr_on_open.is_some()),
        (Route::TicketPolling, ticket_polling.is_some()),
    ];
    on.into_iter().filter(|(_, is_on)| *is_on).map(|(route, _)| route.life()).max().unwrap_or_default()
}

/// What is counted on these routes.
#[derive(Debug)]
struct Counters {
    foreign: IntCounterVec,
    ignored: IntCounterVec,
}

/// The routes that are on.
pub(crate) struct Routes {
    /// Those of the public listener.
    pub(crate) public: Router,
    /// Any path of a listener of its own, and where that is.
    pub(crate) on_open: Option<(SocketAddr, Router)>,
}

/// The routes that `settings` turn on.
pub(crate) fn routes(settings: &Compatible, pages: &Pages, metrics: &Metrics) -> Routes {
    if settings.is_off() {
        return Routes { public: Router::new(), on_open: None };
    }
    let counters = Arc::new(Counters {
        foreign: metrics.counters(
            "compatible_foreign_total",
            "Watches of an id, code or ticket by a browser without its cookie: somebody else's, or the first of all.",
            &["route"],
        ),
        ignored: metrics.counters(
            "compatible_frames_ignored_total",
            "Frames that pages sent where nothing that a page says means anything.",
            &["route"],
        ),
    });
    let flow = |route, account: &_| Flow::new(route, account, pages, &counters);
    let mut public = Router::new();
    if let Some(on) = &settings.path_socket {
        public = public.merge(path_socket::router(flow(Route::PathSocket, &on.account)));
    }
    if let Some(on) = &settings.client_id_socket {
        public = public.merge(client_id_socket::router(flow(Route::ClientIdSocket, &on.account)));
    }
    if let Some(on) = &settings.typed_code {
        public = public.merge(typed_code::router(flow(Route::TypedCode, &on.account)));
    }
    if let Some(on) = &settings.ticket_polling {
        public = public.merge(ticket_polling::router(flow(Route::TicketPolling, &on.account)));
    }
    let on_open = settings.qr_on_open.as_ref();
    let on_open = on_open.map(|on| (on.listen, qr_on_open::router(flow(Route::QrOnOpen, &on.account))));
    Routes { public, on_open }
}
