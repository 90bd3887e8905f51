//! Room for one more key in a browser.
//!
//! Each page load has an id and so a key of its own, and a browser sends all keys with each request. Proxies commonly
//! take 8 KB of headers. Who can have a browser send requests, which is any page of the same origin, must neither
//! make it drop the key of a page that waits, nor let the cookies grow until proxies refuse its requests.
//!
//! See docs/decisions/051-a-live-key-is-never-evicted.md.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use axum::http::{HeaderMap, StatusCode};
use futures_util::future::join_all;
use scenecast_scene::Claims;
use scenecast_service::http::Problem;

use super::{
    cookies::{Cookies, OwnCookie},
    route_context::RouteContext,
};

/// The most keys of one route in a browser. With the longest account name they take 6 KB.
const MAX_PER_ROUTE: usize = 32;
/// Of how many keys Redis is asked whether their scenes are over.
const ASKED: usize = 8;

/// A browser's room for one more key: the names of the cookies that the browser has to delete for it.
pub(super) struct CookieRoom(Vec<String>);

/// A key of a scene that may still be stored.
struct LiveKey<'a> {
    cookie: &'a OwnCookie,
    claims: Claims,
}

impl RouteContext {
    /// A new scene for `id`, and the headers by which the browser keeps its key. An error if the browser has no room.
    pub(super) async fn new_scene(&self, cookies: &Cookies, id: &str) -> Result<(Claims, HeaderMap), Problem> {
        let room = self.cookie_room(cookies, id).await?;
        let (key, claims) = self.issue_key();
        Ok((claims, self.set_cookie(cookies, &room, id, &key.to_string())))
    }

    /// Makes room for the cookie of `id`. Keys that nobody can use any more are deleted: those that have expired or were
    /// not issued here, and, if there are too many, those whose scene is over. An error if there are still too many.
    pub(super) async fn cookie_room(&self, cookies: &Cookies, id: &str) -> Result<CookieRoom, Problem> {
        let name = self.cookie_name(id);
        let (mut live, mut deleted) = self.live_and_useless(cookies, &name);
        live.retain(|key| key.cookie.is_of_route_of(&name));
        if live.len() >= MAX_PER_ROUTE {
            live.sort_by_key(|key| key.claims.expires);
            let over = self.names_of_over(&live[..ASKED]).await;
            if live.len() - over.len() >= MAX_PER_ROUTE {
                return Err(too_many_keys(self.route(), &live[0].claims));
            }
            deleted.splice(0..0, over);
        }
        Ok(CookieRoom(deleted))
    }

    /// The live keys of all routes under other names than this, and the names of cookies that have none.
    fn live_and_useless<'a>(&self, cookies: &'a Cookies, name: &str) -> (Vec<LiveKey<'a>>, Vec<String>) {
        let mut live = vec![];
        let mut useless = vec![];
        for cookie in cookies.others(name) {
            match self.claims_of_any_account(&cookie.value) {
                Some(claims) => live.push(LiveKey { cookie, claims }),
                None => useless.push(cookie.name.clone()),
            }
        }
        // Somebody may have planted a second cookie of the same name. To delete that would delete the live one.
        let is_live: HashSet<&str> = live.iter().map(|key| key.cookie.name.as_str()).collect();
        useless.retain(|name| !is_live.contains(name.as_str()));
        (live, useless)
    }

    /// The headers by which the browser keeps the key in `value` for `id`.
    pub(super) fn set_cookie(&self, cookies: &Cookies, room: &CookieRoom, id: &str, value: &str) -> HeaderMap {
        cookies.set(&self.cookie_name(id), value, self.cookie_life(), &room.0)
    }

    /// The names of those cookies whose scenes are over.
    async fn names_of_over(&self, keys: &[LiveKey<'_>]) -> Vec<String> {
        let is_usable = join_all(keys.iter().map(|key| self.usable_scene(Some(&key.cookie.value)))).await;
        let over = keys.iter().zip(is_usable).filter(|(_, scene)| scene.is_none());
        over.map(|(key, _)| key.cookie.name.clone()).collect()
    }
}

fn too_many_keys(route: &str, first_to_end: &Claims) -> Problem {
    tracing::warn!(
        route,
        keys = MAX_PER_ROUTE,
        "a browser asks for more codes than it can keep keys for, while none of the codes before is over; it is told to come \
         back; does a page ask for codes that it doesn't show?"
    );
    let retry_after = first_to_end.remaining(SystemTime::now()).max(Duration::from_secs(1));
    Problem {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: "too_many_keys",
        detail: "this browser has too many codes that are not over yet".to_owned(),
        retry_after: Some(retry_after),
    }
}
