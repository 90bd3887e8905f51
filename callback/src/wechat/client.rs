//! One call of WeChat's API: sent, limited in time and size, counted, its answer read.

use std::{
    io::{self, ErrorKind},
    iter::successors,
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use prometheus::IntCounterVec;
use reqwest::Method;
use scenecast_service::{
    config::HttpUrl,
    outbound::{NameResolver, OutboundClient, ProxyUrl, TransportError},
};
use scenecast_wechat::{ApiError, CodeImage, ErrorCode, parse_answer};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// For one attempt at a call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// The first pause after WeChat says that it is busy. It doubles each time, and there are three repeats at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// More than any JSON that we ask for has.
const MAX_JSON_BYTES: usize = 64 * 1024;
/// Several times the size of a mini program's small code.
const MAX_PICTURE_BYTES: usize = 128 * 1024;

/// Why a call failed. Holds no secret: no address with its query, and nothing of the answer but `errmsg`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// The connection failed. WeChat may have carried out the call.
    #[error("WeChat could not be reached: {0}")]
    Unreachable(#[source] TransportError),
    /// There was no answer in time. WeChat may have carried out the call.
    #[error("WeChat did not answer in time")]
    TooSlow,
    /// WeChat answered with an error, or with nonsense.
    #[error(transparent)]
    Answer(#[from] ApiError),
    /// The call was not made: WeChat refused it before, and that refusal lasts.
    #[error("the call was not made, because WeChat refused it before ({})", .0.label())]
    NotMade(ErrorCode),
    /// WeChat refuses an access token, and gives us no other one.
    #[error("WeChat refuses an access token that it still gives")]
    NoOtherToken,
}

impl CallError {
    /// WeChat's error code, of its answer to this call or to an earlier one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Answer(ApiError::Refused { code, .. }) | Self::NotMade(code) => Some(*code),
            _ => None,
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow => "too_slow",
            Self::Answer(ApiError::Refused { code, .. }) => code.label(),
            Self::Answer(ApiError::Malformed(_)) => "nonsense",
            Self::NotMade(_) => "not_made",
            Self::NoOtherToken => "no_other_token",
        }
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
    /// The query, without the access token.
    pub(crate) query: Vec<(&'static str, String)>,
    /// The JSON that is posted; a call without it is a GET.
    pub(crate) body: Option<Value>,
    pub(crate) format: ResponseFormat<T>,
}

/// What the answer looks like.
pub(crate) struct ResponseFormat<T> {
    max_bytes: usize,
    read: fn(Vec<u8>) -> Result<T, ApiError>,
}

impl<T: DeserializeOwned> ResponseFormat<T> {
    /// JSON of this shape.
    pub(crate) const JSON: Self = Self { max_bytes: MAX_JSON_BYTES, read: read_json };
}

impl ResponseFormat<CodeImage> {
    /// A picture, or JSON that says why not.
    pub(crate) const PICTURE: Self = Self { max_bytes: MAX_PICTURE_BYTES, read: CodeImage::parse };
}

fn read_json<T: DeserializeOwned>(mut answer: Vec<u8>) -> Result<T, ApiError> {
    // WeChat copies control characters of people's names into its JSON, which JSON forbids.
    for byte in answer.iter_mut().filter(|byte| byte.is_ascii_control()) {
        *byte = b' ';
    }
    parse_answer(&answer)
}

/// Repeats a call once if its connection ended before an answer began. WeChat closes idle connections when it likes,
/// also at the moment when a call is sent on one. To repeat a call is harmless: a code that nobody got costs one of the
/// quota, and a `js_code` that WeChat took is spent either way.
fn repeat_if_cut_off(base: &HttpUrl) -> reqwest::retry::Builder {
    let url = Url::parse(&base.join("/")).expect("an HttpUrl is a URL");
    let host = url.host_str().unwrap_or_default().to_owned();
    reqwest::retry::for_host(host).max_retries_per_request(1).classify_fn(|attempt| {
        if attempt.error().is_some_and(is_cut_off) { attempt.retryable() } else { attempt.success() }
    })
}

/// Whether the connection ended before an answer began.
fn is_cut_off(error: &(dyn std::error::Error + 'static)) -> bool {
    successors(Some(error), |error| error.source()).any(|cause| {
        let is_reset = |error: &io::Error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
            || cause.downcast_ref().is_some_and(is_reset)
    })
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
        let url = self.base.join(ask.path);
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
                return Err(ApiError::Malformed(answer.len()).into());
            }
        }
        // WeChat sends its own errors with status 200. Another status comes from a proxy.
        if !response.status().is_success() {
            return Err(ApiError::Malformed(answer.len()).into());
        }
        Ok((ask.format.read)(answer)?)
    }
}
