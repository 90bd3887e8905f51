//! A proxy that is asked for tunnels, as every request over HTTPS asks for one, and gives none.

use std::time::Duration;

use scenecast_service::outbound::ProxyUrl;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};

use super::any_port;

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct HttpsProxy {
    pub(crate) url: ProxyUrl,
    heads: mpsc::UnboundedReceiver<String>,
}

impl HttpsProxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).try_into().unwrap();
        let (keep, heads) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && connection.read_buf(&mut head).await.unwrap_or(0) > 0 {}
                // The client may have gone, and so may the test.
                let _ = connection.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
                let _ = keep.send(String::from_utf8(head).unwrap());
            }
        });
        Self { url, heads }
    }

    /// The head of the next request for a tunnel.
    pub(crate) async fn next(&mut self) -> String {
        timeout(PATIENCE, self.heads.recv()).await.expect("a request for a tunnel").unwrap()
    }
}
