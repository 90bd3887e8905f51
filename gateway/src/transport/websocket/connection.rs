//! One page's WebSocket: the task in which its socket and its feed meet.
//!
//! ```text
//!  NotRequested ──first frame──▶ Starting ──opened or resumed──▶ Watched
//!       └──────────────────────────┴──────────── any CloseReason ───┴─────────▶ closed
//! ```
//!
//! The task is small on purpose, since a pod has one for each page. Whatever takes more memory than waiting does
//! runs in a box of its own, for as long as it runs.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::future::OptionFuture;
use scenecast_scene::SceneId;

use super::{
    close::CloseReason,
    decoder::Incoming,
    keep_alive::{KeepAlive, KeepAliveStep},
    peer::{PagePeer, PeerEvent},
    socket::{SocketError, WebSocket},
};
use crate::{
    drain::{DrainClass, DrainReason},
    metrics::{ConnectionGuard, Transport},
    refusal::PageRefusal,
    scenes::Visitor,
    session::{ClientMessage, SceneFeed, SentLogin, ServerMessage, SessionUpdate},
    state::GatewayState,
    transport::timer_grid::on_grid,
};

/// How long a page may take to acknowledge its login, by closing its socket.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens or resumes a scene. Also returns the message that tells the page so.
type StartFuture = Pin<Box<dyn Future<Output = Result<(Box<SceneFeed>, String), PageRefusal>> + Send>>;

/// Serves the page until its scene is over, it leaves, or it is drained. `early` is what arrived with the
/// handshake.
///
/// Not an `async fn`: that would keep its arguments twice.
pub(crate) fn serve_page(
    state: GatewayState,
    visitor: Visitor,
    socket: WebSocket,
    keep_alive: KeepAlive,
    early: Vec<Incoming>,
) -> impl Future<Output = ()> + Send {
    let guard = state.metrics().connection_opened(Transport::WebSocket);
    let mut connection = PageConnection {
        state,
        visitor: Some(Box::new(visitor)),
        socket,
        peer: PagePeer::new(Instant::now()),
        keep_alive,
        scene: ScenePhase::NotRequested,
    };
    // Before the task begins, so that it has no place for what came early.
    let received = connection.messages_received(Ok(early)).map_err(Box::new);
    async move {
        let reason = match received {
            Ok(()) => connection.run().await,
            Err(reason) => *reason,
        };
        connection.end(guard, reason).await;
    }
}

/// Closes the socket, once its page has acknowledged a login that was sent.
async fn finish(reason: CloseReason, sent: Option<SentLogin>, mut socket: WebSocket) {
    if let Some(sent) = sent {
        sent.resolve(socket.is_closed_within(ACKNOWLEDGE_TIMEOUT).await);
    }
    reason.notify_and_close(socket).await;
}

struct PageConnection {
    state: GatewayState,
    /// Who is there, until the first frame says for what.
    visitor: Option<Box<Visitor>>,
    socket: WebSocket,
    peer: PagePeer,
    keep_alive: KeepAlive,
    scene: ScenePhase,
}

/// How far a page is with its scene.
enum ScenePhase {
    /// It hasn't sent its first frame.
    NotRequested,
    Starting(StartFuture),
    Watched(Box<SceneFeed>),
}

/// What the connection's loop waits for.
enum LoopEvent {
    Received(Result<Vec<Incoming>, SocketError>),
    Started(Result<(Box<SceneFeed>, String), PageRefusal>),
    Update(SessionUpdate),
    Released(DrainReason),
    DeadlineReached,
}

impl ScenePhase {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<LoopEvent> {
        match self {
            Self::NotRequested => Poll::Pending,
            Self::Starting(start) => start.as_mut().poll(cx).map(LoopEvent::Started),
            Self::Watched(feed) => feed.poll_next(cx).map(LoopEvent::Update),
        }
    }

    /// The page's scene, once the page has one.
    fn id(&self) -> Option<SceneId> {
        match self {
            Self::Watched(feed) => Some(feed.scene()),
            Self::NotRequested | Self::Starting(_) => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Watched(feed) => feed.deadline(),
            Self::NotRequested | Self::Starting(_) => None,
        }
    }

    /// The login that was sent to the page, if one was.
    fn sent_login(&self) -> Option<SentLogin> {
        match self {
            Self::Watched(feed) => feed.sent_login(),
            Self::NotRequested | Self::Starting(_) => None,
        }
    }

    /// The class in which the page waits to be drained. None before it has a key to come back with.
    fn drain_class(&self) -> Option<DrainClass> {
        match self {
            Self::Watched(feed) => Some(feed.drain_class()),
            Self::NotRequested | Self::Starting(_) => None,
        }
    }
}

impl PageConnection {
    /// Ends the page's watch, and then closes its socket.
    ///
    /// Not an `async fn`: what it takes apart would have a place in each page's task.
    fn end(self, mut guard: ConnectionGuard, reason: CloseReason) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let Self { socket, scene, .. } = self;
        reason.log(scene.id());
        let sent = scene.sent_login();
        // The watch ends before the socket waits for the peer's close.
        drop(scene);
        guard.set_end(reason.label());
        drop(guard);
        Box::pin(finish(reason, sent, socket))
    }

    async fn run(&mut self) -> CloseReason {
        loop {
            let deadline = self.deadline();
            let class = self.scene.drain_class();
            let event = tokio::select! {
                // Updates come first, so that no page is drained before it gets them. Received messages come last,
                // so that a peer that sends without end delays only itself.
                biased;
                event = poll_fn(|cx| self.scene.poll_next(cx)) => event,
                Some(reason) = OptionFuture::from(class.map(|class| self.state.drain().released(class))) => {
                    LoopEvent::Released(reason)
                }
                () = tokio::time::sleep_until(deadline.into()) => LoopEvent::DeadlineReached,
                received = self.socket.receive() => LoopEvent::Received(received),
            };
            if let Err(reason) = self.handle(event) {
                return reason;
            }
        }
    }

    /// When something is due: the page's first frame, a sign of life, or a step of its session.
    fn deadline(&self) -> Instant {
        let deadlines = [self.peer.deadline(), self.scene.deadline()];
        deadlines.into_iter().flatten().fold(on_grid(self.keep_alive.deadline()), Instant::min)
    }

    fn handle(&mut self, event: LoopEvent) -> Result<(), CloseReason> {
        match event {
            LoopEvent::Received(received) => self.messages_received(received),
            LoopEvent::Started(started) => self.started(started?),
            LoopEvent::Update(update) => self.send_update(update),
            LoopEvent::Released(reason) => Err(CloseReason::Ended(reason.into())),
            LoopEvent::DeadlineReached => self.deadline_reached(),
        }
    }

    fn started(&mut self, (feed, message): (Box<SceneFeed>, String)) -> Result<(), CloseReason> {
        self.socket.send(&message)?;
        self.scene = ScenePhase::Watched(feed);
        Ok(())
    }

    fn send_update(&mut self, update: SessionUpdate) -> Result<(), CloseReason> {
        let ScenePhase::Watched(feed) = &mut self.scene else { return Ok(()) };
        match update {
            SessionUpdate::Event(event, handover) => {
                feed.send_event(&event, handover, |message| self.socket.send(&message.to_json()))?;
            }
            SessionUpdate::Interrupted => self.socket.send(&ServerMessage::Trouble.to_json())?,
            SessionUpdate::Resumed => {
                let has_heartbeats = self.keep_alive.has_heartbeats();
                self.socket.send(&feed.current_state(has_heartbeats).to_json())?;
            }
            SessionUpdate::End(end) => return Err(CloseReason::Ended(end)),
        }
        Ok(())
    }

    fn deadline_reached(&mut self) -> Result<(), CloseReason> {
        let now = Instant::now();
        self.peer.check(now)?;
        if let ScenePhase::Watched(feed) = &mut self.scene
            && feed.deadline().is_some_and(|at| at <= now)
        {
            feed.deadline_reached();
        }
        match self.keep_alive.check(now) {
            KeepAliveStep::Nothing => Ok(()),
            KeepAliveStep::SendHeartbeat => self.send_heartbeat(),
            KeepAliveStep::SendPing => Ok(self.socket.ping()?),
            KeepAliveStep::Close => Err(CloseReason::ConnectionLost),
        }
    }

    /// Sends a heartbeat, if the page has a scene. Its first message says that it has.
    fn send_heartbeat(&mut self) -> Result<(), CloseReason> {
        match self.scene {
            ScenePhase::Watched(_) => Ok(self.socket.send_heartbeat()?),
            ScenePhase::NotRequested | ScenePhase::Starting(_) => Ok(()),
        }
    }

    fn messages_received(&mut self, received: Result<Vec<Incoming>, SocketError>) -> Result<(), CloseReason> {
        let mut ping = None;
        let mut is_probed = false;
        self.keep_alive.received(Instant::now());
        for incoming in received? {
            match self.peer.received(incoming)? {
                PeerEvent::FirstMessage(message) => self.scene = ScenePhase::Starting(self.start(message)),
                PeerEvent::Probe => is_probed = true,
                PeerEvent::Ping(payload) => ping = Some(payload),
                PeerEvent::Pong => {}
                PeerEvent::Close => return Err(CloseReason::PeerClosed),
                PeerEvent::ProtocolError(error) => return Err(CloseReason::ProtocolError(error)),
            }
        }
        if is_probed {
            self.send_heartbeat()?;
        }
        // An answer to the last of several pings is enough (RFC 6455 section 5.5.3), and takes one write.
        match ping {
            Some(payload) => Ok(self.socket.pong(&payload)?),
            None => Ok(()),
        }
    }

    fn start(&mut self, message: ClientMessage) -> StartFuture {
        let state = self.state.clone();
        let has_heartbeats = self.keep_alive.has_heartbeats();
        let visitor = self.visitor.take().unwrap_or_default();
        Box::pin(async move {
            match message {
                ClientMessage::Open(request) => {
                    let (feed, opened) = SceneFeed::open(state, &request, &visitor).await?;
                    Ok((Box::new(feed), ServerMessage::opened(&opened, has_heartbeats).to_json()))
                }
                ClientMessage::Resume(request) => {
                    let claims = state.scenes().check_key(&request.key)?;
                    let feed = SceneFeed::watch(state, claims, request.after, *visitor).await?;
                    let message = feed.current_state(has_heartbeats).to_json();
                    Ok((Box::new(feed), message))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, E, F: Future>(_: fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_page_is_small() {
        let size = size_of_future(serve_page);
        assert!(size <= 576, "{size} bytes a page");
    }
}
