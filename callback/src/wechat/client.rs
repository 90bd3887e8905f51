//! One call of WeChat's API: sent, limited in time and size, counted, and its answer told apart.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use prometheus::IntCounterVec;
use scenecast_shared::{
    config::HttpUrl,
    wechat::{ApiError, Code, Picture, parse_answer},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::request::why_unsent;

/// How long WeChat may take to be reached.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// How long WeChat is left alone that says it is busy; twice as long each time, three times at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// More than any JSON that is asked for here.
const LONGEST_JSON: usize = 64 * 1024;
/// Several times what a small code of a mini program has.
const LONGEST_PICTURE: usize = 128 * 1024;

/// Why a call gave nothing. Holds no secret: no address with its query, and nothing of the answer
/// but `errmsg`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It didn't come through; WeChat may have carried it out.
    #[error("WeChat could not be reached: {0}")]
    Unreachable(String),
    /// No answer in time; WeChat may have carried it out.
    #[error("WeChat did not answer in time")]
    TooSlow,
    /// Answered, and not with what was asked for.
    #[error(transparent)]
    Answer(#[from] ApiError),
    /// Not made: WeChat has refused it before, in a way that lasts.
    #[error("not asked: WeChat has refused this before ({})", .0.word())]
    NotMade(Code),
    /// WeChat refuses an access token, and gives no other.
    #[error("WeChat refuses an access token that it still gives")]
    NoOtherToken,
}

impl CallError {
    /// WeChat's error code, if it answered with one, now or before.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Answer(ApiError::Refused { code, .. }) | Self::NotMade(code) => Some(*code),
            _ => None,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow => "too_slow",
            Self::Answer(ApiError::Refused { code, .. }) => code.word(),
            Self::Answer(ApiError::Nonsense(_)) => "nonsense",
            Self::NotMade(_) => "not_made",
            Self::NoOtherToken => "no_other_token",
        }
    }
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TooSlow;
        }
        Self::Unreachable(why_unsent(error))
    }
}

/// What is asked of WeChat.
pub(crate) struct ApiCall<T> {
    /// The path, and the call's name in metrics.
    pub(crate) path: &'static str,
    /// The query, without the access token.
    pub(crate) query: Vec<(&'static str, String)>,
    /// What is posted; nothing is a GET.
    pub(crate) body: Option<Value>,
    /// How long the answer may be, in bytes, and how it is read.
    pub(crate) answer: Answer<T>,
}

/// What kind of answer is asked for.
pub(crate) struct Answer<T> {
    longest: usize,
    read: fn(Vec<u8>) -> Result<T, ApiError>,
}

impl<T: DeserializeOwned> Answer<T> {
    /// JSON of this shape.
    pub(crate) const JSON: Self = Self { longest: LONGEST_JSON, read: json };
}

impl Answer<Picture> {
    /// A picture, or JSON that says why not.
    pub(crate) const PICTURE: Self = Self { longest: LONGEST_PICTURE, read: Picture::parse };
}

fn json<T: DeserializeOwned>(mut answer: Vec<u8>) -> Result<T, ApiError> {
    // WeChat puts people's control characters into its JSON as they are, which JSON forbids.
    for byte in answer.iter_mut().filter(|byte| byte.is_ascii_control()) {
        *byte = b' ';
    }
    parse_answer(&answer)
}

/// WeChat's API at one address. Clones share the connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: HttpUrl,
    calls: IntCounterVec,
}

impl Client {
    pub(crate) fn new(base: HttpUrl, calls: IntCounterVec) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(CALL_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS library starts");
        Self { http, base, calls }
    }

    /// Sends it, with this access token if the call takes one; again and a little later while WeChat says
    /// that it is busy.
    pub(crate) async fn send<T>(&self, ask: &ApiCall<T>, token: Option<&str>) -> Result<T, CallError> {
        let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_jitter();
        (|| self.send_once(ask, token)).retry(pauses).when(|error: &CallError| error.code() == Some(Code::Busy)).await
    }

    async fn send_once<T>(&self, ask: &ApiCall<T>, token: Option<&str>) -> Result<T, CallError> {
        let answer = self.exchange(ask, token).await;
        let result = answer.as_ref().err().map_or("ok", CallError::word);
        self.calls.with_label_values(&[ask.path, result]).inc();
        answer
    }

    async fn exchange<T>(&self, ask: &ApiCall<T>, token: Option<&str>) -> Result<T, CallError> {
        let url = self.base.with(ask.path);
        let request = match &ask.body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        let token = token.map(|token| ("access_token", token));
        let mut response = request.query(&token.as_slice()).query(&ask.query).send().await?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            answer.extend_from_slice(&chunk);
            if answer.len() > ask.answer.longest {
                return Err(ApiError::Nonsense(answer.len()).into());
            }
        }
        // Errors of WeChat's own come with 200; another status is a proxy's.
        if !response.status().is_success() {
            return Err(ApiError::Nonsense(answer.len()).into());
        }
        Ok((ask.answer.read)(answer)?)
    }
}
