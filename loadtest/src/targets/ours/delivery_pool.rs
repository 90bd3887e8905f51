//! Posts to callbacks over connections that are kept, as few as the load needs.

use std::{collections::HashMap, io, time::Duration};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{net::TcpStream, time::timeout};
use url::{Position, Url};

use crate::targets::target::PageError;

/// For this long WeChat waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How WeChat calls itself.
const WECHAT: &str = "Mozilla/4.0";
/// The type of WeChat's messages.
pub(super) const XML: &str = "text/xml";

/// Idle connections by the callback's host and port, the last used one at the end. Those with TLS are in a client of their own.
#[derive(Debug)]
pub(super) struct DeliveryPool {
    idle: Mutex<HashMap<String, Vec<SendRequest<Full<Bytes>>>>>,
    https: reqwest::Client,
}

/// Why a post got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("the address of a callback has no host")]
    Address,
    #[error("can't connect: {0}")]
    Connect(#[from] io::Error),
    #[error("no answer: {0}")]
    Broken(#[from] hyper::Error),
    #[error("no answer over TLS: {0}")]
    Tls(#[from] reqwest::Error),
    #[error("no answer in time")]
    Late,
}

impl Default for DeliveryPool {
    fn default() -> Self {
        // As WeChat: without redirects, and without a proxy of ours.
        let https = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(WECHAT)
            .build()
            .expect("the TLS library starts");
        Self { idle: Mutex::default(), https }
    }
}

impl DeliveryPool {
    /// Posts a body of this type. Answers status and body.
    pub(super) async fn post(&self, url: &Url, kind: &'static str, body: &Bytes) -> Result<(u16, Bytes), PostError> {
        let posting = async {
            let by_tls = url.scheme() == "https";
            if by_tls { self.post_with_tls(url, kind, body).await } else { self.post_plain(url, kind, body).await }
        };
        timeout(ANSWER_WITHIN, posting).await.map_err(|_| PostError::Late)?
    }

    async fn post_with_tls(&self, url: &Url, kind: &'static str, body: &Bytes) -> Result<(u16, Bytes), PostError> {
        let answer = self.https.post(url.clone()).header(CONTENT_TYPE, kind).body(body.clone()).send().await?;
        Ok((answer.status().as_u16(), answer.bytes().await?))
    }

    async fn post_plain(&self, url: &Url, kind: &'static str, body: &Bytes) -> Result<(u16, Bytes), PostError> {
        if !url.has_host() {
            return Err(PostError::Address);
        }
        let server = &url[Position::BeforeHost..Position::AfterPort];
        let mut request = request(url, server, kind, body.clone());
        loop {
            let kept = self.idle.lock().get_mut(server).and_then(Vec::pop);
            let was_kept = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => open(url).await?,
            };
            match connection.try_send_request(request).await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    let body = answer.into_body().collect().await?.to_bytes();
                    self.keep(server, connection);
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

    fn keep(&self, server: &str, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock();
        match idle.get_mut(server) {
            Some(connections) => connections.push(connection),
            None => _ = idle.insert(server.to_owned(), vec![connection]),
        }
    }
}

/// Connects to any address that the host's name has.
async fn open(url: &Url) -> Result<SendRequest<Full<Bytes>>, PostError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port_or_known_default().unwrap_or(80))).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows at the next request.
    tokio::spawn(connection);
    Ok(sender)
}

fn request(url: &Url, server: &str, kind: &'static str, body: Bytes) -> Request<Full<Bytes>> {
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let request = Request::post(path).header(HOST, server).header(USER_AGENT, WECHAT).header(CONTENT_TYPE, kind);
    request.body(Full::new(body)).expect("a URL's path is a valid path")
}

impl From<PostError> for PageError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Connect(source) => match Self::of_connection(&source) {
                Self::Connection(code) => Self::Connection(format!("a callback can't be reached: {code}")),
                exhausted => exhausted,
            },
            PostError::Address => Self::Connection("the address of a callback has no host".to_owned()),
            PostError::Broken(_) => Self::Connection("a callback broke the connection".to_owned()),
            PostError::Tls(_) => Self::Connection("a callback can't be reached over TLS".to_owned()),
            PostError::Late => Self::Connection("a callback gave no answer in 5 s".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::post};
    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn callbacks_are_reached_by_name_and_over_kept_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = Router::new().route("/wechat/demo", post(async |body: String| format!("got {body}")));
        tokio::spawn(async move { axum::serve(listener, echo).await });
        let pool = DeliveryPool::default();
        let url = format!("http://localhost:{port}/wechat/demo?nonce=1").parse().unwrap();
        for _ in 0..2 {
            let answer = pool.post(&url, XML, &Bytes::from_static(b"<xml/>")).await.unwrap();
            assert_eq!(answer, (200, Bytes::from_static(b"got <xml/>")));
        }
        let kept: Vec<_> = pool.idle.lock().iter().map(|(server, idle)| (server.clone(), idle.len())).collect();
        assert_eq!(kept, [(format!("localhost:{port}"), 1)]);
    }

    #[tokio::test]
    async fn an_https_callback_is_spoken_to_in_tls_and_a_failure_has_a_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let hello = tokio::spawn(async move {
            let (mut callback, _) = listener.accept().await.unwrap();
            callback.read_u8().await.unwrap()
        });
        let failed = DeliveryPool::default().post(&url, XML, &Bytes::new()).await.unwrap_err();
        assert_eq!(hello.await.unwrap(), 22, "the first byte of a handshake");
        assert_eq!(PageError::from(failed).code(), "a callback can't be reached over TLS");
    }

    #[test]
    fn what_the_generator_lacks_is_not_blamed_on_a_callback() {
        let code = |errno: rustix::io::Errno| PageError::from(PostError::Connect(errno.into())).code().to_owned();
        assert_eq!(code(rustix::io::Errno::MFILE), "the generator has no descriptors left");
        assert_eq!(code(rustix::io::Errno::ADDRNOTAVAIL), "the generator has no source ports left");
        assert_eq!(code(rustix::io::Errno::CONNREFUSED), "a callback can't be reached: connection refused");
    }
}
