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
    route_context::{RouteContext, is_usable},
};

/// The most keys of one route in a browser.
const MAX_PER_ROUTE: usize = 32;
/// The most bytes of the cookies of all routes in a browser, before another is added, which has at most 220. The host's
/// own cookies need room, too.
const MAX_BYTES: usize = 6 * 1024;
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
        live.sort_by_key(|key| key.claims.expires);
        let in_the_way = keys_in_the_way(&live, &name);
        if !in_the_way.is_empty() {
            let over = self.names_of_over(&in_the_way[..in_the_way.len().min(ASKED)], &name).await;
            live.retain(|key| !over.contains(&key.cookie.name));
            if let [first_to_end, ..] = keys_in_the_way(&live, &name)[..] {
                return Err(too_many_keys(self.route(), live.len(), &first_to_end.claims));
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

    /// The names of those cookies whose scenes are over, for a new cookie of this name.
    async fn names_of_over(&self, keys: &[&LiveKey<'_>], name: &str) -> Vec<String> {
        let is_over = join_all(keys.iter().map(|key| self.is_over(key, name))).await;
        let over = keys.iter().zip(is_over).filter(|(_, is_over)| *is_over);
        over.map(|(key, _)| key.cookie.name.clone()).collect()
    }

    /// Whether nobody can log in with this key any more. Of another route's scene it has to be stored: only that route
    /// knows whether its pages have keys before their scenes are stored.
    async fn is_over(&self, key: &LiveKey<'_>, name: &str) -> bool {
        if key.cookie.is_of_route_of(name) {
            return self.usable_scene(Some(&key.cookie.value)).await.is_none();
        }
        let mailbox = self.state().scenes().bus().read(key.claims.scene).await;
        mailbox.is_ok_and(|mailbox| mailbox.is_some_and(|mailbox| !is_usable(mailbox.state)))
    }
}

/// The keys of which one has to go before another one of this name has room; none if there is room.
fn keys_in_the_way<'k, 'c>(live: &'k [LiveKey<'c>], name: &str) -> Vec<&'k LiveKey<'c>> {
    let of_route: Vec<_> = live.iter().filter(|key| key.cookie.is_of_route_of(name)).collect();
    let bytes: usize = live.iter().map(|key| key.cookie.bytes()).sum();
    if of_route.len() >= MAX_PER_ROUTE {
        of_route
    } else if bytes > MAX_BYTES {
        live.iter().collect()
    } else {
        vec![]
    }
}

fn too_many_keys(route: &str, keys: usize, first_to_end: &Claims) -> Problem {
    tracing::warn!(
        route,
        keys,
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
