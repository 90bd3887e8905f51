//! What these routes have in common: which scene a browser means, and how far it is.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{extract::Request, http::HeaderMap};
use scenecast_shared::{
    bus::{BusError, Mailbox},
    internal::{self, Handle},
    scene::{AccountName, ChosenId, Claims, Happening, Key, Login, Page, State, TOMBSTONE_MS},
    serve::{ByHttps, Crowded, Problem},
    time::millis,
};

use super::{Counters, Route, cookies, cookies::Cookies};
use crate::{
    pages::{Pages, scene_expired},
    visitor::page_of,
};

/// One route at work for its account. Clones are the same one.
#[derive(Clone)]
pub(super) struct Flow(Arc<Inner>);

struct Inner {
    route: Route,
    account: AccountName,
    pages: Pages,
    counters: Arc<Counters>,
}

impl Flow {
    pub(super) fn new(route: Route, account: &AccountName, pages: &Pages, counters: &Arc<Counters>) -> Self {
        Self(Arc::new(Inner { route, account: account.clone(), pages: pages.clone(), counters: counters.clone() }))
    }

    pub(super) fn pages(&self) -> &Pages {
        &self.0.pages
    }

    /// Whether a scene that Redis has lost is of any use once it is open again. A typed code isn't: what
    /// it stands for has to be looked up, and was lost, too.
    pub(super) fn can_reopen(&self) -> bool {
        self.0.route != Route::TypedCode
    }

    /// A page sent something that means nothing.
    pub(super) fn count_ignored(&self) {
        self.0.counters.ignored.with_label_values(&[self.0.route.word()]).inc();
    }

    /// A browser asked to watch what it has no cookie for.
    pub(super) fn count_foreign(&self) {
        self.0.counters.foreign.with_label_values(&[self.0.route.word()]).inc();
    }

    /// A new scene's key. Nothing is stored by that.
    pub(super) fn issue(&self) -> (Key, Claims) {
        self.pages().keys().issue(&self.0.account, None, self.0.route.life(), SystemTime::now())
    }

    /// What a cookie says, if it is one of this route's account.
    pub(super) fn claims(&self, value: &str) -> Option<Claims> {
        let claims = self.check(value)?;
        (claims.account == self.0.account).then_some(claims)
    }

    fn check(&self, value: &str) -> Option<Claims> {
        let key = value.split('.').next()?.parse().ok()?;
        self.pages().keys().check(&key, SystemTime::now()).ok()
    }

    /// The value of this browser's cookie for `id`.
    pub(super) fn kept<'a>(&self, cookies: &'a Cookies, id: &str) -> Option<&'a str> {
        cookies.get(&self.cookie(id))
    }

    /// The same, for whoever wants to watch; those who have none are counted.
    pub(super) fn watched<'a>(&self, cookies: &'a Cookies, id: &str) -> Option<&'a str> {
        let kept = self.kept(cookies, id);
        if kept.is_none() {
            self.count_foreign();
        }
        kept
    }

    /// The scene of the key in this cookie, if it can still log in.
    pub(super) async fn alive(&self, kept: Option<&str>) -> Option<Claims> {
        let claims = self.claims(kept?)?;
        match self.pages().bus().read(claims.scene).await {
            Ok(Some(mailbox)) => matches!(mailbox.state, State::Open | State::Scanned | State::Confirmed),
            Ok(None) if !self.can_reopen() => false,
            // Nobody has asked for its code yet, or nobody can say.
            Ok(None) | Err(_) => !claims.remaining(SystemTime::now()).is_zero(),
        }
        .then_some(claims)
    }

    /// A new scene for `id`, and the headers by which the browser keeps its key.
    pub(super) fn begin(&self, cookies: &Cookies, id: &str) -> (Claims, HeaderMap) {
        let (key, claims) = self.issue();
        (claims, self.keep(cookies, id, &key.to_string()))
    }

    /// The headers by which the browser keeps the key in `value` for `id`, for as long as it says anything.
    pub(super) fn keep(&self, cookies: &Cookies, id: &str, value: &str) -> HeaderMap {
        let life = self.0.route.life() + Duration::from_millis(TOMBSTONE_MS);
        cookies.keep(&self.cookie(id), value, life, |value| Some(self.check(value)?.expires))
    }

    fn cookie(&self, id: &str) -> String {
        cookies::name(self.0.route.word(), id)
    }

    /// Opens the scene, if it isn't yet, for what is left of its life; answers what its page shows.
    pub(super) async fn open(&self, claims: &Claims, page: Page, handle: Handle) -> Result<internal::Opened, Problem> {
        let life = claims.remaining(SystemTime::now());
        if life.is_zero() {
            return Err(scene_expired());
        }
        let open = internal::Open {
            scene: claims.scene,
            account: claims.account.clone(),
            binding: None,
            page,
            life_ms: millis(life),
            handle,
        };
        self.pages().have_opened(&open).await
    }

    /// The login that waits in the scene of the key in this cookie, for pages that poll. While nobody can
    /// say there is none yet, and it is there for a later poll.
    pub(super) async fn login(&self, kept: Option<&str>, page: Page) -> Option<Login> {
        let mailbox = self.mailbox(&self.claims(kept?)?, page).await.ok()??;
        (mailbox.state == State::Confirmed).then(|| login_in(&mailbox))?
    }

    /// The scene's mailbox. One that Redis has lost is opened again meanwhile.
    pub(super) async fn mailbox(&self, claims: &Claims, page: Page) -> Result<Option<Mailbox>, BusError> {
        let mailbox = self.pages().bus().read(claims.scene).await?;
        let remaining = claims.remaining(SystemTime::now());
        if mailbox.is_none() && !remaining.is_zero() {
            self.pages().reopen(claims.clone(), page, Instant::now() + remaining);
        }
        Ok(mailbox)
    }
}

/// The login that was told to a mailbox's page.
pub(super) fn login_in(mailbox: &Mailbox) -> Option<Login> {
    mailbox.events.iter().find_map(|event| match &event.what {
        Happening::Confirmed(login) => Some(login.clone()),
        _ => None,
    })
}

/// Our cookies of a request.
pub(super) fn cookies_of(request: &Request) -> Cookies {
    Cookies::of(request.headers(), request.extensions().get::<ByHttps>())
}

/// The page that makes this request, and what it calls its scene.
pub(super) fn visitor(request: &Request, chosen_id: Option<ChosenId>) -> Page {
    Page { chosen_id, ..page_of(request) }
}

/// Whether there is room for this request.
pub(super) fn room(request: &Request) -> Result<(), Problem> {
    request.extensions().get::<Crowded>().map_or(Ok(()), |crowded| Err(crowded.problem()))
}

/// The id that a page chose.
pub(super) fn chosen(text: &str) -> Result<ChosenId, Problem> {
    text.parse().map_err(|_| Problem::bad_request("the id has to be 1 to 64 visible ASCII characters"))
}

/// Waits for about this long.
pub(super) async fn about(time: Duration) {
    tokio::time::sleep(spread(time)).await;
}

/// A little more than this, or less, so that those who wait for the same don't end together.
pub(super) fn spread(time: Duration) -> Duration {
    time.mul_f32(rand::random_range(0.6..1.4))
}
