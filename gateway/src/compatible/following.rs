//! A scene, followed to its end for a page that mostly doesn't come back when its connection does. So
//! it isn't let go because Redis is away: what can't be watched yet is watched later.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use scenecast_shared::scene::{Claims, Event, Happening, Login, Page};

use super::flow::{Flow, about};
use crate::{
    session::{End, Handover, Told},
    turns::Line,
    watching::Watching,
};

/// How soon Redis is asked again when it gives no answer.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Longer than any scene.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a page waits for its turn to go while its scene isn't watched.
pub(super) const STAYS: Line = Line { comes_back: false, scanned: false };

/// What a page of these routes can be told.
pub(super) enum News {
    /// Somebody scanned, and has yet to confirm.
    Scanned,
    /// Somebody logged in; nothing comes after that.
    LoggedIn(Arrived),
    /// Nobody will log in any more.
    Over,
    /// The pod has to go.
    Leaving,
}

/// A login that has come to its page's pod.
pub(super) struct Arrived {
    event: Arc<Event>,
    handover: Option<Handover>,
}

/// One page's scene.
pub(super) struct Following {
    flow: Flow,
    claims: Claims,
    page: Box<Page>,
    watching: Option<Box<Watching>>,
}

impl Following {
    /// Of this scene, whose page is kept for the case that Redis loses it.
    pub(super) fn new(flow: &Flow, claims: Claims, page: Page) -> Self {
        Self { flow: flow.clone(), claims, page: Box::new(page), watching: None }
    }

    /// What comes next. May be dropped half-way without loss.
    pub(super) async fn next(&mut self) -> News {
        loop {
            let Some(watching) = &mut self.watching else {
                match Box::pin(self.begin()).await {
                    Ok(()) => continue,
                    Err(news) => return news,
                }
            };
            match watching.next(Instant::now() + FAR).await {
                None | Some(Told::Away | Told::Back) => {}
                Some(Told::End(End::Restart | End::Rebalance)) => return News::Leaving,
                Some(Told::End(_)) => return News::Over,
                Some(Told::Event(event, handover)) => match event.what {
                    Happening::Scanned(_) => return News::Scanned,
                    Happening::Confirmed(_) => return News::LoggedIn(Arrived { event, handover }),
                    Happening::Declined | Happening::Cancelled => {}
                },
            }
        }
    }

    /// Begins to watch, as soon as that is possible; what there is to tell if it isn't any more.
    async fn begin(&mut self) -> Result<(), News> {
        let pages = self.flow.pages().clone();
        let in_line = pages.turns().join(STAYS);
        tokio::select! {
            begun = self.try_to_watch() => begun,
            _ = pages.turn(in_line.line()) => Err(News::Leaving),
        }
    }

    async fn try_to_watch(&mut self) -> Result<(), News> {
        while !self.claims.remaining(SystemTime::now() - ASK_AGAIN).is_zero() {
            let page = self.flow.can_reopen().then(|| (*self.page).clone());
            match Watching::stay(self.flow.pages().clone(), self.claims.clone(), page).await {
                Ok(watching) => {
                    self.watching = Some(Box::new(watching));
                    return Ok(());
                }
                Err(error) => tracing::debug!(%error, "a scene can't be watched yet"),
            }
            about(ASK_AGAIN).await;
        }
        Err(News::Over)
    }

    /// Hands a login over by `send`, and counts it once that has worked.
    pub(super) fn hand_over<E>(
        &self,
        Arrived { event, handover }: &Arrived,
        send: impl FnOnce(&Login) -> Result<(), E>,
    ) -> Result<(), E> {
        match (&self.watching, &event.what) {
            (Some(watching), Happening::Confirmed(login)) => watching.carry(event, *handover, |_| send(login)),
            _ => Ok(()),
        }
    }
}
