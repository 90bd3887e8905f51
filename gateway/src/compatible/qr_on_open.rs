//! A page that only connects, to any path of a port of its own. It gets the address of a QR code's image at once,
//! and later who logged in.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use scenecast_scene::{
    Claims, Login,
    internal::{Handle, OpenedHandle},
};
use scenecast_service::http::Problem;
use serde_json::json;

use super::{
    feed::{CompatibleFeed, UNWATCHED_CLASS},
    jitter::sleep_with_jitter,
    push_socket::PushSocket,
    route_context::{RouteContext, visitor_with_id},
    scene_image::SceneImage,
};
use crate::{
    refusal::PageRefusal,
    scenes::Visitor,
    transport::websocket::{CloseReason, WebSocketUpgrade},
};

/// The least time between two attempts to open a scene.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

pub(super) fn router(context: RouteContext) -> Router {
    Router::new().fallback(connect).with_state(context)
}

async fn connect(State(context): State<RouteContext>, mut request: Request) -> Result<Response, Problem> {
    let (upgrade, headers) = WebSocketUpgrade::from_request(&mut request, None)?;
    let visitor = visitor_with_id(&request, None);
    let shutdown = context.state().shutdown().clone();
    shutdown.spawn(async move {
        let Some(mut socket) = PushSocket::accept(context.clone(), upgrade).await else { return };
        let ended = serve(&mut socket, &context, visitor).await;
        socket.close(ended).await;
    });
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

async fn serve(socket: &mut PushSocket, context: &RouteContext, visitor: Visitor) -> Result<(), CloseReason> {
    let opening = Box::pin(open_unless_drained(context, &visitor));
    let (claims, address) = socket.run_while_connected(opening).await??;
    let scene = claims.scene;
    let ended = show(socket, &mut CompatibleFeed::new(context, claims, visitor), &address).await;
    if ended.is_err() {
        // This page is gone for its scene, since it can't come back to it. The phone must not be told that it logged in.
        context.state().abandon(scene);
    }
    ended
}

/// Sends the page its code's address, and then who logged in.
async fn show(socket: &mut PushSocket, feed: &mut CompatibleFeed, address: &str) -> Result<(), CloseReason> {
    socket.send(&json!({ "message_type": "qrcode_url", "url": address }).to_string())?;
    socket.push_login(feed, login_text).await
}

fn login_text(login: &Login) -> String {
    json!({ "message_type": "scan_success", "user": login.profile.name }).to_string()
}

/// A new scene and the address of its code's image, or the reason if the page is drained first.
async fn open_unless_drained(context: &RouteContext, visitor: &Visitor) -> Result<(Claims, String), CloseReason> {
    let drain = context.state().drain();
    let ticket = drain.join(UNWATCHED_CLASS);
    tokio::select! {
        opened = open_with_retries(context, visitor) => Ok(opened?),
        reason = drain.released(ticket.class()) => Err(CloseReason::Ended(reason.into())),
    }
}

/// A new scene and the address of its code's image. It tries again where that may help, because the page doesn't.
async fn open_with_retries(context: &RouteContext, visitor: &Visitor) -> Result<(Claims, String), PageRefusal> {
    loop {
        let (_, claims) = context.issue_key();
        match context.open(&claims, visitor.clone(), Handle::Any).await {
            Ok(OpenedHandle::Qr { picture, .. }) => return Ok((claims, picture)),
            Ok(opened) => {
                let address = SceneImage::of_code(&claims, &opened)?.data_url();
                return Ok((claims, address));
            }
            Err(refusal) => match refusal.retry_after() {
                Some(after) => sleep_with_jitter(after.max(SHORTEST_RETRY)).await,
                None => return Err(refusal),
            },
        }
    }
}
