//! A peer as a target, against a scripted server with the routes of `ws.js`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::StatusCode,
    response::{Html, Response},
    routing::{any, get, post},
};
use scenecast_loadtest::{
    ledger::PhoneResult,
    plan::WayIn,
    results::TargetInfo,
    targets::{
        Heard, LoginTarget, OpenedPage, PageError, PageNews, Seat, TargetPage,
        peers::{PeerKind, PeerPage, PeerTarget},
    },
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

/// The pages of a scripted server, by channel.
type Pages = Arc<Mutex<HashMap<String, UnboundedSender<Message>>>>;

const SEAT: Seat = Seat { number: 7, source: None, way: WayIn::WebSocket };

/// A server that holds pages, and publishes what is posted.
pub(crate) fn scripted_peer() -> Router {
    Router::new()
        .route("/ws/{channel}", get(hold_page))
        .route("/pub/{channel}", post(publish))
        .with_state(Pages::default())
}

async fn hold_page(State(pages): State<Pages>, Path(channel): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let (sender, mut messages) = unbounded_channel();
        pages.lock().unwrap().insert(channel, sender);
        while let Some(message) = messages.recv().await {
            socket.send(message).await.unwrap();
        }
    })
}

/// Pings the page first: it has to answer that, and still hear the message.
async fn publish(State(pages): State<Pages>, Path(channel): Path<String>, body: String) -> StatusCode {
    let page = pages.lock().unwrap().get(&channel).cloned();
    let Some(page) = page else { return StatusCode::NOT_FOUND };
    page.send(Message::Ping("there?".into())).unwrap();
    page.send(Message::Text(body.into())).unwrap();
    StatusCode::OK
}

pub(crate) async fn serve(routes: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, routes).into_future());
    address
}

/// A server that closes every connection.
async fn closing_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    address
}

fn target(holder: SocketAddr, publisher: SocketAddr) -> PeerTarget {
    PeerTarget::new(PeerKind::Ws, holder, publisher, 200, TargetInfo::default())
}

async fn told(target: &PeerTarget) -> Option<PhoneResult> {
    let triggered = target.trigger(SEAT.scene(), Instant::now(), &PageNews::default()).await;
    triggered.map(|triggered| triggered.told)
}

#[tokio::test]
async fn a_page_hears_what_is_published_for_it() {
    let server = serve(scripted_peer()).await;
    let target = target(server, server);
    let OpenedPage { mut page, scene, .. } = target.open(SEAT).await.unwrap();
    let mut other = target.open(Seat { number: 8, ..SEAT }).await.unwrap().page;
    // The server learns of its pages after the handshake.
    while told(&target).await != Some(PhoneResult::Accepted) {}
    assert_eq!((page.hear().await, scene), (Heard::Login { grant: None }, SEAT.scene()));
    let nothing = tokio::time::timeout(std::time::Duration::from_millis(50), other.hear()).await;
    assert!(nothing.is_err(), "another page heard {nothing:?}");
    // It comes again on a new connection.
    target.reconnect(&mut page, SEAT).await.unwrap();
    while told(&target).await != Some(PhoneResult::Accepted) {}
    assert_eq!(page.hear().await, Heard::Login { grant: None });
}

#[tokio::test]
async fn what_is_no_such_server_is_told_apart() {
    let web_site = serve(Router::new().fallback(any(|| async { Html("<html>") }))).await;
    let closing = closing_server().await;
    let nobody = "127.0.0.1:1".parse().unwrap();
    let open =
        async |server| target(server, server).open(SEAT).await.map(|opened: OpenedPage<PeerPage, _>| opened.scene);
    assert_eq!(open(web_site).await, Err(PageError::Refused("status 200".to_owned())));
    assert!(matches!(open(closing).await, Err(PageError::Connection(_))));
    assert_eq!(open(nobody).await, Err(PageError::Connection("connection refused".to_owned())));

    let peer = serve(scripted_peer()).await;
    assert_eq!(told(&target(peer, peer)).await, Some(PhoneResult::Refused), "nobody is subscribed");
    assert_eq!(told(&target(peer, closing)).await, Some(PhoneResult::Nothing));
    assert_eq!(told(&target(peer, nobody)).await, None, "nothing could be sent");
}
