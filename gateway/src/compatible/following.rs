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
    watching::Watching,
};

/// How soon Redis is asked again when it gives no answer.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Longer than any scene.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

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
                match Box::pin(begin(self.flow.clone(), self.claims.clone(), (*self.page).clone())).await {
                    Ok(watching) => self.watching = Some(watching),
                    Err(news) => return news,
                }
                continue;
            };
            match watching.next(Instant::now() + FAR).await {
                None => {}
                Some(Told::End(End::Restart)) => return News::Leaving,
                Some(Told::End(_)) => return News::Over,
                Some(Told::Event(event, handover)) => match event.what {
                    Happening::Scanned(_) => return News::Scanned,
                    Happening::Confirmed(_) => return News::LoggedIn(Arrived { event, handover }),
                    Happening::Declined | Happening::Cancelled => {}
                },
            }
        }
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

/// Begins to watch, as soon as that is possible.
async fn begin(flow: Flow, claims: Claims, page: Page) -> Result<Box<Watching>, News> {
    let pages = flow.pages();
    let page = flow.can_reopen().then_some(page);
    while !claims.remaining(SystemTime::now() - ASK_AGAIN).is_zero() {
        match Watching::stay(pages.clone(), claims.clone(), page.clone()).await {
            Ok(watching) => return Ok(Box::new(watching)),
            Err(error) => tracing::debug!(%error, "a scene can't be watched yet"),
        }
        if pages.shutdown().is_leaving() {
            return Err(News::Leaving);
        }
        about(ASK_AGAIN).await;
    }
    Err(News::Over)
}
