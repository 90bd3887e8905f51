//! A listener, and a client that sends raw bytes.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::Request, routing::get};
use scenecast_service::{
    admission::Overloaded,
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long a test waits for an event.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) const ANYWHERE: &str = "127.0.0.1:0";
pub(crate) const LIMITS: ListenerLimits = ListenerLimits { connections: 100, idle: Duration::from_secs(10) };

pub(crate) async fn serve(app: Router, limits: ListenerLimits, shutdown: &Shutdown) -> SocketAddr {
    let listener = Listener::bind("tests", ANYWHERE.parse().unwrap(), limits).await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(app, shutdown.clone()));
    address
}

/// A client that sends raw bytes on one connection.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn send_get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")).await;
    }

    /// Reads a response: its status and body.
    pub(crate) async fn read_response(&mut self) -> (u16, String) {
        let (head, body) = self.read_whole_response().await;
        (head[9..12].parse().unwrap(), body)
    }

    /// Reads a response: its head, in lower case, and its body.
    pub(crate) async fn read_whole_response(&mut self) -> (String, String) {
        let head = self.read_head().await;
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let body = self.read_text(length.parse().unwrap()).await;
        (head, body)
    }

    /// Reads the head of a response, in lower case.
    pub(crate) async fn read_head(&mut self) -> String {
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap().to_lowercase()
    }

    /// Reads so many bytes.
    pub(crate) async fn read_text(&mut self, length: usize) -> String {
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        timeout(TEST_TIMEOUT, self.0.read_to_string(&mut rest)).await.expect("the connection to be closed").unwrap();
        rest
    }
}

pub(crate) async fn get_path(address: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Client::connect(address).await;
    client.send_get(path).await;
    client.read_response().await
}

/// Says `one too many` on a rejected connection, and `served` on others.
pub(crate) fn admission_app() -> Router {
    let which = |request: Request| async move {
        let is_rejected = request.extensions().get::<Overloaded>().is_some();
        if is_rejected { "one too many" } else { "served" }
    };
    Router::new().route("/", get(which))
}
