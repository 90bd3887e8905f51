//! From a request to its socket.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use scenecast_shared::serve::{Connection, Crowded, Problem};

use super::{Incoming, Socket, handshake};

/// A request that becomes a WebSocket once it is answered.
pub(crate) struct Upgrade {
    on: OnUpgrade,
    is_crowded: bool,
}

impl Upgrade {
    /// The request's, and the headers of the 101 that accepts it.
    pub(crate) fn of(request: &mut Request, protocol: Option<&'static str>) -> Result<(Self, HeaderMap), Problem> {
        let refused = |status, why| Problem::new(status, "bad_handshake", why);
        let headers =
            handshake::accept(request.headers(), protocol).map_err(|bad| refused(bad.status(), bad.to_string()))?;
        let is_crowded = request.extensions().get::<Crowded>().is_some();
        let on = request
            .extensions_mut()
            .remove::<OnUpgrade>()
            .ok_or_else(|| refused(StatusCode::UPGRADE_REQUIRED, "this connection can't be upgraded".to_owned()))?;
        Ok((Self { on, is_crowded }, headers))
    }

    /// Whether there is no room for it, but to be told so.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// Takes the bare socket back from the HTTP server, whose buffers end here.
    pub(crate) async fn socket(self) -> Option<(Socket, Vec<Incoming>)> {
        let upgraded = self.on.await.ok()?;
        let parts = upgraded.downcast::<TokioIo<Connection>>().ok()?;
        Some(Socket::new(parts.io.into_inner(), &parts.read_buf))
    }
}
