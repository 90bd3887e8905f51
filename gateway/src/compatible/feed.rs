//! A scene's updates until its end, for a page that mostly doesn't reconnect. So the feed goes on while Redis is
//! away, and tries to watch the scene until that works.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use scenecast_scene::{Claims, Event, EventKind, Login, SceneId};

use super::{jitter::sleep_with_jitter, route_context::RouteContext};
use crate::{
    drain::DrainClass,
    scenes::Visitor,
    session::{Handover, SceneFeed, SentLogin, SessionEnd, SessionUpdate},
};

/// How soon to try again to watch a scene when Redis gives no answer.
const WATCH_RETRY: Duration = Duration::from_secs(2);
/// Longer than any scene lives.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

/// The class in which a page waits to be drained while its scene isn't watched.
pub(super) const UNWATCHED_CLASS: DrainClass = DrainClass { reconnects: false, scanned: false };

/// What a page of these routes can be told.
pub(super) enum FeedUpdate {
    /// Somebody scanned, and has yet to confirm.
    Scanned,
    /// Somebody logged in. Nothing follows.
    LoggedIn(ReceivedLogin),
    /// Nobody can log in any more.
    Over,
    Drained,
}

/// A login that the page has yet to get.
pub(super) struct ReceivedLogin {
    event: Arc<Event>,
    handover: Option<Handover>,
}

/// The updates of one page's scene.
pub(super) struct CompatibleFeed {
    context: RouteContext,
    claims: Claims,
    visitor: Box<Visitor>,
    /// None until the scene is watched.
    feed: Option<Box<SceneFeed>>,
}

impl CompatibleFeed {
    /// The feed of this scene. The `visitor` is kept, in case Redis loses the scene and it has to be opened again.
    pub(super) fn new(context: &RouteContext, claims: Claims, visitor: Visitor) -> Self {
        Self { context: context.clone(), claims, visitor: Box::new(visitor), feed: None }
    }

    pub(super) fn scene(&self) -> SceneId {
        self.claims.scene
    }

    /// The next update. The future may be dropped without loss.
    pub(super) async fn next(&mut self) -> FeedUpdate {
        loop {
            let Some(feed) = &mut self.feed else {
                match Box::pin(self.start()).await {
                    Ok(()) => continue,
                    Err(update) => return update,
                }
            };
            match feed.next(Instant::now() + NEVER).await {
                None | Some(SessionUpdate::Interrupted | SessionUpdate::Resumed) => {}
                Some(SessionUpdate::End(SessionEnd::Restart | SessionEnd::Rebalance)) => return FeedUpdate::Drained,
                Some(SessionUpdate::End(_)) => return FeedUpdate::Over,
                Some(SessionUpdate::Event(event, handover)) => match event.what {
                    EventKind::Scanned(_) => return FeedUpdate::Scanned,
                    EventKind::Confirmed(_) => return FeedUpdate::LoggedIn(ReceivedLogin { event, handover }),
                    EventKind::Declined | EventKind::Cancelled => {}
                },
            }
        }
    }

    /// Starts to watch the scene, as soon as Redis answers. An error is the last update.
    async fn start(&mut self) -> Result<(), FeedUpdate> {
        let state = self.context.state().clone();
        let ticket = state.drain().join(UNWATCHED_CLASS);
        tokio::select! {
            started = self.watch_with_retries() => started,
            _ = state.drain().released(ticket.class()) => Err(FeedUpdate::Drained),
        }
    }

    async fn watch_with_retries(&mut self) -> Result<(), FeedUpdate> {
        // One more attempt after the scene's end finds a login of the last moment.
        while !self.claims.remaining(SystemTime::now() - WATCH_RETRY).is_zero() {
            let state = self.context.state().clone();
            let visitor = self.context.can_reopen().then(|| (*self.visitor).clone());
            match SceneFeed::watch_permanently(state, self.claims.clone(), visitor).await {
                Ok(feed) => {
                    self.feed = Some(Box::new(feed));
                    return Ok(());
                }
                Err(error) => tracing::debug!(%error, "can't watch a scene yet; the gateway tries again"),
            }
            sleep_with_jitter(WATCH_RETRY).await;
        }
        Err(FeedUpdate::Over)
    }

    /// The login that was sent to the page, if one was.
    pub(super) fn sent_login(&self) -> Option<SentLogin> {
        self.feed.as_ref()?.sent_login()
    }

    /// Sends a login to the page by `send`.
    pub(super) fn send_login<E>(
        &mut self,
        ReceivedLogin { event, handover }: &ReceivedLogin,
        send: impl FnOnce(&Login) -> Result<(), E>,
    ) -> Result<(), E> {
        match (&mut self.feed, &event.what) {
            (Some(feed), EventKind::Confirmed(login)) => feed.send_event(event, *handover, |_| send(login)),
            _ => Ok(()),
        }
    }
}
