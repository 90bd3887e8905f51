//! The gateway's side of the wire, said line by line by a test: what no real gateway says on demand.
//! It redeems whatever it is asked to.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, header},
    response::Html,
    routing::{delete, get, post},
};
use scenecast_gateway::page_module;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

/// A page around the module: `start` begins a login, `nextEvent` hands over what it tells, in order.
const PAGE: &str = r"<!doctype html><script type=module>
import { login } from '/v1/scenecast.js';
const TYPES = [
  'opened', 'offline', 'trouble', 'online', 'scanned', 'confirmed', 'declined', 'cancelled', 'expired', 'problem',
];
const events = [];
let listener;
const pass = () => { if (listener && events.length) { listener(events.shift()); listener = undefined; } };
window.nextEvent = (done) => { listener = done; pass(); };
window.start = (state) => {
  window.attempt = login({ account: 'demo', state });
  for (const type of TYPES) attempt.addEventListener(type, ({ detail }) => { events.push([type, detail]); pass(); });
};
document.documentElement.id = 'ready';
</script>";

/// A server with the page, the module, and a WebSocket that leaves the talking to the test.
pub(super) struct ScriptedGateway {
    pub(super) page: String,
    connections: mpsc::UnboundedReceiver<Connection>,
    given_up: mpsc::UnboundedReceiver<(String, String)>,
    redeemed: mpsc::UnboundedReceiver<String>,
}

/// A page's connection, after its first frame.
pub(super) struct Connection {
    /// What the page said.
    pub(super) first: Value,
    /// When the page came.
    pub(super) at: Instant,
    socket: WebSocket,
}

struct Senders {
    connections: mpsc::UnboundedSender<Connection>,
    given_up: mpsc::UnboundedSender<(String, String)>,
    redeemed: mpsc::UnboundedSender<String>,
}

impl ScriptedGateway {
    pub(super) async fn start() -> Self {
        let (connections, connections_heard) = mpsc::unbounded_channel();
        let (given_up, given_up_heard) = mpsc::unbounded_channel();
        let (redeemed, redeemed_heard) = mpsc::unbounded_channel();
        // A page of any origin may import the module.
        let module = [(header::CONTENT_TYPE, "text/javascript"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        let app = Router::new()
            .route("/", get(async || Html(PAGE)))
            .route("/v1/scenecast.js", get(async move || (module, page_module())))
            .route("/v1/ws", get(accept))
            .route("/v1/scenes/{scene}", delete(give_up))
            .route("/v1/redeem", post(redeem))
            .with_state(Arc::new(Senders { connections, given_up, redeemed }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let page = format!("http://{}/", listener.local_addr().expect("bound"));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { page, connections: connections_heard, given_up: given_up_heard, redeemed: redeemed_heard }
    }

    /// The next connection that a page makes.
    pub(super) async fn connection(&mut self) -> Connection {
        self.connections.recv().await.expect("the server runs as long as the test")
    }

    /// The next scene that a page gives up, and what the page showed to be allowed to.
    pub(super) async fn given_up(&mut self) -> (String, String) {
        self.given_up.recv().await.expect("the server runs as long as the test")
    }

    /// The next grant that was redeemed, if one has been.
    pub(super) fn redeemed(&mut self) -> Option<String> {
        self.redeemed.try_recv().ok()
    }
}

impl Connection {
    pub(super) async fn say(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.expect("the page listens");
    }

    /// Closes properly.
    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        self.socket.send(Message::Close(Some(frame))).await.expect("the page listens");
        while let Some(Ok(_)) = self.socket.recv().await {}
    }

    /// Ends without a word.
    pub(super) fn cut(self) {
        drop(self.socket);
    }
}

async fn accept(State(senders): State<Arc<Senders>>, upgrade: WebSocketUpgrade) -> axum::response::Response {
    let at = Instant::now();
    upgrade.protocols(["scenecast.v1"]).on_upgrade(async move |mut socket| {
        assert!(socket.protocol().is_some(), "the page speaks scenecast.v1");
        let Some(Ok(Message::Text(first))) = socket.recv().await else { return };
        let first = serde_json::from_str(&first).expect("the page says JSON");
        let _ = senders.connections.send(Connection { first, at, socket });
    })
}

async fn give_up(State(senders): State<Arc<Senders>>, Path(scene): Path<String>, headers: HeaderMap) {
    let authorization = headers[header::AUTHORIZATION].to_str().expect("ASCII").to_owned();
    let _ = senders.given_up.send((scene, authorization));
}

async fn redeem(State(senders): State<Arc<Senders>>, Json(asked): Json<Value>) -> Json<Value> {
    let _ = senders.redeemed.send(asked["grant"].as_str().expect("a grant is text").to_owned());
    Json(json!({ "account": "demo", "openid": "oLin", "profile": { "name": "Lin" } }))
}
