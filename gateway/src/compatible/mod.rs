//! Routes for login pages that were written for other servers. Each route maps what such a page sends and expects
//! onto scenes. Their events come from the bus as for any other page.
//!
//! | module | its page |
//! |---|---|
//! | `path_socket` | chooses an id, shows a QR code for it, and waits on a WebSocket whose path ends in it, or polls |
//! | `client_id_socket` | the same with the id in the query, and a mini-program code |
//! | `typed_code` | shows a code that the user types to the account, and waits on server-sent events |
//! | `qr_on_open` | gets a QR code as soon as its WebSocket is open |
//! | `ticket_polling` | asks for a QR code, and polls with its ticket |
//!
//! | module | what these have in common |
//! |---|---|
//! | `route_context` | which scene a browser means, and that scene's login |
//! | `cookies` | the cookies that tie a scene to one browser |
//! | `cookie_room` | which cookies make room for another one |
//! | `cookie_wait` | a code waits for the cookie of its page's socket |
//! | `feed` | a scene's updates until its end, also while Redis is away |
//! | `push_socket` | a WebSocket on which only the gateway sends |
//! | `scene_image` | the image of a scene's code, for an `<img>` |
//! | `jitter` | random delays |
//!
//! **An id alone gives access to nothing.** These pages name their scene by something that others can guess (unix
//! seconds) or see (a QR code's ticket). On the servers that they were written for, the first or the last browser
//! that used a name got the login. Here, a browser keeps its scene's key in an `HttpOnly` cookie, named by a digest
//! of the id. Another browser with the same id has no such cookie, so it gets a key and a scene of its own. The
//! alternative, "the first browser with an id owns it", would need a look-up that all pods share, and anybody could
//! take the ids of the next hour in advance.
//!
//! See docs/decisions/013-a-chosen-id-alone-finds-nothing.md.

mod client_id_socket;
mod cookie_room;
mod cookie_wait;
mod cookies;
mod feed;
mod jitter;
mod path_socket;
mod push_socket;
mod qr_on_open;
mod route_context;
mod scene_image;
mod ticket_polling;
mod typed_code;

use axum::Router;
use scenecast_scene::AccountName;

use crate::{
    config::{CompatibleConfig, CompatibleKind},
    state::GatewayState,
};
use route_context::RouteContext;

/// The routes of the public listener that are on.
pub(crate) fn router(config: &CompatibleConfig, state: &GatewayState) -> Router {
    let context = |kind, account| RouteContext::new(kind, account, state);
    let mut routes = Router::new();
    if let Some(route) = &config.path_socket {
        routes = routes.merge(path_socket::router(context(CompatibleKind::PathSocket, &route.account)));
    }
    if let Some(route) = &config.client_id_socket {
        routes = routes.merge(client_id_socket::router(context(CompatibleKind::ClientIdSocket, &route.account)));
    }
    if let Some(route) = &config.typed_code {
        routes = routes.merge(typed_code::router(context(CompatibleKind::TypedCode, &route.account)));
    }
    if let Some(route) = &config.ticket_polling {
        routes = routes.merge(ticket_polling::router(context(CompatibleKind::TicketPolling, &route.account)));
    }
    routes
}

/// The routes of the listener for pages that get a QR code as soon as they connect: any path.
pub(crate) fn qr_on_open_router(account: &AccountName, state: &GatewayState) -> Router {
    qr_on_open::router(RouteContext::new(CompatibleKind::QrOnOpen, account, state))
}
