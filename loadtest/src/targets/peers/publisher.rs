//! Publishes messages at a peer over a few connections that are kept.

use std::{io, net::SocketAddr, time::Duration};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{net::TcpStream, time::timeout};

use super::protocol::Publication;

/// How long a peer may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

type PublisherConnection = SendRequest<Full<Bytes>>;

/// Why a message may not have been published.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error("the peer answered with status {0}")]
    Refused(StatusCode),
    #[error("the peer gave no answer")]
    Unanswered(#[from] io::Error),
}

/// The connections to the server that takes messages. There are as many as were ever used at the same time.
#[derive(Debug)]
pub(super) struct Publisher {
    server: SocketAddr,
    idle: Mutex<Vec<PublisherConnection>>,
}

impl Publisher {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self { server, idle: Mutex::default() }
    }

    /// A connection that is ready, so that connecting isn't timed.
    pub(super) async fn connection(&self) -> Result<PublisherConnection, PublishError> {
        let idle = || self.idle.lock().pop();
        while let Some(mut connection) = idle() {
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Publishes over this connection, and keeps it. Returns when the server has answered.
    pub(super) async fn publish(
        &self,
        connection: PublisherConnection,
        publication: Publication,
    ) -> Result<(), PublishError> {
        timeout(ANSWERS_WITHIN, self.publish_in_any_time(connection, publication))
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }

    async fn publish_in_any_time(
        &self,
        mut connection: PublisherConnection,
        Publication { path, body }: Publication,
    ) -> Result<(), PublishError> {
        let request = Request::post(path)
            .header(HOST, self.server.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .expect("ids and paths are valid in a URI");
        let response = connection.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        response.into_body().collect().await.map_err(io::Error::other)?;
        self.idle.lock().push(connection);
        if status.is_success() { Ok(()) } else { Err(PublishError::Refused(status)) }
    }
}
