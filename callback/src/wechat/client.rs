//! One call of WeChat's API: sent, limited in time and size, counted, and its answer told apart.

use std::{error::Error, time::Duration};

use prometheus::IntCounterVec;
use scenecast_shared::{
    config::HttpUrl,
    wechat::{ApiError, Code, parse_answer},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How long WeChat may take to be reached.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// More than any answer that is asked for here.
const LONGEST_ANSWER: usize = 64 * 1024;

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
}

impl CallError {
    /// WeChat's error code, if it answered with one.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Answer(ApiError::Refused { code, .. }) => Some(*code),
            _ => None,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow => "too_slow",
            Self::Answer(ApiError::Refused { code, .. }) => code.word(),
            Self::Answer(ApiError::Nonsense(_)) => "nonsense",
        }
    }
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TooSlow;
        }
        // The address has the access token in its query.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::Unreachable(text)
    }
}

/// What is asked of WeChat.
#[derive(Clone)]
pub(crate) struct ApiCall {
    /// The path, and the call's name in metrics.
    pub(crate) path: &'static str,
    /// The query, without the access token.
    pub(crate) query: Vec<(&'static str, String)>,
    /// What is posted; nothing is a GET.
    pub(crate) body: Option<Value>,
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

    /// Sends it once, with this access token if the call takes one.
    pub(crate) async fn send<T: DeserializeOwned>(&self, ask: &ApiCall, token: Option<&str>) -> Result<T, CallError> {
        let answer = self.exchange(ask, token).await;
        let result = answer.as_ref().err().map_or("ok", CallError::word);
        self.calls.with_label_values(&[ask.path, result]).inc();
        answer
    }

    async fn exchange<T: DeserializeOwned>(&self, ask: &ApiCall, token: Option<&str>) -> Result<T, CallError> {
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
            if answer.len() > LONGEST_ANSWER {
                return Err(ApiError::Nonsense(answer.len()).into());
            }
        }
        // Errors of WeChat's own come with 200; another status is a proxy's.
        if !response.status().is_success() {
            return Err(ApiError::Nonsense(answer.len()).into());
        }
        // WeChat puts people's control characters into its JSON as they are, which JSON forbids.
        for byte in answer.iter_mut().filter(|byte| byte.is_ascii_control()) {
            *byte = b' ';
        }
        Ok(parse_answer(&answer)?)
    }
}
