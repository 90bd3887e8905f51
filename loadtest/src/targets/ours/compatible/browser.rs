//! Requests with cookies, over a bare socket.

use std::net::{Ipv4Addr, SocketAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use httparse::{EMPTY_HEADER, Response};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::targets::{
    ours::{
        http_answer::AnswerHead,
        http_page::{answer_head, whole_answer},
        page_frame::broken,
        read_buffer::{consume, read_more},
    },
    source::connect,
    target::PageError,
};

/// More headers than any answer of a gateway has.
const MAX_HEADERS: usize = 40;
/// A longer head isn't one of a WebSocket, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A browser: its address, its origin, and the cookies that it keeps.
#[derive(Debug)]
pub(super) struct BareBrowser {
    pub(super) source: Option<Ipv4Addr>,
    pub(super) address: Ipv4Addr,
    pub(super) origin: Box<str>,
    /// As they are sent: `name=value; name=value`.
    cookies: String,
}

/// A connection, and what has come on it and is not read yet.
#[derive(Debug)]
pub(super) struct BareConnection {
    pub(super) stream: TcpStream,
    pub(super) rest: Vec<u8>,
}

impl BareBrowser {
    pub(super) fn new(source: Option<Ipv4Addr>, address: Ipv4Addr, origin: &str) -> Self {
        Self { source, address, origin: origin.into(), cookies: String::new() }
    }

    /// The cookies, as they are sent.
    pub(super) fn cookies(&self) -> &str {
        &self.cookies
    }

    /// A browser with these cookies.
    pub(super) fn with_cookies(self, cookies: &str) -> Self {
        Self { cookies: cookies.to_owned(), ..self }
    }

    pub(super) async fn connect(&self, server: SocketAddr) -> Result<BareConnection, PageError> {
        Ok(BareConnection { stream: connect(server, self.source).await.map_err(broken)?, rest: vec![] })
    }

    /// Gets a path, and answers status and body.
    pub(super) async fn get(&mut self, on: &mut BareConnection, path: &str) -> Result<(u16, Vec<u8>), PageError> {
        self.send(on, &format!("GET {path}"), "").await?;
        self.answer(on).await
    }

    /// Posts JSON, and answers status and body.
    pub(super) async fn post(
        &mut self,
        on: &mut BareConnection,
        path: &str,
        json: &str,
    ) -> Result<(u16, Vec<u8>), PageError> {
        self.send(on, &format!("POST {path}"), json).await?;
        self.answer(on).await
    }

    /// Opens a WebSocket. What has come after the head stays in the connection.
    pub(super) async fn open_socket(&mut self, server: SocketAddr, path: &str) -> Result<BareConnection, PageError> {
        let mut on = self.connect(server).await?;
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let upgrade = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        let head = self.head(&format!("GET {path}"), &upgrade);
        on.stream.write_all(head.as_bytes()).await.map_err(broken)?;
        let end = loop {
            if let Some(end) = on.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if on.rest.len() > MAX_HEAD {
                return Err(PageError::Protocol("no head of an HTTP answer".to_owned()));
            }
            if !read_more(&on.stream, &mut on.rest).await.map_err(broken)? {
                return Err(PageError::Connection("closed in the handshake".to_owned()));
            }
        };
        if !on.rest.starts_with(b"HTTP/1.1 101") {
            let status = String::from_utf8_lossy(&on.rest[..on.rest.len().min(12)]).into_owned();
            return Err(PageError::Protocol(format!("{status} in place of a WebSocket")));
        }
        self.keep_cookies(&on.rest[..end]);
        consume(&mut on.rest, end);
        Ok(on)
    }

    /// Opens a stream of events. Their chunks follow in the connection.
    pub(super) async fn open_events(&mut self, on: &mut BareConnection, path: &str) -> Result<(), PageError> {
        self.send(on, &format!("GET {path}"), "").await?;
        let AnswerHead { status, length, .. } = answer_head(&on.stream, &mut on.rest).await?;
        self.keep_cookies(&on.rest[..length]);
        consume(&mut on.rest, length);
        if status == 200 { Ok(()) } else { Err(PageError::Refused(format!("status {status}"))) }
    }

    async fn send(&self, on: &mut BareConnection, request: &str, json: &str) -> Result<(), PageError> {
        let body = if json.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", json.len())
        };
        let request = self.head(request, &body) + json;
        on.stream.write_all(request.as_bytes()).await.map_err(broken)
    }

    /// Sends a request for whose answer somebody else waits.
    pub(super) async fn ask(&self, on: &mut BareConnection, path: &str) -> Result<(), PageError> {
        self.send(on, &format!("GET {path}"), "").await
    }

    /// The next answer. It may be dropped at any moment and loses nothing.
    pub(super) async fn answer(&mut self, on: &mut BareConnection) -> Result<(u16, Vec<u8>), PageError> {
        let AnswerHead { length, .. } = answer_head(&on.stream, &mut on.rest).await?;
        self.keep_cookies(&on.rest[..length]);
        whole_answer(&on.stream, &mut on.rest).await
    }

    fn head(&self, request: &str, headers: &str) -> String {
        let Self { address, origin, cookies, .. } = self;
        let cookies = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
        format!(
            "{request} HTTP/1.1\r\nHost: gateway\r\nOrigin: {origin}\r\nX-Forwarded-For: {address}\r\n{cookies}{headers}\r\n"
        )
    }

    /// Keeps the cookies that this head sets.
    fn keep_cookies(&mut self, head: &[u8]) {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut answer = Response::new(&mut headers);
        if answer.parse(head).is_err() {
            return;
        }
        let set = answer.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("set-cookie"));
        for cookie in set.filter_map(|header| std::str::from_utf8(header.value).ok()?.split(';').next()) {
            let name = cookie.split('=').next().unwrap_or_default();
            let others =
                self.cookies.split("; ").filter(|kept| !kept.is_empty() && kept.split('=').next() != Some(name));
            self.cookies = others.chain([cookie]).collect::<Vec<_>>().join("; ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_by_their_name() {
        let mut browser = BareBrowser::new(None, Ipv4Addr::LOCALHOST, "https://www.example.com");
        assert!(!browser.head("GET /", "").contains("Cookie"));
        browser.keep_cookies(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; HttpOnly\r\nset-cookie: b=2\r\n\r\n");
        browser.keep_cookies(b"HTTP/1.1 200 OK\r\nset-cookie: a=3; Path=/\r\n\r\n");
        browser.keep_cookies(b"no head");
        assert_eq!(browser.cookies(), "b=2; a=3");
        assert!(browser.head("GET /", "").contains("\r\nCookie: b=2; a=3\r\n"));
    }
}
