//! Posts to callbacks over connections that are kept, as few as the load needs.

use std::{collections::HashMap, io, net::SocketAddr, time::Duration};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{net::TcpStream, time::timeout};
use url::Url;

/// For this long WeChat waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Idle connections by the callback's address, the last used one at the end.
#[derive(Debug, Default)]
pub(super) struct DeliveryPool {
    idle: Mutex<HashMap<SocketAddr, Vec<SendRequest<Full<Bytes>>>>>,
}

/// Why a post got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("the address of a callback has to be http://host:port with a numeric host")]
    Address,
    #[error("can't connect: {0}")]
    Connect(#[from] io::Error),
    #[error("no answer: {0}")]
    Broken(#[from] hyper::Error),
    #[error("no answer in time")]
    Late,
}

impl DeliveryPool {
    /// Posts a body of this type. Answers status and body.
    pub(super) async fn post(&self, url: &Url, kind: &'static str, body: &Bytes) -> Result<(u16, Bytes), PostError> {
        timeout(ANSWER_WITHIN, self.post_without_limit(url, kind, body)).await.map_err(|_| PostError::Late)?
    }

    async fn post_without_limit(&self, url: &Url, kind: &'static str, body: &Bytes) -> Result<(u16, Bytes), PostError> {
        let address = address_of(url).ok_or(PostError::Address)?;
        let mut request = request(url, address, kind, body.clone());
        loop {
            let kept = self.idle.lock().get_mut(&address).and_then(Vec::pop);
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => open(address).await?,
            };
            match connection.try_send_request(request).await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let body = answer.into_body().collect().await?.to_bytes();
                    self.idle.lock().entry(address).or_default().push(connection);
                    return Ok((status, body));
                }
                // The callback closed a kept connection before it got anything. That is no attempt yet.
                Err(mut failed) => match failed.take_message() {
                    Some(message) if was_kept => request = message,
                    _ => return Err(failed.into_error().into()),
                },
            }
        }
    }
}

async fn open(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, PostError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows at the next request.
    tokio::spawn(connection);
    Ok(sender)
}

fn request(url: &Url, address: SocketAddr, kind: &'static str, body: Bytes) -> Request<Full<Bytes>> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Request::post(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "Mozilla/4.0")
        .header(header::CONTENT_TYPE, kind);
    request.body(Full::new(body)).expect("a URL's path is a valid path")
}

/// The address in this URL, if its host is an IP address.
fn address_of(url: &Url) -> Option<SocketAddr> {
    let host = url.host_str()?.trim_matches(['[', ']']).parse().ok()?;
    Some(SocketAddr::new(host, url.port_or_known_default()?))
}
