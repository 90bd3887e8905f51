//! What the handlers of one compatible route need: which scene a browser means, and that scene's login.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{extract::Request, http::header};
use scenecast_bus::{BusError, Mailbox};
use scenecast_scene::{
    AccountName, ChosenId, Claims, EventKind, Key, Login, PageInfo, SceneState, TOMBSTONE_MS, internal,
    internal::Handle, time::millis,
};
use scenecast_service::{
    admission::Overloaded,
    http::{ForwardedHttps, Problem},
};

use super::cookies::{self, CookieScheme, Cookies};
use crate::{
    config::CompatibleKind, refusal::PageRefusal, scenes::Visitor, state::GatewayState, transport::visitor::visitor_of,
};

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

    /// Whether a page whose connection is lost finds its scene again.
    pub(super) fn can_come_back(&self) -> bool {
        self.0.kind != CompatibleKind::QrOnOpen
    }

    /// The route's name in configuration, metrics and logs.
    pub(super) fn route(&self) -> &'static str {
        self.0.kind.into()
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
        self.state().scenes().issue_compatible_key(&self.0.account, self.0.kind.scene_life())
    }

    /// What the key in a cookie's value says, if it is for this route's account.
    pub(super) fn claims(&self, value: &str) -> Option<Claims> {
        self.claims_of_any_account(value).filter(|claims| claims.account == self.0.account)
    }

    /// The same for the key of any account.
    pub(super) fn claims_of_any_account(&self, value: &str) -> Option<Claims> {
        self.state().scenes().check_compatible_key(value.split('.').next()?).ok()
    }

    /// The value of this browser's cookie for `id`, if it has a key for this route's account.
    pub(super) fn cookie<'a>(&self, cookies: &'a Cookies, id: &str) -> Option<&'a str> {
        cookies.values_of(&self.cookie_name(id)).find(|value| self.claims(value).is_some())
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
            Ok(Some(mailbox)) => is_usable(mailbox.state),
            Ok(None) if !self.can_reopen() => false,
            // Either no page has asked for its code yet, or Redis gives no answer.
            Ok(None) | Err(_) => !claims.remaining(SystemTime::now()).is_zero(),
        };
        is_usable.then_some(claims)
    }

    /// The name of this route's cookie for `id`.
    pub(super) fn cookie_name(&self, id: &str) -> String {
        cookies::name(self.route(), id)
    }

    /// How long a browser keeps a key: until its scene's tombstone is gone.
    pub(super) fn cookie_life(&self) -> Duration {
        self.0.kind.scene_life() + Duration::from_millis(TOMBSTONE_MS)
    }

    /// Opens the scene for the rest of its life, unless it is open. Returns the code by which the phone finds it.
    pub(super) async fn open(
        &self,
        claims: &Claims,
        visitor: Visitor,
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
            page: visitor.page,
            limited_as: visitor.limited_as,
            life_ms: millis(life),
            handle,
            may_ask_again: self.has_key_before_code(),
        };
        self.state().scenes().open_by_callback(&call).await
    }

    /// The login in the scene of a cookie's value, for pages that poll. None while Redis gives no answer: the login
    /// stays in the mailbox, and a later poll gets it.
    pub(super) async fn login(&self, cookie: Option<&str>, visitor: Visitor) -> Option<Login> {
        let mailbox = self.mailbox(&self.claims(cookie?)?, visitor).await.ok()??;
        if mailbox.state == SceneState::Confirmed { login_in(&mailbox) } else { None }
    }

    /// The scene's mailbox. If Redis doesn't have the scene, it is opened, for a later poll. A refusal is counted, and
    /// that poll tries again.
    pub(super) async fn mailbox(&self, claims: &Claims, visitor: Visitor) -> Result<Option<Mailbox>, BusError> {
        let scenes = self.state().scenes();
        let mailbox = scenes.bus().read(claims.scene).await?;
        let remaining = claims.remaining(SystemTime::now());
        if mailbox.is_none() && !remaining.is_zero() {
            let ends = Instant::now() + remaining;
            let _ = if self.has_key_before_code() {
                scenes.open_early(claims.clone(), visitor, ends)
            } else {
                scenes.reopen_lost(claims.clone(), visitor, ends)
            };
        }
        Ok(mailbox)
    }
}

/// Whether a page of a scene in this state can still log in.
pub(super) fn is_usable(state: SceneState) -> bool {
    matches!(state, SceneState::Open | SceneState::Scanned | SceneState::Confirmed)
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
    Cookies::from_headers(request.headers(), cookie_scheme(request))
}

/// How the browser reached us. What the page says of itself doesn't decide that: not all of its requests say it, and a
/// cookie needs one name in all of them.
fn cookie_scheme(request: &Request) -> CookieScheme {
    let scheme = CookieScheme::of(request.extensions().get::<ForwardedHttps>());
    let origin = request.headers().get(header::ORIGIN);
    if scheme == CookieScheme::Http && origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https:")) {
        tracing::warn!(
            "a page was loaded over HTTPS, but no trusted proxy says so, and so its cookies are not Secure; have the proxy send \
             X-Forwarded-Proto, and name it in trusted_proxies"
        );
    }
    scheme
}

/// Who sent this request, with the id that the page chose for its scene.
pub(super) fn visitor_with_id(request: &Request, chosen_id: Option<ChosenId>) -> Visitor {
    let Visitor { limited_as, page } = visitor_of(request);
    Visitor { limited_as, page: PageInfo { chosen_id, ..page } }
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
