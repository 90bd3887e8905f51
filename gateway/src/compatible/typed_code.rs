//! A page that shows a code, which the user types into a chat with the account, and waits on server-sent events. A
//! browser keeps its code for five minutes, however often the page is reloaded.
//!
//! | route | what |
//! |---|---|
//! | `GET /login/code` | the browser's code |
//! | `GET /subscribe?id=` | the events, for 15 minutes |
//!
//! When its connection fails, the page opens a new one at once, and the browser reconnects the old one, too: each
//! failure would double the connections. So the stream tells the browser to reconnect after a day, and a page that
//! can't be served waits some seconds for its answer.

use std::{
    collections::VecDeque,
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::stream;
use scenecast_scene::{
    Claims, Key,
    internal::{Handle, OpenedHandle},
};
use scenecast_service::{admission::Overloaded, config::defaults, http::Problem, listener::Detachable};
use serde::Deserialize;
use serde_json::json;

use super::{
    cookies::{CookieScheme, Cookies},
    feed::{CompatibleFeed, FeedUpdate, ReceivedLogin},
    jitter::{sleep_with_jitter, with_jitter},
    route_context::{RouteContext, check_admitted, cookies_of, visitor_with_id},
};
use crate::{
    metrics::{ConnectionGuard, Transport},
    scenes::Visitor,
    session::SessionEnd,
    transport::stream_headers,
};

/// The longest time of a page's connection.
const STREAM_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// When a browser reconnects by itself: later than any page waits.
const BROWSER_RETRY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a page that can't be served waits for its answer, since it comes back at once.
const REFUSAL_DELAY: Duration = Duration::from_secs(5);
/// How long a page may take to close its connection once it has its login.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an idle stream sends a comment.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The id that names this route's cookie. A browser has one code, so there is only one id.
const COOKIE_ID: &str = "";
/// More than the characters of any code.
const MAX_CODE_CHARACTERS: usize = 32;

pub(super) fn router<S>(context: RouteContext) -> Router<S> {
    Router::new().route("/login/code", get(code)).route("/subscribe", get(subscribe)).with_state(context)
}

/// A scene, and the code by which the phone finds it.
struct SceneWithCode {
    claims: Claims,
    code: String,
}

/// The scene and code in a cookie, if its page can still log in.
async fn scene_in(context: &RouteContext, cookie: Option<&str>) -> Option<SceneWithCode> {
    let (_, code) = cookie?.split_once('.')?;
    let is_code = (1..=MAX_CODE_CHARACTERS).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_code {
        return None;
    }
    let claims = context.usable_scene(cookie).await?;
    Some(SceneWithCode { claims, code: code.to_owned() })
}

/// A new scene with a code, and its key.
async fn new_scene(context: &RouteContext, visitor: Visitor) -> Result<(SceneWithCode, Key), Problem> {
    let (key, claims) = context.issue_key();
    match context.open(&claims, visitor, Handle::Typed).await? {
        OpenedHandle::Typed { code } => Ok((SceneWithCode { claims, code }, key)),
        _ => Err(Problem::new(StatusCode::BAD_GATEWAY, "code_missing", "this account makes no codes to type")),
    }
}

/// The scene and code in a cookie. Otherwise a new scene, and the headers by which the browser keeps it.
async fn existing_or_new_scene(
    context: &RouteContext,
    cookies: &Cookies,
    cookie: Option<&str>,
    visitor: Visitor,
) -> Result<(SceneWithCode, HeaderMap), Problem> {
    if let Some(scene) = scene_in(context, cookie).await {
        return Ok((scene, HeaderMap::new()));
    }
    let room = context.cookie_room(cookies, COOKIE_ID).await?;
    let (scene, key) = new_scene(context, visitor).await?;
    let headers = context.set_cookie(cookies, &room, COOKIE_ID, &format!("{key}.{}", scene.code));
    Ok((scene, headers))
}

async fn code(State(context): State<RouteContext>, request: Request) -> Response {
    let cookies = cookies_of(&request);
    let visitor = visitor_with_id(&request, None);
    let scene = match check_admitted(&request) {
        Ok(()) => existing_or_new_scene(&context, &cookies, context.cookie(&cookies, COOKIE_ID), visitor).await,
        Err(problem) => Err(problem),
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    match scene {
        Ok((SceneWithCode { code, .. }, set_cookie)) => {
            let body = json!({ "status": { "code": 0, "msg": "ok" }, "result": { "code": code } });
            (no_store, set_cookie, Json(body)).into_response()
        }
        Err(problem) => {
            let status = json!({ "code": problem.status.as_u16(), "msg": problem.detail });
            (problem.status, no_store, Json(json!({ "status": status, "result": null }))).into_response()
        }
    }
}

#[derive(Deserialize)]
struct SubscribeQuery {
    /// The code that the page shows.
    id: String,
}

/// The page's stream, for the code of this browser. A page that shows another code gets the right one.
async fn subscribe(State(context): State<RouteContext>, request: Request) -> Response {
    let shown = Query::<SubscribeQuery>::try_from_uri(request.uri()).map(|Query(query)| query.id).unwrap_or_default();
    let cookies = cookies_of(&request);
    let visitor = visitor_with_id(&request, None);
    let detachable = Detachable::of(&request);
    if let Some(overloaded) = request.extensions().get::<Overloaded>() {
        // Of an office, all pages may wait.
        overloaded.wait_before_close(None, with_jitter(REFUSAL_DELAY)).await;
        return StatusCode::NO_CONTENT.into_response();
    }
    let cookie = context.watcher_cookie(&cookies, COOKIE_ID);
    let scene = existing_or_new_scene(&context, &cookies, cookie, visitor.clone()).await;
    let Ok((scene, set_cookie)) = scene else {
        sleep_with_jitter(REFUSAL_DELAY).await;
        return StatusCode::NO_CONTENT.into_response();
    };
    let mut events = CodeStream::new(context, visitor, cookies.scheme(), scene.claims);
    if scene.code != shown {
        events.push("initCode!");
        events.push(&format!("init#{}", scene.code));
    }
    let events = stream::unfold(events, async |mut events| {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(event), events))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    let response = (set_cookie, stream_headers(), stream).into_response();
    match detachable {
        Some(detachable) => detachable.stream(response),
        None => response,
    }
}

/// The stream of one page.
struct CodeStream {
    context: RouteContext,
    visitor: Visitor,
    scheme: CookieScheme,
    /// None once somebody has logged in.
    feed: Option<CompatibleFeed>,
    events: VecDeque<Event>,
    until: Instant,
    guard: ConnectionGuard,
}

impl CodeStream {
    fn new(context: RouteContext, visitor: Visitor, scheme: CookieScheme, claims: Claims) -> Self {
        Self {
            feed: Some(CompatibleFeed::new(&context, claims, visitor.clone())),
            visitor,
            scheme,
            events: VecDeque::from([Event::default().retry(BROWSER_RETRY)]),
            until: Instant::now() + STREAM_TIMEOUT,
            guard: context.state().metrics().connection_opened(Transport::Sse),
            context,
        }
    }

    fn push(&mut self, text: &str) {
        self.events.push_back(Event::default().data(text));
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let Some(feed) = &mut self.feed else {
                tokio::select! {
                    () = tokio::time::sleep_until(self.until.into()) => {}
                    () = self.context.state().shutdown().closing() => {}
                }
                self.guard.set_end(SessionEnd::Over.label());
                return None;
            };
            let Ok(update) = tokio::time::timeout_at(self.until.into(), feed.next()).await else {
                self.guard.set_end(SessionEnd::Expired.label());
                return None;
            };
            match update {
                FeedUpdate::Scanned => self.push("scan"),
                FeedUpdate::LoggedIn(login) => self.log_in(&login),
                FeedUpdate::Over if !self.context.state().shutdown().is_closing() => self.refresh().await?,
                // This page does reconnect, and gets its next code from another pod.
                FeedUpdate::Over | FeedUpdate::Drained => {
                    self.guard.set_end(SessionEnd::Restart.label());
                    return None;
                }
            }
        }
    }

    fn log_in(&mut self, login: &ReceivedLogin) {
        let Some(mut feed) = self.feed.take() else { return };
        let Ok(()) = feed.send_login(login, |login| {
            let cookie = self.scheme.grant_cookie(&login.grant, defaults::grant_life().duration());
            self.push(&format!("login#{cookie}"));
            Ok::<_, Infallible>(())
        });
        // A page can't acknowledge on a stream that its browser reads for it.
        if let Some(sent) = feed.sent_login() {
            sent.resolve(true);
        }
        self.until = self.until.min(Instant::now() + CLOSE_TIMEOUT);
    }

    /// Goes on with a new scene and its code. None if it can't be opened.
    async fn refresh(&mut self) -> Option<()> {
        let Ok((SceneWithCode { claims, code }, _)) = new_scene(&self.context, self.visitor.clone()).await else {
            self.guard.set_end(SessionEnd::Expired.label());
            sleep_with_jitter(REFUSAL_DELAY).await;
            return None;
        };
        self.feed = Some(CompatibleFeed::new(&self.context, claims, self.visitor.clone()));
        self.push(&format!("refresh#{code}"));
        Some(())
    }
}
