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
    scene::OpenId,
    serve::{Problem, read_body},
};
use serde::Deserialize;

use crate::{
    accounts::{Account, Accounts},
    app::App,
    request::json,
    site::Known,
};

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
    let (account, openid, _) = asked(&accounts, path, &headers)?;
    let user = app.users.find(&account.name, &openid).await?.ok_or_else(unknown)?;
    Ok(Json(Known::new(&account.name, &openid, &user, account.settings.language)).into_response())
}

async fn register(State(app): State<Arc<App>>, path: UserPath, request: Request) -> Result<StatusCode, Problem> {
    let (head, body) = request.into_parts();
    let accounts = app.accounts();
    let (account, openid, site) = asked(&accounts, path, &head.headers)?;
    let Registration { registered } = json(&read_body(body, LONGEST_BODY).await?)?;
    let change = app.users.change(&account.name, &openid, |user| user.registered(registered));
    change.await?.ok_or_else(unknown)?;
    tracing::info!(site, account = %account.name, who = openid.short(), registered, "a site said whether it has somebody");
    Ok(StatusCode::NO_CONTENT)
}

/// Whom a call is about, and the site's name; an account that isn't the caller's is none.
fn asked<'a>(
    accounts: &'a Accounts,
    path: UserPath,
    headers: &HeaderMap,
) -> Result<(&'a Account, OpenId, &'a str), Problem> {
    let caller = accounts.api_keys.caller(headers)?;
    let Path((account, openid)) = path.map_err(|_| Problem::bad_request("the path is not text"))?;
    let account = account.parse().ok().filter(|account| caller.accounts.contains(account));
    let account = account.and_then(|account| accounts.official(&account));
    let account = account.ok_or_else(|| Refused::AccountUnknown.problem())?;
    let openid = openid.parse().map_err(|error| Problem::bad_request(format!("the path has {error}")))?;
    Ok((account, openid, caller.name))
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "user_unknown", "nobody with this openid is known to this account")
}
