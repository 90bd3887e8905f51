//! What the handlers of one compatible route need: which scene a browser means, and that scene's login.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{extract::Request, http::HeaderMap};
use scenecast_bus::{BusError, Mailbox};
use scenecast_scene::{
    AccountName, ChosenId, Claims, EventKind, Key, Login, PageInfo, SceneState, TOMBSTONE_MS, internal,
    internal::Handle, time::millis,
};
use scenecast_service::{
    admission::Overloaded,
    http::{ForwardedHttps, Problem},
};

use super::cookies::{self, Cookies};
use crate::{config::CompatibleKind, refusal::PageRefusal, state::GatewayState, transport::visitor::page_of};

/// One route and its account. Clones are the same one.
#[derive(Clone)]
pub(super) struct RouteContext(Arc<RouteInner>);

struct RouteInner {
    kind: CompatibleKind,
    account: AccountName,
    state: GatewayState,
}

impl RouteContext {
    pub(super) fn new(kind: CompatibleKind, account: &AccountName, state: &GatewayState) -> Self {
        Self(Arc::new(RouteInner { kind, account: account.clone(), state: state.clone() }))
    }

    pub(super) fn state(&self) -> &GatewayState {
        &self.0.state
    }

    /// Whether a page can still use a scene that Redis lost and that was opened again. With a typed code it can't:
    /// Redis lost the code, too.
    pub(super) fn can_reopen(&self) -> bool {
        self.0.kind != CompatibleKind::TypedCode
    }

    /// Whether a browser has its scene's key before it asks for the code. So the scene may never have been stored, and
    /// the browser may ask twice.
    fn has_key_before_code(&self) -> bool {
        matches!(self.0.kind, CompatibleKind::PathSocket | CompatibleKind::ClientIdSocket)
    }

    /// Counts a frame that a page sent and that has no meaning.
    pub(super) fn count_ignored_frame(&self) {
        self.state().metrics().count_ignored_frame(self.0.kind);
    }

    /// Counts a browser that asked to watch what it has no cookie for.
    pub(super) fn count_foreign(&self) {
        self.state().metrics().count_foreign(self.0.kind);
    }

    /// A new scene's key. Nothing is stored by that.
    pub(super) fn issue_key(&self) -> (Key, Claims) {
        self.state().scenes().issue_key(&self.0.account, None, self.0.kind.scene_life())
    }

    /// What the key in a cookie's value says, if it is for this route's account.
    pub(super) fn claims(&self, value: &str) -> Option<Claims> {
        self.claims_of_any_account(value).filter(|claims| claims.account == self.0.account)
    }

    fn claims_of_any_account(&self, value: &str) -> Option<Claims> {
        self.state().scenes().check_key(value.split('.').next()?).ok()
    }

    /// The value of this browser's cookie for `id`.
    pub(super) fn cookie<'a>(&self, cookies: &'a Cookies, id: &str) -> Option<&'a str> {
        cookies.get(&self.cookie_name(id))
    }

    /// The same for a browser that wants to watch. If it has no cookie, that is counted.
    pub(super) fn watcher_cookie<'a>(&self, cookies: &'a Cookies, id: &str) -> Option<&'a str> {
        let value = self.cookie(cookies, id);
        if value.is_none() {
            self.count_foreign();
        }
        value
    }

    /// The scene of a cookie's value, if its page can still log in.
    pub(super) async fn usable_scene(&self, cookie: Option<&str>) -> Option<Claims> {
        let claims = self.claims(cookie?)?;
        let is_usable = match self.state().scenes().bus().read(claims.scene).await {
            Ok(Some(mailbox)) => {
                matches!(mailbox.state, SceneState::Open | SceneState::Scanned | SceneState::Confirmed)
            }
            Ok(None) if !self.can_reopen() => false,
            // Either no page has asked for its code yet, or Redis gives no answer.
            Ok(None) | Err(_) => !claims.remaining(SystemTime::now()).is_zero(),
        };
        is_usable.then_some(claims)
    }

    /// A new scene for `id`, and the headers by which the browser keeps its key.
    pub(super) fn new_scene(&self, cookies: &Cookies, id: &str) -> (Claims, HeaderMap) {
        let (key, claims) = self.issue_key();
        (claims, self.set_cookie(cookies, id, &key.to_string()))
    }

    /// The headers by which the browser keeps the key in `value` for `id`, until its scene's tombstone is gone.
    pub(super) fn set_cookie(&self, cookies: &Cookies, id: &str, value: &str) -> HeaderMap {
        let life = self.0.kind.scene_life() + Duration::from_millis(TOMBSTONE_MS);
        let expires = |value: &str| Some(self.claims_of_any_account(value)?.expires);
        cookies.set(&self.cookie_name(id), value, life, expires)
    }

    fn cookie_name(&self, id: &str) -> String {
        cookies::name(self.0.kind.into(), id)
    }

    /// Opens the scene for the rest of its life, unless it is open. Returns the code by which the phone finds it.
    pub(super) async fn open(
        &self,
        claims: &Claims,
        page: PageInfo,
        handle: Handle,
    ) -> Result<internal::OpenedHandle, PageRefusal> {
        let life = claims.remaining(SystemTime::now());
        if life.is_zero() {
            return Err(PageRefusal::SceneExpired);
        }
        let call = internal::OpenCall {
            scene: claims.scene,
            account: claims.account.clone(),
            binding: None,
            page,
            life_ms: millis(life),
            handle,
            may_ask_again: self.has_key_before_code(),
        };
        self.state().scenes().open_by_callback(&call).await
    }

    /// The login in the scene of a cookie's value, for pages that poll. None while Redis gives no answer: the login
    /// stays in the mailbox, and a later poll gets it.
    pub(super) async fn login(&self, cookie: Option<&str>, page: PageInfo) -> Option<Login> {
        let mailbox = self.mailbox(&self.claims(cookie?)?, page).await.ok()??;
        if mailbox.state == SceneState::Confirmed { login_in(&mailbox) } else { None }
    }

    /// The scene's mailbox. If Redis doesn't have the scene, it is opened, for a later poll. A refusal is counted, and
    /// that poll tries again.
    pub(super) async fn mailbox(&self, claims: &Claims, page: PageInfo) -> Result<Option<Mailbox>, BusError> {
        let scenes = self.state().scenes();
        let mailbox = scenes.bus().read(claims.scene).await?;
        let remaining = claims.remaining(SystemTime::now());
        if mailbox.is_none() && !remaining.is_zero() {
            let ends = Instant::now() + remaining;
            let _ = if self.has_key_before_code() {
                scenes.open_early(claims.clone(), page, ends)
            } else {
                scenes.reopen_lost(claims.clone(), page, ends)
            };
        }
        Ok(mailbox)
    }
}

/// The login in a mailbox, if there is one.
pub(super) fn login_in(mailbox: &Mailbox) -> Option<Login> {
    mailbox.events.iter().find_map(|event| match &event.what {
        EventKind::Confirmed(login) => Some(login.clone()),
        _ => None,
    })
}

/// Our cookies in a request.
pub(super) fn cookies_of(request: &Request) -> Cookies {
    Cookies::from_headers(request.headers(), request.extensions().get::<ForwardedHttps>())
}

/// The page that sent this request, and the id that it chose for its scene.
pub(super) fn page_with_id(request: &Request, chosen_id: Option<ChosenId>) -> PageInfo {
    PageInfo { chosen_id, ..page_of(request) }
}

/// An error if the gateway has no room for this request.
pub(super) fn check_admitted(request: &Request) -> Result<(), Problem> {
    match request.extensions().get::<Overloaded>() {
        Some(overloaded) => Err(overloaded.problem()),
        None => Ok(()),
    }
}

/// An id that a page chose.
pub(super) fn parse_chosen_id(text: &str) -> Result<ChosenId, Problem> {
    text.parse().map_err(|_| Problem::bad_request("the id has to be 1 to 64 visible ASCII characters"))
}
