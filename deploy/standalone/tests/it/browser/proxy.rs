//! Something between a browser and the gateway that breaks what proxies break.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State, ws::WebSocketUpgrade},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use tokio::net::TcpListener;

/// What a page asks of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A WebSocket.
    Socket,
    /// A scene.
    Open,
    /// Its events, as a stream.
    Stream,
    /// Its events, by poll.
    Poll,
    /// Something else, which passes.
    Other,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// A socket is refused.
    Refused,
    /// A socket opens, and nothing that is sent on it arrives.
    Silent,
    /// An answer passes.
    Passed,
    /// An answer's head passes, and its body once it is whole.
    HeldBack,
    /// What takes longer is cut off.
    Cut(Duration),
    /// The gateway is said to have no room for a second.
    Crowded,
    /// A stream is told at once that its gateway leaves.
    Moved,
}

/// What becomes of the `nth` request of a kind, from 0.
type Rules = fn(asked: Asked, nth: usize) -> Way;

pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    rules: Rules,
    asked: Mutex<Vec<Asked>>,
    http: reqwest::Client,
}

impl Proxy {
    pub(super) async fn start(to: SocketAddr, rules: Rules) -> Self {
        let shared = Arc::new(Shared { to, rules, asked: Mutex::default(), http: reqwest::Client::new() });
        let app = Router::new().route("/v1/ws", get(open_socket)).fallback(pass_on).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, shared }
    }

    /// What was asked so far, but for [`Asked::Other`].
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn way(&self, asked: Asked) -> Way {
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = all.iter().filter(|before| **before == asked).count();
        all.push(asked);
        (self.rules)(asked, nth)
    }
}

async fn open_socket(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    match shared.way(Asked::Socket) {
        Way::Silent => upgrade.protocols(["scenecast.v1"]).on_upgrade(
            async |mut socket| {
                while let Some(Ok(_)) = socket.recv().await {}
            },
        ),
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn pass_on(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let asked = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/scenes") => Asked::Open,
        (&Method::GET, path) if path.ends_with("/events") => Asked::Stream,
        (&Method::GET, path) if path.starts_with("/v1/scenes/") => Asked::Poll,
        _ => Asked::Other,
    };
    let way = if asked == Asked::Other { Way::Passed } else { shared.way(asked) };
    let patience = match way {
        Way::Crowded => return crowded(),
        Way::Moved => return moved(),
        Way::Cut(after) => after,
        _ => Duration::from_secs(60),
    };
    match tokio::time::timeout(patience, shared.ask(request)).await {
        Ok(Ok(answer)) => answer_with(answer, way),
        Ok(Err(_)) => StatusCode::BAD_GATEWAY.into_response(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

fn crowded() -> Response {
    let headers = [
        (header::RETRY_AFTER, "1"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
}

fn moved() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let restart = "event: restart\ndata: {\"type\":\"restart\",\"retry_after_ms\":300}\nretry: 300\n\n";
    (headers, restart).into_response()
}

impl Shared {
    async fn ask(&self, request: Request) -> reqwest::Result<reqwest::Response> {
        let (head, body) = request.into_parts();
        let url = format!("http://{}{}", self.to, head.uri);
        let body = to_bytes(body, 64 * 1024).await.expect("pages say little");
        self.http.request(head.method, url).headers(head.headers).body(body).send().await
    }
}

fn answer_with(answer: reqwest::Response, way: Way) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = match way {
        Way::HeldBack => Body::from_stream(stream::once(answer.bytes())),
        Way::Cut(after) => {
            let passed = answer.bytes_stream().map(|part| part.map_err(io::Error::other));
            let cut = stream::once(async { Err(io::Error::other("cut")) });
            Body::from_stream(passed.take_until(tokio::time::sleep(after)).chain(cut))
        }
        _ => Body::from_stream(answer.bytes_stream()),
    };
    (status, headers, body).into_response()
}
