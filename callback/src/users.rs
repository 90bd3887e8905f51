//! `/v1/accounts/{account}/users/{openid}`: what is known of somebody, and that the site has them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use scenecast_shared::{
    internal::Refused,
    scene::{AccountName, Language, OpenId},
    serve::{Problem, read_body},
};
use serde::Deserialize;

use crate::{accounts::Accounts, app::App, request::json, site::Known};

const LONGEST_BODY: usize = 1024;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/accounts/{account}/users/{openid}", get(find))
        .route("/v1/accounts/{account}/users/{openid}/registration", put(register))
}

/// What a site says of somebody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    registered: bool,
}

/// The account and the openid in the path; what isn't text can't be either.
type UserPath = Result<Path<(String, String)>, PathRejection>;

async fn find(State(app): State<Arc<App>>, path: UserPath, headers: HeaderMap) -> Result<Response, Problem> {
    let accounts = app.accounts();
    let Asked { account, language, openid, .. } = asked(&accounts, path, &headers)?;
    let user = app.users.find(&account, &openid).await?.ok_or_else(unknown)?;
    Ok(Json(Known::new(&account, &openid, &user, language)).into_response())
}

async fn register(State(app): State<Arc<App>>, path: UserPath, request: Request) -> Result<StatusCode, Problem> {
    let (head, body) = request.into_parts();
    let accounts = app.accounts();
    let Asked { account, openid, site, .. } = asked(&accounts, path, &head.headers)?;
    let Registration { registered } = json(&read_body(body, LONGEST_BODY).await?)?;
    let change = app.users.change(&account, &openid, |user| user.registered(registered));
    change.await?.ok_or_else(unknown)?;
    tracing::info!(site, %account, who = openid.short(), registered, "a site said whether it has somebody");
    Ok(StatusCode::NO_CONTENT)
}

/// Whom a call is about, and who calls.
struct Asked<'a> {
    account: AccountName,
    /// In which the account generates names.
    language: Language,
    openid: OpenId,
    /// The caller's name.
    site: &'a str,
}

/// Reads what a call is about; an account that isn't the caller's is none.
fn asked<'a>(accounts: &'a Accounts, path: UserPath, headers: &HeaderMap) -> Result<Asked<'a>, Problem> {
    let caller = accounts.api_keys.caller(headers)?;
    let Path((account, openid)) = path.map_err(|_| Problem::bad_request("the path is not text"))?;
    let account: Option<AccountName> = account.parse().ok().filter(|account| caller.accounts.contains(account));
    let known = account.and_then(|account| accounts.language(&account).map(|language| (account, language)));
    let (account, language) = known.ok_or_else(|| Refused::AccountUnknown.problem())?;
    let openid = openid.parse().map_err(|error| Problem::bad_request(format!("the path has {error}")))?;
    Ok(Asked { account, language, openid, site: caller.name })
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "user_unknown", "nobody with this openid is known to this account")
}
