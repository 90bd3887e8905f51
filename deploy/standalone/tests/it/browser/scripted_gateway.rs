//! The gateway's side of the wire, said line by line by a test: what no real gateway says on demand.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, header},
    response::Html,
    routing::{delete, get},
};
use scenecast_gateway::page_module;
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};

/// A page around the module: `start` begins a login, `nextEvent` hands over what it tells, in order.
const PAGE: &str = r"<!doctype html><script type=module>
import { login } from '/v1/scenecast.js';
const TYPES = ['opened', 'offline', 'online', 'scanned', 'confirmed', 'declined', 'cancelled', 'expired', 'problem'];
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
}

impl ScriptedGateway {
    pub(super) async fn start() -> Self {
        let (connections, connections_heard) = mpsc::unbounded_channel();
        let (given_up, given_up_heard) = mpsc::unbounded_channel();
        let app = Router::new()
            .route("/", get(async || Html(PAGE)))
            .route("/v1/scenecast.js", get(async || ([(header::CONTENT_TYPE, "text/javascript")], page_module())))
            .route("/v1/ws", get(accept))
            .route("/v1/scenes/{scene}", delete(give_up))
            .with_state(Arc::new(Senders { connections, given_up }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let page = format!("http://{}/", listener.local_addr().expect("bound"));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { page, connections: connections_heard, given_up: given_up_heard }
    }

    /// The next connection that a page makes.
    pub(super) async fn connection(&mut self) -> Connection {
        self.connections.recv().await.expect("the server runs as long as the test")
    }

    /// The next scene that a page gives up, and what the page showed to be allowed to.
    pub(super) async fn given_up(&mut self) -> (String, String) {
        self.given_up.recv().await.expect("the server runs as long as the test")
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
