//! An HTTP proxy between a browser and the gateway that breaks what real proxies break.

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
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use tokio::net::TcpListener;

/// What a page requests from the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageRequest {
    /// A WebSocket.
    Socket,
    /// A scene.
    Open,
    /// The scene's events, as a stream.
    Stream,
    /// The scene's events, by long poll.
    Poll,
    /// That the page has its login.
    Acknowledge,
    /// Anything else. The proxy passes it on.
    Other,
}

/// What the proxy does with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum ProxyAction {
    /// Refuses a WebSocket with 403.
    Refuse,
    /// Accepts a WebSocket, and passes nothing on.
    Silence,
    /// Passes the request and its answer on.
    Pass,
    /// Passes the answer's head on at once, and the body only when it is complete.
    Buffer,
    /// Cuts off an answer that takes longer.
    CutAfter(Duration),
    /// Answers 503 with a delay of a second, as a gateway does that has no room.
    Overload,
    /// Answers with a stream that says at once that its gateway restarts.
    Restart,
}

/// What the proxy does with the `nth` request of a kind, counted from 0.
type ProxyRules = fn(request: PageRequest, nth: usize) -> ProxyAction;

pub(super) struct HttpFaultProxy {
    pub(super) address: SocketAddr,
    state: Arc<HttpFaultProxyState>,
}

struct HttpFaultProxyState {
    gateway: SocketAddr,
    rules: ProxyRules,
    requests: Mutex<Vec<PageRequest>>,
    http: reqwest::Client,
}

impl HttpFaultProxy {
    pub(super) async fn start(gateway: SocketAddr, rules: ProxyRules) -> Self {
        let state =
            Arc::new(HttpFaultProxyState { gateway, rules, requests: Mutex::default(), http: reqwest::Client::new() });
        let app = Router::new().route("/v1/ws", get(open_socket)).fallback(pass_on).with_state(state.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, state }
    }

    /// All requests so far, in order, without [`PageRequest::Other`].
    pub(super) fn requests(&self) -> Vec<PageRequest> {
        self.state.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl HttpFaultProxyState {
    /// Records the request, and says what the proxy does with it.
    fn action_for(&self, request: PageRequest) -> ProxyAction {
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let nth = all.iter().filter(|earlier| **earlier == request).count();
        all.push(request);
        (self.rules)(request, nth)
    }
}

async fn open_socket(State(state): State<Arc<HttpFaultProxyState>>, upgrade: WebSocketUpgrade) -> Response {
    match state.action_for(PageRequest::Socket) {
        ProxyAction::Silence => upgrade
            .protocols(["scenecast.v1"])
            .on_upgrade(async |mut socket| while let Some(Ok(_)) = socket.recv().await {}),
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn pass_on(State(state): State<Arc<HttpFaultProxyState>>, request: Request) -> Response {
    let kind = match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/scenes") => PageRequest::Open,
        (&Method::GET, path) if path.ends_with("/events") => PageRequest::Stream,
        (&Method::GET, path) if path.starts_with("/v1/scenes/") && is_acknowledgement(request.uri()) => {
            PageRequest::Acknowledge
        }
        (&Method::GET, path) if path.starts_with("/v1/scenes/") => PageRequest::Poll,
        _ => PageRequest::Other,
    };
    let action = if kind == PageRequest::Other { ProxyAction::Pass } else { state.action_for(kind) };
    let timeout = match action {
        ProxyAction::Overload => return overloaded(),
        ProxyAction::Restart => return restarting(),
        ProxyAction::CutAfter(after) => after,
        _ => Duration::from_secs(60),
    };
    match tokio::time::timeout(timeout, state.forward(request)).await {
        Ok(Ok(answer)) => answer_with(answer, action),
        Ok(Err(_)) => StatusCode::BAD_GATEWAY.into_response(),
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

/// A poll that waits for nothing, from a page that has had an event.
fn is_acknowledgement(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.ends_with("&wait=0") && !query.starts_with("after=0&"))
}

fn overloaded() -> Response {
    let headers = [
        (header::RETRY_AFTER, "1"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers).into_response()
}

fn restarting() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let restart = "event: restart\ndata: {\"type\":\"restart\",\"retry_after_ms\":300}\nretry: 300\n\n";
    (headers, restart).into_response()
}

impl HttpFaultProxyState {
    async fn forward(&self, request: Request) -> reqwest::Result<reqwest::Response> {
        let (head, body) = request.into_parts();
        let url = format!("http://{}{}", self.gateway, head.uri);
        let body = to_bytes(body, 64 * 1024).await.expect("pages send short bodies");
        self.http.request(head.method, url).headers(head.headers).body(body).send().await
    }
}

fn answer_with(answer: reqwest::Response, action: ProxyAction) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = match action {
        ProxyAction::Buffer => Body::from_stream(stream::once(answer.bytes())),
        ProxyAction::CutAfter(after) => {
            let received = answer.bytes_stream().map(|part| part.map_err(io::Error::other));
            let cut = stream::once(async { Err(io::Error::other("cut")) });
            Body::from_stream(received.take_until(tokio::time::sleep(after)).chain(cut))
        }
        _ => Body::from_stream(answer.bytes_stream()),
    };
    (status, headers, body).into_response()
}
