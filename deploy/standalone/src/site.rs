//! The demo site: a login page and the backend behind it, as any site would write them. It uses only Scenecast's
//! public API.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use scenecast_scene::{AccountName, Secret};
use scenecast_service::{http::Problem, listener::ListenerLimits};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

/// Enough for a demo.
pub(crate) const LIMITS: ListenerLimits = ListenerLimits { connections: 1000, idle: Duration::from_secs(10) };
const SESSION: &str = "session";
/// How long the callback may take to redeem a grant.
const REDEEM_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the site finds its Scenecast.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// The gateway, as browsers reach it.
    pub gateway: Url,
    /// The callback's internal listener, as this backend reaches it.
    pub callback_internal: Url,
    /// The API key with which this backend redeems.
    pub api_key: Secret,
    /// The accounts that visitors can log in with: the first, unless the page's address says `?account=`.
    pub accounts: Vec<AccountName>,
    /// The simulator with its phones; `None` with real WeChat.
    pub simulated_phones: Option<Url>,
}

struct DemoSite {
    config: SiteConfig,
    http: reqwest::Client,
}

/// The login page at `/`, and its backend.
pub fn site(config: SiteConfig) -> Router {
    let headers = security_headers(&config.gateway);
    // The callback is in this process, whatever proxy the environment names.
    let http = reqwest::Client::builder().no_proxy().build().expect("the TLS library starts");
    let site = DemoSite { config, http };
    Router::new()
        .route("/", get(page))
        .route("/login.js", asset("text/javascript", include_str!("../web/login.js")))
        .route("/texts.js", asset("text/javascript", include_str!("../web/texts.js")))
        .route("/style.css", asset("text/css", include_str!("../web/style.css")))
        .route("/config.json", get(page_config))
        .route("/session", post(log_in))
        .with_state(Arc::new(site))
        .layer(map_response(move |mut response: Response| {
            response.headers_mut().extend(headers.clone());
            async { response }
        }))
}

/// The page runs only its own scripts and the gateway's module.
fn security_headers(gateway: &Url) -> HeaderMap {
    let gateway = gateway.origin().ascii_serialization();
    let gateway_ws = gateway.replacen("http", "ws", 1);
    let policy = format!(
        "default-src 'none'; script-src 'self' {gateway}; connect-src 'self' {gateway} {gateway_ws}; \
         style-src 'self'; img-src data: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'"
    );
    HeaderMap::from_iter([
        (header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).expect("an origin is ASCII")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ])
}

fn asset(content_type: &'static str, text: &'static str) -> MethodRouter<Arc<DemoSite>> {
    get(async move || ([(header::CONTENT_TYPE, content_type)], text))
}

/// The browser's session: 128 random bits that no script can read.
struct BrowserSession(String);

impl BrowserSession {
    fn new() -> Self {
        Self(hex::encode(rand::random::<[u8; 16]>()))
    }

    /// The `state` of a login: ties it to this session, and the page can't derive the session from it.
    fn state(&self) -> String {
        digest(&["state", &self.0])
    }

    fn cookie(self) -> Cookie<'static> {
        Cookie::build((SESSION, self.0)).path("/").http_only(true).same_site(SameSite::Lax).build()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BrowserSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        CookieJar::from_headers(&parts.headers)
            .get(SESSION)
            .map(|cookie| Self(cookie.value().to_owned()))
            .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "no_session", "open the login page first"))
    }
}

/// SHA-256 over the parts, in base64url.
fn digest(parts: &[&str]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(parts.join("\n")))
}

async fn page(jar: CookieJar) -> impl IntoResponse {
    let session = if jar.get(SESSION).is_some() { jar } else { jar.add(BrowserSession::new().cookie()) };
    (session, Html(include_str!("../web/index.html")))
}

#[derive(Deserialize)]
struct AccountQuery {
    account: Option<String>,
}

impl SiteConfig {
    /// The account of this name, or the first if no name is given.
    fn account(&self, asked: Option<&str>) -> Result<&AccountName, Problem> {
        let is_it = |known: &&AccountName| asked.is_none_or(|asked| asked == known.as_str());
        self.accounts.iter().find(is_it).ok_or_else(unknown_account)
    }
}

fn unknown_account() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "account_unknown", "nobody logs in here with this account")
}

async fn page_config(
    State(site): State<Arc<DemoSite>>,
    session: BrowserSession,
    asked: Result<Query<AccountQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let SiteConfig { gateway, simulated_phones, .. } = &site.config;
    let Query(AccountQuery { account }) = asked.map_err(|_| unknown_account())?;
    let account = site.config.account(account.as_deref())?;
    let phone = |phones: &Url| phones.join(&format!("phone/{account}")).expect("a name joins an address");
    Ok(Json(json!({
        "gateway": gateway.as_str().trim_end_matches('/'),
        "account": account,
        "state": session.state(),
        "simulatedPhone": simulated_phones.as_ref().map(phone),
    })))
}

#[derive(Deserialize)]
struct LogInRequest {
    account: Option<String>,
    grant: String,
}

/// Redeems the grant. A real site would now start its own session for this openid; this one shows the page what
/// it got.
async fn log_in(
    State(site): State<Arc<DemoSite>>,
    session: BrowserSession,
    headers: HeaderMap,
    Json(LogInRequest { account, grant }): Json<LogInRequest>,
) -> Result<Response, Problem> {
    if !same_origin(&headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", "only the login page may log in"));
    }
    let account = site.config.account(account.as_deref())?;
    let unreachable =
        |_| Problem::unavailable("callback_unreachable", "the grant could not be redeemed now", Duration::from_secs(1));
    let redeem = site.config.callback_internal.join("/v1/redeem").expect("a path joins an HTTP address");
    let response = site
        .http
        .post(redeem)
        .timeout(REDEEM_TIMEOUT)
        .bearer_auth(site.config.api_key.text())
        // The page repeats a grant whose answer got lost on the way; the callback then sees the same call.
        .header("idempotency-key", digest(&["redeem", &session.0, &grant]))
        .json(&json!({ "account": account, "grant": grant, "state": session.state() }))
        .send()
        .await
        .map_err(unreachable)?;
    let status = response.status();
    let answer: Value = response.json().await.map_err(unreachable)?;
    if !status.is_success() {
        return Ok((status, Json(answer)).into_response());
    }
    // A login gets a new session, so that a session that an attacker planted before isn't logged in.
    Ok((CookieJar::new().add(BrowserSession::new().cookie()), Json(answer)).into_response())
}

/// Whether the request comes from a page of this site. Browsers say so on every POST.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    matches!((origin, text(header::HOST)), (Some((_, authority)), Some(host)) if authority == host)
}

#[cfg(test)]
#[path = "site_tests.rs"]
mod tests;
