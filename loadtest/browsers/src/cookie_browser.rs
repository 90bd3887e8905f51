//! A browser that keeps cookies but renders nothing, for the pages of compatible routes.

use std::collections::{BTreeMap, VecDeque};

use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{COOKIE, HeaderMap, HeaderValue, LOCATION, ORIGIN, SET_COOKIE},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use url::Url;

/// The browser follows at most this many redirects.
const MAX_REDIRECTS: usize = 5;

/// A browser. It keeps the cookies that it receives, and sends them with every request.
#[derive(Debug)]
pub struct CookieBrowser {
    http: Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Default for CookieBrowser {
    fn default() -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        Self { http: http.expect("the TLS library starts"), cookies: Mutex::default() }
    }
}

impl CookieBrowser {
    /// A browser that already has this cookie.
    pub fn with_cookie(name: &str, value: &str) -> Self {
        let browser = Self::default();
        browser.cookies.lock().insert(name.to_owned(), value.to_owned());
        browser
    }

    /// The current cookies, by name.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().clone()
    }

    /// Gets a URL, and follows redirects.
    pub async fn get(&self, url: &str) -> Response {
        self.follow(url, |url| self.http.get(url)).await
    }

    async fn follow(&self, url: &str, request: impl Fn(Url) -> RequestBuilder) -> Response {
        let mut url = Url::parse(url).expect("a valid address");
        for _ in 0..MAX_REDIRECTS {
            let response = self.send(request(url.clone())).await;
            match response.headers().get(LOCATION) {
                Some(to) if response.status() == StatusCode::TEMPORARY_REDIRECT => {
                    url = url.join(to.to_str().expect("ASCII")).expect("a valid address");
                }
                _ => return response,
            }
        }
        panic!("{url} is redirected too often");
    }

    /// Posts a body of this type, and follows redirects.
    pub async fn post(&self, url: &str, content_type: &str, body: String) -> Response {
        self.follow(url, |url| self.http.post(url).header("content-type", content_type).body(body.clone())).await
    }

    /// Sends a request with the cookies. Doesn't follow redirects.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let response = request.headers(self.cookie_header()).send().await.expect("an answer");
        self.keep(response.headers());
        response
    }

    /// Connects a WebSocket without a sub-protocol.
    pub async fn connect(&self, url: &str) -> Result<PageSocket, tungstenite::Error> {
        self.connect_with(url, HeaderMap::new()).await
    }

    /// The same as a page of this origin.
    pub async fn connect_from(&self, url: &str, origin: &str) -> Result<PageSocket, tungstenite::Error> {
        self.connect_with(url, HeaderMap::from_iter([(ORIGIN, HeaderValue::from_str(origin)?)])).await
    }

    async fn connect_with(&self, url: &str, headers: HeaderMap) -> Result<PageSocket, tungstenite::Error> {
        let mut request = url.into_client_request()?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(self.cookie_header());
        let (socket, response) = connect_async(request).await?;
        self.keep(response.headers());
        Ok(PageSocket(socket))
    }

    pub async fn subscribe(&self, url: &str) -> Result<ServerEvents, StatusCode> {
        let response = self.get(url).await;
        match response.status() {
            StatusCode::OK => Ok(ServerEvents { response, text: String::new(), pending: VecDeque::new() }),
            status => Err(status),
        }
    }

    fn cookie_header(&self) -> HeaderMap {
        let cookies: Vec<String> = self.cookies.lock().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = HeaderValue::from_str(&cookies.join("; ")).expect("cookies are ASCII");
        if cookies.is_empty() { HeaderMap::new() } else { HeaderMap::from_iter([(COOKIE, text)]) }
    }

    fn keep(&self, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE).iter().filter_map(|set| set.to_str().ok()) {
            let (cookie, attributes) = set.split_once(';').unwrap_or((set, ""));
            let Some((name, value)) = cookie.split_once('=') else { continue };
            if attributes.contains("Max-Age=0") {
                self.cookies.lock().remove(name);
            } else {
                self.cookies.lock().insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What a [`PageSocket`] receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketMessage {
    Text(String),
    /// The server closed the connection, with this code.
    Closed(u16),
    Broken,
}

#[derive(Debug)]
pub struct PageSocket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl PageSocket {
    /// Sends a text. The server ignores it.
    pub async fn send_text(&mut self, text: &str) -> Result<(), tungstenite::Error> {
        self.0.send(Message::text(text)).await
    }

    /// Waits for the next message. Answers pings meanwhile.
    pub async fn next_message(&mut self) -> SocketMessage {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return SocketMessage::Text(text.to_string()),
                Some(Ok(Message::Close(frame))) => {
                    return SocketMessage::Closed(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return SocketMessage::Broken,
            }
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// The text; empty if the event only sets `retry`.
    pub data: String,
    /// How long the browser should wait before it reconnects, in milliseconds.
    pub retry: Option<u64>,
}

/// The server-sent events of a page.
#[derive(Debug)]
pub struct ServerEvents {
    response: Response,
    text: String,
    pending: VecDeque<ServerEvent>,
}

impl ServerEvents {
    /// The next event; `None` after the connection has ended.
    pub async fn next(&mut self) -> Option<ServerEvent> {
        while self.pending.is_empty() {
            let chunk = self.response.chunk().await.ok()??;
            self.text += std::str::from_utf8(&chunk).expect("no chunk ends within a character");
            while let Some(end) = self.text.find("\n\n") {
                let frame: String = self.text.drain(..end + 2).collect();
                self.pending.extend(parse_event(&frame));
            }
        }
        self.pending.pop_front()
    }
}

/// Parses the lines of an event; `None` if they are only a comment.
fn parse_event(lines: &str) -> Option<ServerEvent> {
    let field = |name: &str| lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let event = ServerEvent {
        data: field("data").unwrap_or_default().to_owned(),
        retry: field("retry").and_then(|text| text.parse().ok()),
    };
    (event != ServerEvent::default()).then_some(event)
}
