//! A page that only connects, to any path of a port of its own: it is sent the address of a QR code's
//! picture at once, and later who logged in.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use scenecast_shared::{
    internal::{Handle, Opened},
    scene::{Claims, Login, Page},
    serve::Problem,
};
use serde_json::json;

use super::{
    flow::{Flow, about, visitor},
    following::{Following, STAYS},
    one_way::OneWay,
    picture::Picture,
};
use crate::{hold::Leave, ws::Upgrade};

pub(super) fn router(flow: Flow) -> Router {
    Router::new().fallback(connect).with_state(flow)
}

async fn connect(State(flow): State<Flow>, mut request: Request) -> Result<Response, Problem> {
    let (upgrade, headers) = Upgrade::of(&mut request, None)?;
    let page = visitor(&request, None);
    let shutdown = flow.pages().shutdown().clone();
    shutdown.spawn(async move {
        let Some(mut one_way) = OneWay::accept(flow.clone(), upgrade).await else { return };
        let ended = serve(&mut one_way, &flow, page).await;
        one_way.end(ended).await;
    });
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn serve(one_way: &mut OneWay, flow: &Flow, page: Page) -> Result<(), Leave> {
    let (claims, address) = one_way.meanwhile(Box::pin(open_in_time(flow, &page))).await??;
    one_way.say(&json!({ "message_type": "qrcode_url", "url": address }).to_string())?;
    one_way.tell(&mut Following::new(flow, claims, page), scanned).await
}

fn scanned(login: &Login) -> String {
    json!({ "message_type": "scan_success", "user": login.profile.name }).to_string()
}

/// A scene, and the address of what its page shows, before it is the page's turn to go.
async fn open_in_time(flow: &Flow, page: &Page) -> Result<(Claims, String), Leave> {
    let in_line = flow.pages().turns().join(STAYS);
    tokio::select! {
        opened = open(flow, page) => Ok(opened?),
        end = flow.pages().turn(in_line.line()) => Err(Leave::Told(end)),
    }
}

/// A scene, and the address of what its page shows. What may work later is tried again: the page wouldn't.
async fn open(flow: &Flow, page: &Page) -> Result<(Claims, String), Problem> {
    loop {
        let (_, claims) = flow.issue();
        match flow.open(&claims, page.clone(), Handle::Any).await {
            Ok(Opened::Qr { picture, .. }) => return Ok((claims, picture)),
            Ok(opened) => return Ok((claims, Picture::of(&opened)?.data_url())),
            Err(Problem { retry_after: Some(after), .. }) => about(after.max(Duration::from_secs(1))).await,
            Err(problem) => return Err(problem),
        }
    }
}
