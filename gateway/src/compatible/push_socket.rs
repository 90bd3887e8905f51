//! A WebSocket on which only the gateway sends. Its page doesn't reconnect, so it is kept for as long as its scene
//! lives. Frames from the page are counted and ignored.

use std::{future::Future, pin::pin, time::Instant};

use axum::{
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use scenecast_scene::{ChosenId, Login, SceneId};
use scenecast_service::http::Problem;

use super::{
    feed::{CompatibleFeed, FeedUpdate},
    route_context::{RouteContext, cookies_of, visitor_with_id},
};
use crate::{
    metrics::{ConnectionGuard, Transport},
    session::{SentLogin, SessionEnd},
    transport::{
        timer_grid::on_grid,
        websocket::{CloseReason, Incoming, Liveness, LivenessCheck, WebSocket, WebSocketUpgrade},
    },
};

/// Makes the text that tells a page of its login.
pub(super) type LoginText = fn(&Login) -> String;

/// Accepts the socket of a page that chose this id. When somebody logs in, the page gets `login_text`.
pub(super) async fn accept(
    context: RouteContext,
    mut request: Request,
    id: ChosenId,
    login_text: LoginText,
) -> Result<Response, Problem> {
    let (upgrade, mut headers) = WebSocketUpgrade::from_request(&mut request, None)?;
    let cookies = cookies_of(&request);
    let claims = match context.usable_scene(context.watcher_cookie(&cookies, id.as_str())).await {
        Some(claims) => claims,
        None => {
            let (claims, set_cookie) = context.new_scene(&cookies, id.as_str()).await?;
            headers.extend(set_cookie);
            claims
        }
    };
    let feed = Box::new(CompatibleFeed::new(&context, claims, visitor_with_id(&request, Some(id))));
    let shutdown = context.state().shutdown().clone();
    shutdown.spawn(serve(context, upgrade, feed, login_text));
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn serve(context: RouteContext, upgrade: WebSocketUpgrade, mut feed: Box<CompatibleFeed>, login_text: LoginText) {
    let Some(mut socket) = Box::pin(PushSocket::accept(context, upgrade)).await else { return };
    let ended = socket.push_login(&mut feed, login_text).await;
    // The watch ends before the socket waits for the peer's close.
    drop(feed);
    socket.close(ended).await;
}

pub(super) struct PushSocket {
    context: RouteContext,
    socket: WebSocket,
    liveness: Liveness,
    guard: ConnectionGuard,
    /// The page's scene, once the page has one.
    scene: Option<SceneId>,
    /// The login that was sent to the page, if one was.
    sent: Option<SentLogin>,
}

impl PushSocket {
    /// The socket of this upgrade. None if the connection is lost, or if the gateway has no room for it.
    pub(super) async fn accept(context: RouteContext, upgrade: WebSocketUpgrade) -> Option<Self> {
        let overloaded = upgrade.overloaded();
        let (socket, early) = upgrade.into_socket().await?;
        if let Some(problem) = overloaded {
            CloseReason::NotAdmitted(problem).close(socket).await;
            return None;
        }
        let guard = context.state().metrics().connection_opened(Transport::WebSocket);
        let mut socket =
            Self { context, socket, liveness: Liveness::new(Instant::now()), guard, scene: None, sent: None };
        match socket.messages_received(early) {
            Ok(()) => Some(socket),
            Err(reason) => {
                socket.close(Err(reason)).await;
                None
            }
        }
    }

    /// Waits for `work`, for as long as the page is there.
    pub(super) async fn run_while_connected<T>(&mut self, work: impl Future<Output = T>) -> Result<T, CloseReason> {
        let mut work = pin!(work);
        loop {
            let received = tokio::select! {
                done = &mut work => return Ok(done),
                received = self.socket.receive() => Some(received),
                () = tokio::time::sleep_until(on_grid(self.liveness.deadline()).into()) => None,
            };
            match received {
                Some(messages) => self.messages_received(messages?)?,
                None => match self.liveness.check(Instant::now()) {
                    LivenessCheck::Alive => {}
                    LivenessCheck::SendPing => self.socket.ping()?,
                    LivenessCheck::Dead => return Err(CloseReason::ConnectionLost),
                },
            }
        }
    }

    /// Sends the page `login_text` when somebody logs in. Done when the scene is over.
    pub(super) async fn push_login(
        &mut self,
        feed: &mut CompatibleFeed,
        login_text: LoginText,
    ) -> Result<(), CloseReason> {
        self.scene = Some(feed.scene());
        loop {
            match self.run_while_connected(feed.next()).await? {
                FeedUpdate::Scanned if self.context.can_come_back() => {}
                FeedUpdate::Scanned => self.look()?,
                FeedUpdate::LoggedIn(login) => {
                    feed.send_login(&login, |login| self.socket.send(&login_text(login)))?;
                    self.sent = feed.sent_login();
                    return Ok(());
                }
                FeedUpdate::Over => return Ok(()),
                FeedUpdate::Drained => return Err(CloseReason::Ended(SessionEnd::Restart)),
            }
        }
    }

    /// Finds out soon whether the page is still there. While a phone is asked, its scene must not wait for a page that is
    /// gone for good.
    ///
    /// See docs/decisions/044-a-page-that-is-left-gives-its-scene-up.md.
    fn look(&mut self) -> Result<(), CloseReason> {
        self.liveness.look(Instant::now());
        Ok(self.socket.ping()?)
    }

    pub(super) fn send(&mut self, text: &str) -> Result<(), CloseReason> {
        Ok(self.socket.send(text)?)
    }

    /// Closes the socket without a message: a page of these routes would take any text for a login. These pages know of
    /// no acknowledgement, so that of their browser is taken: its answer to the close frame after the login.
    pub(super) async fn close(self, ended: Result<(), CloseReason>) {
        let Self { socket, mut guard, scene, sent, .. } = self;
        let reason = ended.err().unwrap_or(CloseReason::Ended(SessionEnd::Over));
        reason.log(scene);
        guard.set_end(reason.label());
        drop(guard);
        match sent {
            Some(sent) => sent.resolve(Box::pin(reason.close_and_wait(socket)).await),
            None => Box::pin(reason.close(socket)).await,
        }
    }

    fn messages_received(&mut self, messages: Vec<Incoming>) -> Result<(), CloseReason> {
        self.liveness.received(Instant::now());
        let mut ping = None;
        for incoming in messages {
            match incoming {
                Incoming::Text(_) => self.context.count_ignored_frame(),
                Incoming::Ping(payload) => ping = Some(payload),
                Incoming::Pong => {}
                Incoming::Close => return Err(CloseReason::PeerClosed),
                Incoming::ProtocolError(error) => return Err(CloseReason::ProtocolError(error)),
            }
        }
        // An answer to the last of several pings is enough (RFC 6455 section 5.5.3), and takes one write.
        match ping {
            Some(payload) => Ok(self.socket.pong(&payload)?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_page_is_small() {
        let size = size_of_future(serve);
        assert!(size <= 1536, "{size} bytes a page");
    }
}
