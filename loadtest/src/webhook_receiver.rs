//! A site's server for webhooks. It keeps the requests that it receives, and answers as a test tells it to.
//!
//! It implements Standard Webhooks (standardwebhooks.com) from the specification, so that it can't share a mistake
//! with the code that signs.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use scenecast_scene::time::unix_now;
use scenecast_service::{
    listener::{ListenError, Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_simulator::http;
use sha2::Sha256;
use tokio::sync::watch;
use url::Url;

const LIMITS: ListenerLimits = ListenerLimits { connections: 10_000, idle: Duration::from_secs(30) };
/// How far a timestamp may be from the time of arrival, in seconds.
const TOLERANCE: u64 = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverBehaviour {
    /// With this status; 200 means success.
    Status(StatusCode),
    /// With a redirect to this URL.
    Redirect(Url),
    /// With success, after this delay.
    Slow(Duration),
    /// Never; the connection stays open.
    Hang,
}

#[derive(Debug, Clone)]
pub struct ReceivedWebhook {
    /// When its body had arrived, in unix time.
    pub at: Duration,
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a request isn't a webhook that was signed with the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookSignatureError {
    /// The secret is not `whsec_` and base64.
    #[error("the secret is not whsec_ and base64")]
    Secret,
    /// This header is missing or not text.
    #[error("{0} is missing or not text")]
    Header(&'static str),
    /// The timestamp is not a number, or too far from the time of arrival.
    #[error("the timestamp is more than 300 s from the time of arrival")]
    Timestamp,
    /// No signature is correct.
    #[error("no signature matches")]
    Signature,
}

impl ReceivedWebhook {
    /// The webhook's id. All attempts to deliver a webhook share it.
    pub fn id(&self) -> Option<&str> {
        self.header("webhook-id").ok()
    }

    /// Checks that one of the signatures was made with this secret, and recently.
    pub fn verify(&self, secret: &str) -> Result<(), WebhookSignatureError> {
        let id = self.header("webhook-id")?;
        let timestamp = self.header("webhook-timestamp")?;
        let signatures = self.header("webhook-signature")?;
        let seconds: u64 = timestamp.parse().map_err(|_| WebhookSignatureError::Timestamp)?;
        if seconds.abs_diff(self.at.as_secs()) > TOLERANCE {
            return Err(WebhookSignatureError::Timestamp);
        }
        let secret = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
        let secret = secret.ok_or(WebhookSignatureError::Secret)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&self.body);
        let is_correct = |signature: &str| {
            let signature = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
            signature.is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok())
        };
        if signatures.split(' ').any(is_correct) { Ok(()) } else { Err(WebhookSignatureError::Signature) }
    }

    fn header(&self, name: &'static str) -> Result<&str, WebhookSignatureError> {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or(WebhookSignatureError::Header(name))
    }
}

/// A running server. It serves until the runtime ends. Clones share one state.
#[derive(Debug, Clone)]
pub struct WebhookReceiver {
    url: Url,
    state: Arc<ReceiverState>,
}

#[derive(Debug)]
struct ReceiverState {
    behaviour: Mutex<ReceiverBehaviour>,
    received: watch::Sender<Vec<ReceivedWebhook>>,
}

impl WebhookReceiver {
    /// Listens on any free port of this machine, and answers 200.
    pub async fn start() -> Result<Self, ListenError> {
        let listener = Listener::bind("the site's webhooks", ([127, 0, 0, 1], 0).into(), LIMITS).await?;
        let behaviour = Mutex::new(ReceiverBehaviour::Status(StatusCode::OK));
        let state = Arc::new(ReceiverState { behaviour, received: watch::channel(vec![]).0 });
        let receiver = Self { url: http(listener.address()), state };
        let app = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(listener.serve(app, Shutdown::never()));
        Ok(receiver)
    }

    /// The URL of the server. It accepts any path.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Answers like this from now on.
    pub fn behave(&self, behaviour: ReceiverBehaviour) {
        *self.state.behaviour.lock() = behaviour;
    }

    /// All requests so far, in order of arrival.
    pub fn received(&self) -> Vec<ReceivedWebhook> {
        self.state.received.borrow().clone()
    }

    /// Waits for this many requests, and answers all of them.
    pub async fn wait_for(&self, count: usize) -> Vec<ReceivedWebhook> {
        let mut received = self.state.received.subscribe();
        let received = received.wait_for(|received| received.len() >= count).await;
        received.expect("self keeps the sender").clone()
    }
}

async fn receive(
    State(receiver): State<WebhookReceiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let received = ReceivedWebhook { at: unix_now(), method, uri, headers, body };
    receiver.state.received.send_modify(|all| all.push(received));
    let behaviour = receiver.state.behaviour.lock().clone();
    match behaviour {
        ReceiverBehaviour::Status(status) => status.into_response(),
        ReceiverBehaviour::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to.to_string())]).into_response()
        }
        ReceiverBehaviour::Slow(delay) => {
            tokio::time::sleep(delay).await;
            StatusCode::OK.into_response()
        }
        ReceiverBehaviour::Hang => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn webhook(change: &[(&'static str, &'static str)]) -> ReceivedWebhook {
        let mut headers = HeaderMap::from_iter([
            ("webhook-id".parse().unwrap(), "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap()),
            ("webhook-timestamp".parse().unwrap(), "1614265330".parse().unwrap()),
            ("webhook-signature".parse().unwrap(), SIGNATURE.parse().unwrap()),
        ]);
        for (name, value) in change {
            headers.insert(*name, value.parse().unwrap());
        }
        ReceivedWebhook {
            at: Duration::from_secs(1_614_265_331),
            method: Method::POST,
            uri: Uri::from_static("/"),
            headers,
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
        }
    }

    #[test]
    fn the_published_example_is_accepted() {
        assert_eq!(webhook(&[]).verify(SECRET), Ok(()));
        assert_eq!(webhook(&[]).id(), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    }

    #[test]
    fn one_correct_signature_of_several_is_enough() {
        let several =
            "v1,AAAA v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(webhook(&[("webhook-signature", several)]).verify(SECRET), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        for (change, error) in [
            (("webhook-id", "msg_other"), WebhookSignatureError::Signature),
            (("webhook-timestamp", "1614265329"), WebhookSignatureError::Signature),
            (("webhook-timestamp", "1614265030"), WebhookSignatureError::Timestamp),
            (("webhook-timestamp", "now"), WebhookSignatureError::Timestamp),
            (("webhook-signature", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), WebhookSignatureError::Signature),
            (("webhook-signature", "v1,"), WebhookSignatureError::Signature),
        ] {
            assert_eq!(webhook(&[change]).verify(SECRET), Err(error), "{change:?}");
        }
        let body = Bytes::from_static(br#"{"test":2432232314}"#);
        assert_eq!(ReceivedWebhook { body, ..webhook(&[]) }.verify(SECRET), Err(WebhookSignatureError::Signature));
        let headers = HeaderMap::new();
        assert_eq!(
            ReceivedWebhook { headers, ..webhook(&[]) }.verify(SECRET),
            Err(WebhookSignatureError::Header("webhook-id"))
        );
        assert_eq!(webhook(&[]).verify("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Err(WebhookSignatureError::Secret));
    }
}
