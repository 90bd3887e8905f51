//! From a request to its socket.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use scenecast_shared::serve::{Connection, Crowded, Problem, Seat};

use super::{Incoming, Socket, handshake};

/// A request that becomes a WebSocket once it is answered.
pub(crate) struct Upgrade {
    on: OnUpgrade,
    crowded: Option<Crowded>,
    seat: Option<Seat>,
}

impl Upgrade {
    /// The request's, and the headers of the 101 that accepts it.
    pub(crate) fn of(request: &mut Request, protocol: Option<&'static str>) -> Result<(Self, HeaderMap), Problem> {
        let refused = |status, why| Problem::new(status, "bad_handshake", why);
        let headers =
            handshake::accept(request.headers(), protocol).map_err(|bad| refused(bad.status(), bad.to_string()))?;
        let extensions = request.extensions_mut();
        let (crowded, seat) = (extensions.remove(), extensions.remove());
        let on = extensions
            .remove::<OnUpgrade>()
            .ok_or_else(|| refused(StatusCode::UPGRADE_REQUIRED, "this connection can't be upgraded".to_owned()))?;
        Ok((Self { on, crowded, seat }, headers))
    }

    /// What it is to be told, where there is no room for it.
    pub(crate) fn refused(&self) -> Option<Problem> {
        self.crowded.as_ref().map(Crowded::problem)
    }

    /// Takes the bare socket back from the HTTP server, whose buffers end here.
    pub(crate) async fn socket(self) -> Option<(Socket, Vec<Incoming>)> {
        let upgraded = self.on.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<Connection>>().ok()?;
        Some(Socket::new(parts.io.into_inner().upgraded(self.seat), &parts.read_buf))
    }
}
