//! A browser with cookies and without pages: what the pages of compatible routes send, and what they hear.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use futures_util::{SinkExt, StreamExt};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use url::Url;

/// How often a request is sent elsewhere before that is too often.
const REDIRECTS: usize = 5;

/// One browser: keeps the cookies that it is given, and sends them with everything.
#[derive(Debug)]
pub struct Visitor {
    http: Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Default for Visitor {
    fn default() -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self { http: http.expect("the TLS library starts"), cookies: Mutex::default() }
    }
}

impl Visitor {
    /// A browser that keeps this cookie from before.
    pub fn with_cookie(name: &str, value: &str) -> Self {
        let visitor = Self::default();
        visitor.jar().insert(name.to_owned(), value.to_owned());
        visitor
    }

    /// The cookies that it keeps, by name.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.jar().clone()
    }

    /// Gets an address, wherever that is sent.
    pub async fn get(&self, url: &str) -> Response {
        let mut url = Url::parse(url).expect("a valid address");
        for _ in 0..REDIRECTS {
            let response = self.send(self.http.get(url.clone())).await;
            match response.headers().get(LOCATION) {
                Some(to) if response.status() == StatusCode::TEMPORARY_REDIRECT => {
                    url = url.join(to.to_str().expect("ASCII")).expect("a valid address");
                }
                _ => return response,
            }
        }
        panic!("{url} is sent elsewhere again and again");
    }

    /// Posts a body of this type.
    pub async fn post(&self, url: &str, content_type: &str, body: String) -> Response {
        self.send(self.http.post(url).header("content-type", content_type).body(body)).await
    }

    /// Sends a request with its cookies, once.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let response = request.headers(self.cookie_header()).send().await.expect("an answer");
        self.keep(response.headers());
        response
    }

    /// Connects a WebSocket without a sub-protocol.
    pub async fn connect(&self, url: &str) -> Result<Socket, tungstenite::Error> {
        let mut request = url.into_client_request()?;
        request.headers_mut().extend(self.cookie_header());
        let (socket, response) = connect_async(request).await?;
        self.keep(response.headers());
        Ok(Socket(socket))
    }

    /// Subscribes to server-sent events.
    pub async fn subscribe(&self, url: &str) -> Result<Events, StatusCode> {
        let response = self.get(url).await;
        match response.status() {
            StatusCode::OK => Ok(Events { response, text: String::new(), frames: VecDeque::new() }),
            status => Err(status),
        }
    }

    fn jar(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cookie_header(&self) -> HeaderMap {
        let cookies: Vec<String> = self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = HeaderValue::from_str(&cookies.join("; ")).expect("cookies are ASCII");
        if cookies.is_empty() { HeaderMap::new() } else { HeaderMap::from_iter([(COOKIE, text)]) }
    }

    fn keep(&self, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE).iter().filter_map(|set| set.to_str().ok()) {
            let (cookie, attributes) = set.split_once(';').unwrap_or((set, ""));
            let Some((name, value)) = cookie.split_once('=') else { continue };
            if attributes.contains("Max-Age=0") {
                self.jar().remove(name);
            } else {
                self.jar().insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What comes next on a [`Socket`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A text.
    Text(String),
    /// The server closed, with this code.
    Closed(u16),
    /// The connection broke.
    Broken,
}

/// A page's WebSocket.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Sends a text, which means nothing to the server.
    pub async fn say(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.0.send(Message::text(text)).await
    }

    /// What comes next; pings are answered on the way.
    pub async fn hear(&mut self) -> Said {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Said::Text(text.to_string()),
                Some(Ok(Message::Close(frame))) => return Said::Closed(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Said::Broken,
            }
        }
    }
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// Its text; empty if it only sets something.
    pub data: String,
    /// How long the browser is to wait before it connects again, in milliseconds.
    pub retry: Option<u64>,
}

/// A page's server-sent events.
#[derive(Debug)]
pub struct Events {
    response: Response,
    text: String,
    frames: VecDeque<ServerEvent>,
}

impl Events {
    /// The next event; none once the connection has ended.
    pub async fn next(&mut self) -> Option<ServerEvent> {
        while self.frames.is_empty() {
            let chunk = self.response.chunk().await.ok()??;
            self.text += std::str::from_utf8(&chunk).expect("frames are not cut within a character");
            while let Some(end) = self.text.find("\n\n") {
                let frame: String = self.text.drain(..end + 2).collect();
                self.frames.extend(read(&frame));
            }
        }
        self.frames.pop_front()
    }
}

/// An event's lines; none if they are but a comment.
fn read(lines: &str) -> Option<ServerEvent> {
    let field = |name: &str| lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let event = ServerEvent {
        data: field("data").unwrap_or_default().to_owned(),
        retry: field("retry").and_then(|text| text.parse().ok()),
    };
    (event != ServerEvent::default()).then_some(event)
}
