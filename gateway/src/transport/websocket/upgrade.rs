//! Takes a WebSocket from the HTTP server.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use scenecast_service::{
    admission::{ConnectionSlot, Overloaded},
    http::Problem,
    listener::Connection,
    shutdown::Shutdown,
};

use super::{
    close::CloseReason,
    decoder::Incoming,
    handshake::{self, SUBPROTOCOL},
    socket::WebSocket,
};

/// A request that becomes a WebSocket once it is answered.
pub(crate) struct WebSocketUpgrade {
    upgrade: OnUpgrade,
    overloaded: Option<Overloaded>,
    slot: Option<ConnectionSlot>,
}

impl WebSocketUpgrade {
    /// The upgrade of a request, and the headers of the response 101 that accepts it.
    pub(crate) fn from_request(
        request: &mut Request,
        protocol: Option<&'static str>,
    ) -> Result<(Self, HeaderMap), Problem> {
        let refused = |status, detail| Problem::new(status, "bad_handshake", detail);
        let headers = handshake::accept(request.headers(), protocol)
            .map_err(|error| refused(error.status(), error.to_string()))?;
        let extensions = request.extensions_mut();
        let overloaded = extensions.remove();
        let slot = extensions.remove();
        let upgrade = extensions
            .remove::<OnUpgrade>()
            .ok_or_else(|| refused(StatusCode::UPGRADE_REQUIRED, "this connection can't be upgraded".to_owned()))?;
        Ok((Self { upgrade, overloaded, slot }, headers))
    }

    /// What the page is told if there is no room for it.
    pub(crate) fn overloaded(&self) -> Option<Problem> {
        self.overloaded.as_ref().map(Overloaded::problem)
    }

    /// The socket, without the buffers of the HTTP server, and what has arrived on it already. None if the
    /// connection is lost.
    pub(crate) async fn into_socket(self) -> Option<(WebSocket, Vec<Incoming>)> {
        let upgraded = self.upgrade.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<Connection>>().ok()?;
        Some(WebSocket::new(parts.io.into_inner().upgraded(self.slot), &parts.read_buf))
    }
}

/// Accepts a request's WebSocket and closes it because of this problem, since browsers hide the answer to a failed
/// handshake. None if the request is no handshake. A page that doesn't understand our frames gets none: pages of the
/// compatible routes take any text for a login.
pub(crate) fn close_unadmitted(request: &mut Request, problem: &Problem, shutdown: &Shutdown) -> Option<Response> {
    let has_own_frames = handshake::offers_own_protocol(request.headers());
    let protocol = has_own_frames.then_some(SUBPROTOCOL);
    let (upgrade, headers) = WebSocketUpgrade::from_request(request, protocol).ok()?;
    let reason = CloseReason::NotAdmitted(problem.clone());
    shutdown.spawn(async move {
        let Some((socket, _)) = upgrade.into_socket().await else { return };
        if has_own_frames {
            Box::pin(reason.notify_and_close(socket)).await;
        } else {
            Box::pin(reason.close(socket)).await;
        }
    });
    Some((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}
