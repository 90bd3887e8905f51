//! A gateway whose every frame is sent by the test, also frames that no real gateway sends on demand. It plays the
//! callback, too, and redeems every grant.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{
        Path, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode, Uri, header},
    response::Html,
    routing::{delete, get, post},
};
use scenecast_browsers::chromium::{Browser, ScreenSize};
use scenecast_gateway::{login_box_module, page_module};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

/// A page around the module: `start` begins a login, `startWith` does so with these options, `nextEvent` gives the next
/// event that the module dispatched.
const PAGE: &str = r"<!doctype html><script type=module>
import { login } from '/v1/scenecast.js';
const TYPES = [
  'opened', 'offline', 'trouble', 'online', 'scanned', 'confirmed', 'declined', 'cancelled', 'expired', 'problem',
];
const events = [];
let listener;
const pass = () => { if (listener && events.length) { listener(events.shift()); listener = undefined; } };
window.nextEvent = (done) => { listener = done; pass(); };
window.start = (state) => startWith({ account: 'demo', state });
window.startWith = (options) => {
  window.attempt = login(options);
  for (const type of TYPES) attempt.addEventListener(type, ({ detail }) => { events.push([type, detail]); pass(); });
};
document.documentElement.id = 'ready';
</script>";

/// A server with the page, the module, and a WebSocket whose frames the test sends.
pub(super) struct ScriptedGateway {
    pub(super) page: String,
    connections: mpsc::UnboundedReceiver<ScriptedConnection>,
    cancelled: mpsc::UnboundedReceiver<(String, String)>,
    redeemed: mpsc::UnboundedReceiver<String>,
    asked_for_scene: mpsc::UnboundedReceiver<()>,
}

/// A page's connection, after its first frame.
pub(super) struct ScriptedConnection {
    /// The page's first frame.
    pub(super) first: Value,
    /// When the page connected.
    pub(super) at: Instant,
    /// The query of its address.
    pub(super) query: String,
    socket: WebSocket,
}

struct ScriptedGatewaySenders {
    connections: mpsc::UnboundedSender<ScriptedConnection>,
    cancelled: mpsc::UnboundedSender<(String, String)>,
    redeemed: mpsc::UnboundedSender<String>,
    asked_for_scene: mpsc::UnboundedSender<()>,
}

impl ScriptedGateway {
    pub(super) async fn start() -> Self {
        let (connections, connections_receiver) = mpsc::unbounded_channel();
        let (cancelled, cancelled_receiver) = mpsc::unbounded_channel();
        let (redeemed, redeemed_receiver) = mpsc::unbounded_channel();
        let (asked_for_scene, asked_for_scene_receiver) = mpsc::unbounded_channel();
        // A page of any origin may import the module.
        let module = [(header::CONTENT_TYPE, "text/javascript"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
        let app = Router::new()
            .route("/", get(async || Html(PAGE)))
            .route(
                "/v1/scenecast.js",
                get({
                    let module = module.clone();
                    async move || (module, page_module())
                }),
            )
            .route("/v1/scenecast-login.js", get(async move || (module, login_box_module())))
            .route("/v1/ws", get(accept))
            .route("/behind/a/proxy/v1/ws", get(accept))
            .route("/v1/scenes", post(refuse_scene))
            .route("/v1/scenes/{scene}", delete(cancel))
            .route("/v1/redeem", post(redeem))
            .with_state(Arc::new(ScriptedGatewaySenders { connections, cancelled, redeemed, asked_for_scene }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let page = format!("http://{}/", listener.local_addr().expect("bound"));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self {
            page,
            connections: connections_receiver,
            cancelled: cancelled_receiver,
            redeemed: redeemed_receiver,
            asked_for_scene: asked_for_scene_receiver,
        }
    }

    /// Waits until a page asks for a scene without a WebSocket. It is refused, as by a proxy.
    pub(super) async fn asked_for_scene(&mut self) {
        self.asked_for_scene.recv().await.expect("the server runs as long as the test");
    }

    /// The next connection that a page makes.
    pub(super) async fn connection(&mut self) -> ScriptedConnection {
        soon(self.connections.recv()).await
    }

    /// Whether a page has connected.
    pub(super) fn has_connection(&mut self) -> bool {
        self.connections.try_recv().is_ok()
    }

    /// The next scene that a page cancels, and the request's `Authorization`.
    pub(super) async fn cancelled(&mut self) -> (String, String) {
        soon(self.cancelled.recv()).await
    }

    /// The next grant that was redeemed, if there is one.
    pub(super) fn redeemed(&mut self) -> Option<String> {
        self.redeemed.try_recv().ok()
    }
}

/// What a page does within half a minute.
async fn soon<T>(next: impl Future<Output = Option<T>>) -> T {
    let next = tokio::time::timeout(Duration::from_secs(30), next).await;
    next.expect("the page does it soon").expect("the server runs as long as the test")
}

impl ScriptedConnection {
    pub(super) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Sends a text that needn't be a frame.
    pub(super) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("the page is connected");
    }

    /// Sends a frame to a page that may have left.
    pub(super) async fn try_send(&mut self, frame: Value) {
        let _ = self.socket.send(Message::text(frame.to_string())).await;
    }

    /// Closes with a close frame, and waits for the page's.
    pub(super) async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        self.socket.send(Message::Close(Some(frame))).await.expect("the page is connected");
        while let Some(Ok(_)) = self.socket.recv().await {}
    }

    /// Closes the TCP connection without a close frame.
    pub(super) fn drop_without_close(self) {
        drop(self.socket);
    }
}

async fn accept(
    State(senders): State<Arc<ScriptedGatewaySenders>>,
    uri: Uri,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    let at = Instant::now();
    let query = uri.query().unwrap_or_default().to_owned();
    upgrade.protocols(["scenecast.v1"]).on_upgrade(async move |mut socket| {
        assert!(socket.protocol().is_some(), "the page speaks scenecast.v1");
        let Some(Ok(Message::Text(first))) = socket.recv().await else { return };
        let first = serde_json::from_str(&first).expect("the page sends JSON");
        let _ = senders.connections.send(ScriptedConnection { first, at, query, socket });
    })
}

async fn cancel(State(senders): State<Arc<ScriptedGatewaySenders>>, Path(scene): Path<String>, headers: HeaderMap) {
    let authorization = headers[header::AUTHORIZATION].to_str().expect("ASCII").to_owned();
    let _ = senders.cancelled.send((scene, authorization));
}

async fn refuse_scene(State(senders): State<Arc<ScriptedGatewaySenders>>) -> StatusCode {
    let _ = senders.asked_for_scene.send(());
    StatusCode::BAD_GATEWAY
}

async fn redeem(State(senders): State<Arc<ScriptedGatewaySenders>>, Json(request): Json<Value>) -> Json<Value> {
    let _ = senders.redeemed.send(request["grant"].as_str().expect("a grant is text").to_owned());
    Json(json!({ "account": "demo", "openid": "oLin", "profile": { "name": "Lin" } }))
}

/// A page that has loaded the module and not yet begun a login, and the gateway that it will ask.
pub(super) async fn scripted_page() -> (Browser, ScriptedGateway) {
    let gateway = ScriptedGateway::start().await;
    let browser = Browser::start(ScreenSize::Desktop, "en-US").await;
    browser.visit(&gateway.page).await;
    browser.see("#ready").await;
    (browser, gateway)
}

/// The next event that the page's module dispatches: its type and detail.
pub(super) async fn next_event(browser: &Browser) -> (String, Value) {
    serde_json::from_value(browser.run_async("nextEvent(done)").await).expect("type and detail")
}
