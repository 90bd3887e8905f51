//! `/v1/accounts/{account}/users/{openid}`: what is stored about a person, and whether the site has them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use scenecast_scene::{AccountName, Language, OpenId, internal::OpenRefusal};
use scenecast_service::http::{Problem, read_body};
use serde::Deserialize;

use crate::{
    accounts::{AccountRegistry, Accounts, PreviousSecretUses},
    people::UserDocument,
    problems::{from_refusal, from_store},
    request::json,
    stores::Users,
};

const MAX_BODY_BYTES: usize = 1024;

/// What the calls about people need.
pub(crate) struct UsersState {
    pub(crate) accounts: AccountRegistry,
    pub(crate) users: Users,
    pub(crate) previous_secrets: PreviousSecretUses,
}

pub(crate) fn router(state: UsersState) -> Router {
    Router::new()
        .route("/v1/accounts/{account}/users/{openid}", get(find))
        .route("/v1/accounts/{account}/users/{openid}/registration", put(register))
        .with_state(Arc::new(state))
}

/// What a site says about a person.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    registered: bool,
}

/// The account and the openid in the path. The rejection is a path that isn't text.
type UserPath = Result<Path<(String, String)>, PathRejection>;

async fn find(State(state): State<Arc<UsersState>>, path: UserPath, headers: HeaderMap) -> Result<Response, Problem> {
    let accounts = state.accounts.current();
    let UserQuery { account, language, openid, .. } = query(&accounts, path, &headers, &state.previous_secrets)?;
    let user = state.users.find_current(&account, &openid).await.map_err(|error| from_store(&account, &error))?;
    let user = user.ok_or_else(user_unknown)?;
    Ok(Json(UserDocument::new(&account, &openid, &user, language)).into_response())
}

async fn register(
    State(state): State<Arc<UsersState>>,
    path: UserPath,
    request: Request,
) -> Result<StatusCode, Problem> {
    let (head, body) = request.into_parts();
    let accounts = state.accounts.current();
    let UserQuery { account, openid, site, .. } = query(&accounts, path, &head.headers, &state.previous_secrets)?;
    let Registration { registered } = json(&read_body(body, MAX_BODY_BYTES).await?)?;
    let changed = state.users.change(&account, &openid, |user| user.set_registered(registered)).await;
    changed.map_err(|error| from_store(&account, &error))?.ok_or_else(user_unknown)?;
    tracing::info!(site, %account, who = openid.short(), registered, "a site said whether a person is registered there");
    Ok(StatusCode::NO_CONTENT)
}

/// The person whom a call is about, and the site that calls.
struct UserQuery<'a> {
    account: AccountName,
    /// The language of the account's generated names.
    language: Language,
    openid: OpenId,
    /// The name of the API key.
    site: &'a str,
}

/// Reads whom a call is about. An account of another site is unknown to this one.
fn query<'a>(
    accounts: &'a Accounts,
    path: UserPath,
    headers: &HeaderMap,
    previous_secrets: &PreviousSecretUses,
) -> Result<UserQuery<'a>, Problem> {
    let caller = accounts.api_keys.caller(headers, previous_secrets)?;
    let Path((account, openid)) = path.map_err(|_| Problem::bad_request("the path is not text"))?;
    let account: Option<AccountName> = account.parse().ok().filter(|account| caller.accounts.contains(account));
    let known = account.and_then(|account| accounts.language(&account).map(|language| (account, language)));
    let (account, language) = known.ok_or_else(|| from_refusal(OpenRefusal::AccountUnknown))?;
    let openid = openid.parse().map_err(|error| Problem::bad_request(format!("the path has {error}")))?;
    Ok(UserQuery { account, language, openid, site: caller.name })
}

fn user_unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "user_unknown", "nobody with this openid is known to this account")
}
