//! A page that shows a code to be typed to the account, the same one for five minutes however often it is
//! reloaded, and waits on server-sent events.
//!
//! | route | what |
//! |---|---|
//! | `GET /login/code` | the browser's code |
//! | `GET /subscribe?id=` | what happens, for 15 minutes |
//!
//! The page connects again at once whenever its connection fails, and the browser does so, too, for each
//! connection that the page has given up: two for one, each time. So a browser is told to wait for a day,
//! and a page that can't be served is kept waiting before it is told.

use std::{
    collections::VecDeque,
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::stream;
use scenecast_shared::{
    config::defaults,
    internal::{Handle, Opened},
    scene::{Claims, Grant, Key, Page},
    serve::{Crowded, Problem},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    cookies::Cookies,
    flow::{Flow, about, cookies_of, room, spread, visitor},
    following::{Arrived, Following, News},
};
use crate::{
    pages::{Counted, Transport},
    session::End,
};

/// How long a page's connection may last.
const STREAM: Duration = Duration::from_secs(15 * 60);
/// How soon a browser may connect again by itself: later than any page waits.
const RETRY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a page that can't be served is kept waiting: it comes back at once.
const HOLD: Duration = Duration::from_secs(5);
/// How long a page has to close its connection once it has its login.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often an idle connection says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The cookie of this route stands for no id: a browser has one code.
const DEVICE: &str = "";
/// Longer than any code, in characters.
const CODE_AT_MOST: usize = 32;

pub(super) fn router<S>(flow: Flow) -> Router<S> {
    Router::new().route("/login/code", get(code)).route("/subscribe", get(subscribe)).with_state(flow)
}

/// A scene, and the code that finds it.
struct Coded {
    claims: Claims,
    code: String,
}

/// The code in this cookie, if it is still good.
async fn own(flow: &Flow, kept: Option<&str>) -> Option<Coded> {
    let (_, code) = kept?.split_once('.')?;
    let is_one = (1..=CODE_AT_MOST).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    let claims = flow.alive(kept.filter(|_| is_one)).await?;
    Some(Coded { claims, code: code.to_owned() })
}

/// A new code, and its scene's key.
async fn new(flow: &Flow, page: Page) -> Result<(Coded, Key), Problem> {
    let (key, claims) = flow.issue();
    match flow.open(&claims, page, Handle::Typed).await? {
        Opened::Typed { code } => Ok((Coded { claims, code }, key)),
        _ => Err(Problem::new(StatusCode::BAD_GATEWAY, "code_missing", "this account makes no codes to type")),
    }
}

/// The code in this cookie, or a new one, and the headers by which the browser keeps that.
async fn own_or_new(
    flow: &Flow,
    cookies: &Cookies,
    kept: Option<&str>,
    page: Page,
) -> Result<(Coded, HeaderMap), Problem> {
    if let Some(coded) = own(flow, kept).await {
        return Ok((coded, HeaderMap::new()));
    }
    let (coded, key) = new(flow, page).await?;
    let headers = flow.keep(cookies, DEVICE, &format!("{key}.{}", coded.code));
    Ok((coded, headers))
}

async fn code(State(flow): State<Flow>, request: Request) -> Response {
    let (cookies, page) = (cookies_of(&request), visitor(&request, None));
    let made = match room(&request) {
        Ok(()) => own_or_new(&flow, &cookies, flow.kept(&cookies, DEVICE), page).await,
        Err(problem) => Err(problem),
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    match made {
        Ok((Coded { code, .. }, kept)) => {
            let told = json!({ "status": { "code": 0, "msg": "ok" }, "result": { "code": code } });
            (no_store, kept, Json(told)).into_response()
        }
        Err(problem) => {
            let status = json!({ "code": problem.status.as_u16(), "msg": problem.detail });
            (problem.status, no_store, Json(json!({ "status": status, "result": null }))).into_response()
        }
    }
}

#[derive(Deserialize)]
struct Shown {
    id: String,
}

/// The page's connection, for this browser's code: whatever code the page says that it shows, it is told
/// the right one.
async fn subscribe(State(flow): State<Flow>, request: Request) -> Response {
    let shown = Query::<Shown>::try_from_uri(request.uri()).map(|Query(shown)| shown.id).unwrap_or_default();
    let (cookies, page) = (cookies_of(&request), visitor(&request, None));
    if let Some(crowded) = request.extensions().get::<Crowded>() {
        crowded.wait(spread(HOLD)).await;
        return StatusCode::NO_CONTENT.into_response();
    }
    let begun = own_or_new(&flow, &cookies, flow.watched(&cookies, DEVICE), page.clone()).await;
    let Ok((coded, kept)) = begun else {
        about(HOLD).await;
        return StatusCode::NO_CONTENT.into_response();
    };
    let mut talk = Talk::new(flow, page, coded.claims);
    if coded.code != shown {
        talk.say("initCode!");
        talk.say(&format!("init#{}", coded.code));
    }
    let frames =
        stream::unfold(talk, async |mut talk| talk.next().await.map(|frame| (Ok::<_, Infallible>(frame), talk)));
    // Proxies that collect answers before they pass them on would collect for 15 minutes.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (kept, unbuffered, Sse::new(frames).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response()
}

/// What is said on one page's connection.
struct Talk {
    flow: Flow,
    page: Page,
    /// None once it has logged in.
    scene: Option<Following>,
    frames: VecDeque<Event>,
    until: Instant,
    counted: Counted,
}

impl Talk {
    fn new(flow: Flow, page: Page, claims: Claims) -> Self {
        Self {
            scene: Some(Following::new(&flow, claims, page.clone())),
            page,
            frames: VecDeque::from([Event::default().retry(RETRY)]),
            until: Instant::now() + STREAM,
            counted: flow.pages().count(Transport::Sse),
            flow,
        }
    }

    fn say(&mut self, text: &str) {
        self.frames.push_back(Event::default().data(text));
    }

    /// The next frame; none once the connection is to end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            let Some(scene) = &mut self.scene else {
                tokio::select! {
                    () = tokio::time::sleep_until(self.until.into()) => {}
                    () = self.flow.pages().shutdown().closing() => {}
                }
                self.counted.ends(End::Over.word());
                return None;
            };
            let Ok(news) = tokio::time::timeout_at(self.until.into(), scene.next()).await else {
                self.counted.ends(End::Expired.word());
                return None;
            };
            match news {
                News::Scanned => self.say("scan"),
                News::LoggedIn(login) => self.log_in(&login),
                News::Over if !self.flow.pages().shutdown().is_closing() => self.refresh().await?,
                // This page does come back, and gets its next code elsewhere.
                News::Over | News::Leaving => {
                    self.counted.ends(End::Restart.word());
                    return None;
                }
            }
        }
    }

    fn log_in(&mut self, login: &Arrived) {
        let Some(scene) = self.scene.take() else { return };
        let Ok(()) = scene.hand_over(login, |login| {
            self.say(&format!("login#{}", cookie(&login.grant)));
            Ok::<_, Infallible>(())
        });
        self.until = self.until.min(Instant::now() + FAREWELL);
    }

    /// Goes on with a new code; none if there is none.
    async fn refresh(&mut self) -> Option<()> {
        let Ok((Coded { claims, code }, _)) = new(&self.flow, self.page.clone()).await else {
            self.counted.ends(End::Expired.word());
            about(HOLD).await;
            return None;
        };
        self.scene = Some(Following::new(&self.flow, claims, self.page.clone()));
        self.say(&format!("refresh#{code}"));
        Some(())
    }
}

/// What the page sets as cookie: the grant, for the site's backend to redeem. Scripts can read it, so it
/// is good for no longer than a grant usually is.
fn cookie(grant: &Grant) -> String {
    let life = defaults::grant_life().duration().as_secs();
    format!("scenecast_grant={grant}; Path=/; Max-Age={life}; SameSite=Lax")
}
