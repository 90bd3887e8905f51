//! One call of WeChat's API: sent, limited in time and size, counted, its answer read.

use std::{
    io::{self, ErrorKind},
    iter::successors,
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use prometheus::IntCounterVec;
use reqwest::{Method, Response, header::CONTENT_TYPE};
use scenecast_service::{
    config::HttpUrl,
    outbound::{NameResolver, OutboundClient, ProxyUrl, TransportError},
};
use scenecast_wechat::{ApiError, CodeImage, ErrorCode, parse_answer};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::pause::PauseReason;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// For one attempt at a call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The first pause after WeChat says that it is busy. It doubles each time, and there are three repeats at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// More than any JSON that we ask for has.
const MAX_JSON_BYTES: usize = 64 * 1024;
/// Several times the size of a mini program's small code.
const MAX_PICTURE_BYTES: usize = 128 * 1024;

/// WeChat closes connections that nobody uses. A call on such a connection fails, so ours end earlier.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest media type that is told of an answer.
const MAX_MEDIA_TYPE_BYTES: usize = 64;

/// Why a call failed. Holds no secret: no address with its query, and nothing of the answer but `errmsg`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The connection failed. WeChat may have carried out the call.
    #[error("WeChat could not be reached: {0}")]
    Unreachable(#[source] TransportError),
    /// There was no answer in time. WeChat may have carried out the call.
    #[error("WeChat did not answer in time")]
    TooSlow,
    /// WeChat answered with an error, or without something that has to be in its answer.
    #[error(transparent)]
    Answer(#[from] ApiError),
    /// The answer isn't WeChat's: WeChat sends even its errors as JSON with status 200.
    #[error(
        "the answer is not WeChat's, but {0}; a proxy on the way to WeChat may have answered, or wechat.api_base is wrong"
    )]
    Foreign(ForeignAnswer),
    /// The call, or the one for its access token, was not made. The log has said so when the pause began.
    #[error("the call was not made, because {0}")]
    NotMade(PauseReason),
}

impl CallError {
    /// WeChat's error code, of its answer to this call or to an earlier one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Answer(ApiError::Refused { code, .. }) | Self::NotMade(PauseReason::Refused(code)) => Some(*code),
            _ => None,
        }
    }

    /// Whether WeChat gave no answer, so that the next such call would get none, either. For a call about a person it
    /// has to be surely not about that person: a firewall may answer to odd input.
    pub(super) fn is_unanswered(&self, subject: CallSubject) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow => true,
            Self::Answer(ApiError::Refused { code, .. }) => *code == ErrorCode::Busy,
            Self::Foreign(answer) => subject == CallSubject::Account || answer.is_server_error(),
            Self::Answer(ApiError::Malformed(_)) => subject == CallSubject::Account,
            Self::NotMade(_) => false,
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow => "too_slow",
            Self::Answer(ApiError::Refused { code, .. }) => code.label(),
            Self::Answer(ApiError::Malformed(_)) | Self::Foreign(_) => "nonsense",
            Self::NotMade(_) => "not_made",
        }
    }
}

/// What is told of an answer that isn't WeChat's. Its text may hold a secret, so it isn't told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HTTP status {status} with {bytes} bytes of {media_type}")]
pub(crate) struct ForeignAnswer {
    status: u16,
    media_type: String,
    bytes: usize,
}

impl ForeignAnswer {
    /// An answer with this head, of which so many bytes were read.
    fn new(head: &Response, bytes: usize) -> Self {
        let media_type = head.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let is_told = !media_type.is_empty() && media_type.len() <= MAX_MEDIA_TYPE_BYTES;
        let media_type = if is_told { media_type } else { "an unknown type" };
        Self { status: head.status().as_u16(), media_type: media_type.to_owned(), bytes }
    }

    fn is_server_error(&self) -> bool {
        self.status >= 500
    }
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        if error.is_timeout() {
            return Self::TooSlow;
        }
        Self::Unreachable(error)
    }
}

/// A call of WeChat's API, with an answer of type `T`.
pub(crate) struct ApiCall<T> {
    /// The path, which is also the call's name in metrics.
    pub(crate) path: &'static str,
    pub(crate) subject: CallSubject,
    /// The query, without the access token.
    pub(crate) query: Vec<(&'static str, String)>,
    /// The JSON that is posted; a call without it is a GET.
    pub(crate) body: Option<Value>,
    pub(crate) format: ResponseFormat<T>,
}

/// Whom a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallSubject {
    /// The account: WeChat would refuse the next such call, too.
    Account,
    /// One person, so that a refusal may say nothing about the next person.
    Person,
}

/// What the answer looks like.
pub(crate) struct ResponseFormat<T> {
    max_bytes: usize,
    read: fn(Vec<u8>) -> Result<T, ApiError>,
}

impl<T: DeserializeOwned> ResponseFormat<T> {
    /// JSON of this shape.
    pub(crate) const JSON: Self = Self::json(|answer| parse_answer(&answer));

    /// JSON that this function reads.
    pub(crate) const fn json(read: fn(Vec<u8>) -> Result<T, ApiError>) -> Self {
        Self { max_bytes: MAX_JSON_BYTES, read }
    }
}

impl ResponseFormat<CodeImage> {
    /// A picture, or JSON that says why not.
    pub(crate) const PICTURE: Self = Self { max_bytes: MAX_PICTURE_BYTES, read: CodeImage::parse };
}

/// Repeats a call once if its connection ended before an answer began, in whichever way. WeChat closes idle connections
/// when it likes, also at the moment when a call is sent on one. To repeat a call is harmless: a code that nobody got
/// costs one of the quota, and a `js_code` that WeChat took is spent either way.
fn repeat_if_cut_off(base: &HttpUrl) -> reqwest::retry::Builder {
    let host = base.with_path("/").host_str().unwrap_or_default().to_owned();
    reqwest::retry::for_host(host).max_retries_per_request(1).classify_fn(|attempt| {
        if attempt.error().is_some_and(is_cut_off) { attempt.retryable() } else { attempt.success() }
    })
}

/// Whether the connection ended before an answer began.
fn is_cut_off(error: &(dyn std::error::Error + 'static)) -> bool {
    successors(Some(error), |error| error.source()).any(|cause| {
        let is_ended = |error: &hyper::Error| error.is_incomplete_message() || error.is_canceled() || error.is_closed();
        cause.downcast_ref().is_some_and(is_ended) || cause.downcast_ref().is_some_and(ends_connection)
    })
}

fn ends_connection(error: &io::Error) -> bool {
    // TLS says UnexpectedEof for a connection that ends without its farewell.
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

/// WeChat's API at one address. Clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct WechatClient {
    http: OutboundClient,
    base: HttpUrl,
    calls: IntCounterVec,
}

impl WechatClient {
    /// Calls go through the proxy, if there is one.
    pub(crate) fn new(base: HttpUrl, names: NameResolver, proxy: Option<ProxyUrl>, calls: IntCounterVec) -> Self {
        let limits = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .retry(repeat_if_cut_off(&base));
        if let Some(proxy) = &proxy {
            tracing::info!(%proxy, "calls of WeChat's API go through a proxy, as outbound.wechat_proxy says");
        }
        Self { http: OutboundClient::new(names, proxy, limits), base, calls }
    }

    /// Makes a call, with this access token if the call takes one. Repeats it while WeChat says that it is busy.
    pub(crate) async fn send<T>(&self, ask: &ApiCall<T>, token: Option<&str>) -> Result<T, CallError> {
        let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_jitter();
        (|| self.send_once(ask, token))
            .retry(pauses)
            .when(|error: &CallError| error.code() == Some(ErrorCode::Busy))
            .await
    }

    async fn send_once<T>(&self, ask: &ApiCall<T>, token: Option<&str>) -> Result<T, CallError> {
        let answer = self.exchange(ask, token).await;
        let result = answer.as_ref().err().map_or("ok", CallError::as_str);
        self.calls.with_label_values(&[ask.path, result]).inc();
        answer
    }

    async fn exchange<T>(&self, ask: &ApiCall<T>, token: Option<&str>) -> Result<T, CallError> {
        let url = self.base.with_path(ask.path);
        let request = match &ask.body {
            Some(body) => self.http.request(Method::POST, url).json(body),
            None => self.http.request(Method::GET, url),
        };
        let token = token.map(|token| ("access_token", token));
        let mut response = self.http.send(request.query(&token.as_slice()).query(&ask.query)).await?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(TransportError::from)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > ask.format.max_bytes {
                return Err(CallError::Foreign(ForeignAnswer::new(&response, answer.len())));
            }
        }
        // WeChat sends its own errors with status 200. Another status comes from a proxy.
        let foreign = ForeignAnswer::new(&response, answer.len());
        if !response.status().is_success() {
            return Err(CallError::Foreign(foreign));
        }
        (ask.format.read)(answer).map_err(|error| match error {
            ApiError::Malformed(_) => CallError::Foreign(foreign),
            refused @ ApiError::Refused { .. } => refused.into(),
        })
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
