//! A site's server for webhooks: it keeps what it gets, and answers as well or badly as it is told.
//!
//! It knows Standard Webhooks (standardwebhooks.com) from its specification only, so that it can't
//! share a mistake with who signs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use scenecast_shared::{
    serve::{CannotListen, Limits, Listener, Shutdown},
    time::unix_now,
};
use sha2::Sha256;
use tokio::sync::watch;
use url::Url;

use crate::http;

const LIMITS: Limits = Limits { connections: 10_000, idle: Duration::from_secs(30) };
/// How far a timestamp may be from the time at which it arrives, in seconds.
const TOLERANCE: u64 = 300;

/// How a request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// With this status: 200 is well.
    Status(StatusCode),
    /// With another address.
    Redirect(Url),
    /// Well, so much later.
    Slow(Duration),
    /// Not at all; the connection stays.
    Hang,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    /// When its body was there, in unix time.
    pub at: Duration,
    /// Its method.
    pub method: Method,
    /// Where to.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why a request isn't a webhook of who has the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// A secret is `whsec_` and base64.
    #[error("the secret is not whsec_ and base64")]
    Secret,
    /// A header is missing or unreadable.
    #[error("{0} is missing or not text")]
    Header(&'static str),
    /// The timestamp is no number, or too far from the time of arrival.
    #[error("the timestamp is more than 300 s from the time of arrival")]
    Timestamp,
    /// None of the signatures is right.
    #[error("no signature matches")]
    Signature,
}

impl Received {
    /// The webhook's id, the same at each attempt to deliver it.
    pub fn id(&self) -> Option<&str> {
        self.header("webhook-id").ok()
    }

    /// Whether any of the signatures was made with this secret, and lately.
    pub fn verify(&self, secret: &str) -> Result<(), NotSigned> {
        let [id, timestamp, signatures] =
            [self.header("webhook-id")?, self.header("webhook-timestamp")?, self.header("webhook-signature")?];
        let seconds: u64 = timestamp.parse().map_err(|_| NotSigned::Timestamp)?;
        if seconds.abs_diff(self.at.as_secs()) > TOLERANCE {
            return Err(NotSigned::Timestamp);
        }
        let secret = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&secret.ok_or(NotSigned::Secret)?).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(&self.body);
        let right = |signature: &str| {
            let signature = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
            signature.is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok())
        };
        if signatures.split(' ').any(right) { Ok(()) } else { Err(NotSigned::Signature) }
    }

    fn header(&self, name: &'static str) -> Result<&str, NotSigned> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).ok_or(NotSigned::Header(name))
    }
}

/// A running server; it serves until the runtime ends. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Receiver {
    url: Url,
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    behaviour: Mutex<Behaviour>,
    received: watch::Sender<Vec<Received>>,
}

impl Receiver {
    /// Listens on any port of this machine, and answers well.
    pub async fn start() -> Result<Self, CannotListen> {
        let listener = Listener::bind("the site's webhooks", ([127, 0, 0, 1], 0).into(), LIMITS).await?;
        let behaviour = Mutex::new(Behaviour::Status(StatusCode::OK));
        let kept = Arc::new(Kept { behaviour, received: watch::channel(vec![]).0 });
        let receiver = Self { url: http(listener.address()), kept };
        let app = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(listener.serve(app, Shutdown::never()));
        Ok(receiver)
    }

    /// Where it is reached; any path will do.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Answers like this from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour() = behaviour;
    }

    /// Everything that has arrived, in that order.
    pub fn received(&self) -> Vec<Received> {
        self.kept.received.borrow().clone()
    }

    /// The same, as soon as it is so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut received = self.kept.received.subscribe();
        let received = received.wait_for(|received| received.len() >= count).await;
        received.expect("the sender is kept").clone()
    }

    fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.kept.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let received = Received { at: unix_now(), method, uri, headers, body };
    receiver.kept.received.send_modify(|all| all.push(received));
    let behaviour = receiver.behaviour().clone();
    match behaviour {
        Behaviour::Status(status) => status.into_response(),
        Behaviour::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to.to_string())]).into_response()
        }
        Behaviour::Slow(late) => {
            tokio::time::sleep(late).await;
            StatusCode::OK.into_response()
        }
        Behaviour::Hang => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn webhook(change: &[(&'static str, &'static str)]) -> Received {
        let mut headers = HeaderMap::from_iter([
            ("webhook-id".parse().unwrap(), "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap()),
            ("webhook-timestamp".parse().unwrap(), "1614265330".parse().unwrap()),
            ("webhook-signature".parse().unwrap(), SIGNATURE.parse().unwrap()),
        ]);
        for (name, value) in change {
            headers.insert(*name, value.parse().unwrap());
        }
        Received {
            at: Duration::from_secs(1_614_265_331),
            method: Method::POST,
            uri: Uri::from_static("/"),
            headers,
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
        }
    }

    #[test]
    fn the_published_example_is_signed() {
        assert_eq!(webhook(&[]).verify(SECRET), Ok(()));
        assert_eq!(webhook(&[]).id(), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    }

    #[test]
    fn one_right_signature_of_several_is_enough() {
        let several =
            "v1,AAAA v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(webhook(&[("webhook-signature", several)]).verify(SECRET), Ok(()));
    }

    #[test]
    fn anything_else_is_not() {
        for (change, why) in [
            (("webhook-id", "msg_other"), NotSigned::Signature),
            (("webhook-timestamp", "1614265329"), NotSigned::Signature),
            (("webhook-timestamp", "1614265030"), NotSigned::Timestamp),
            (("webhook-timestamp", "now"), NotSigned::Timestamp),
            (("webhook-signature", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), NotSigned::Signature),
            (("webhook-signature", "v1,"), NotSigned::Signature),
        ] {
            assert_eq!(webhook(&[change]).verify(SECRET), Err(why), "{change:?}");
        }
        let body = Bytes::from_static(br#"{"test":2432232314}"#);
        assert_eq!(Received { body, ..webhook(&[]) }.verify(SECRET), Err(NotSigned::Signature));
        let headers = HeaderMap::new();
        assert_eq!(Received { headers, ..webhook(&[]) }.verify(SECRET), Err(NotSigned::Header("webhook-id")));
        assert_eq!(webhook(&[]).verify("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Err(NotSigned::Secret));
    }
}
