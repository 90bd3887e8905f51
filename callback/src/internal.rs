//! The gateways' calls: open a scene with what its page shows, open lost ones again, give one up.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    routing::post,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use scenecast_shared::{
    internal::{
        BODY_AT_MOST, CANCEL_PATH, Cancel, HEADER, OPEN_PATH, Open, Opened, REOPEN_CHUNK, REOPEN_PATH, Reopen, verify,
    },
    scene::{Cause, DeliveryId, Opening, Settled, Transition},
    serve::{Problem, read_body},
    telemetry::{Stage, traceparent},
    time::{unix_now, unix_now_ms},
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Span;

use crate::{
    app::App,
    handle,
    request::{header, json},
};

/// The longest life of a scene, which those of compatible routes have.
const LONGEST_LIFE: Duration = Duration::from_secs(60 * 60);
/// Scenes that are opened again at a time.
const REOPENED_AT_ONCE: usize = 64;
/// How long giving up a scene may take.
const CANCEL_LIMIT: Duration = Duration::from_secs(4);

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route(OPEN_PATH, post(open)).route(REOPEN_PATH, post(reopen)).route(CANCEL_PATH, post(cancel))
}

/// The call's body, if a gateway signed it.
async fn authentic<T: DeserializeOwned>(app: &App, request: Request) -> Result<T, Problem> {
    let (head, body) = request.into_parts();
    let body = read_body(body, BODY_AT_MOST).await?;
    let signature = header(&head.headers, HEADER).unwrap_or_default();
    verify(&app.internal_secret, unix_now(), head.uri.path(), &body, signature).map_err(|error| {
        tracing::warn!(%error, "refused an internal call");
        Problem::new(StatusCode::UNAUTHORIZED, "signature_invalid", error.to_string())
    })?;
    json(&body)
}

#[tracing::instrument(skip_all, fields(account, scene))]
async fn open(State(app): State<Arc<App>>, request: Request) -> Result<Json<Opened>, Problem> {
    let Open { scene, account, binding, page, life_ms, handle } = authentic(&app, request).await?;
    Span::current().record("account", account.as_str()).record("scene", tracing::field::display(scene));
    let life = life(life_ms).ok_or_else(|| Problem::bad_request("life_ms must be 1 to 3600000"))?;
    let opened = handle::make(&app, &account, scene, life, handle).await?;
    if app.bus.open(scene, &Opening { account, binding, page, life }).await? {
        app.counts.stages.count(Stage::Opened);
    }
    Ok(Json(opened))
}

/// Answers how many were opened; those that were there already, or whose account isn't here, aren't.
async fn reopen(State(app): State<Arc<App>>, request: Request) -> Result<Json<usize>, Problem> {
    let lost: Vec<Reopen> = authentic(&app, request).await?;
    if lost.len() > REOPEN_CHUNK {
        return Err(Problem::bad_request(format!("there are more than {REOPEN_CHUNK} scenes")));
    }
    let accounts = app.accounts();
    let openings = lost.into_iter().filter_map(|Reopen { scene, account, binding, page, life_ms }| {
        let known = accounts.has(&account);
        known.then_some((scene, Opening { account, binding, page, life: life(life_ms)? }))
    });
    let opened = stream::iter(openings)
        .map(async |(scene, opening)| app.bus.open(scene, &opening).await)
        .buffer_unordered(REOPENED_AT_ONCE)
        .try_fold(0, async |opened, made| Ok(opened + usize::from(made)))
        .await?;
    tracing::info!(opened, "opened lost scenes again");
    Ok(Json(opened))
}

/// A scene that has ended otherwise, or is unknown, is given up as well as it can be.
async fn cancel(State(app): State<Arc<App>>, request: Request) -> Result<StatusCode, Problem> {
    let Cancel { scene } = authentic(&app, request).await?;
    let cause = Cause {
        delivery: DeliveryId::of(&["cancel", &scene.to_string()]),
        received_at: unix_now_ms(),
        traceparent: traceparent(&Span::current()),
    };
    let settled = app.settle(scene, &cause, &Transition::Cancel, Instant::now() + CANCEL_LIMIT).await;
    if let Settled::Applied(_) = settled? {
        app.counts.stages.count(Stage::Cancelled);
    }
    Ok(StatusCode::NO_CONTENT)
}

fn life(millis: u64) -> Option<Duration> {
    let life = Duration::from_millis(millis);
    (!life.is_zero() && life <= LONGEST_LIFE).then_some(life)
}
