//! Requests at a listener that is for other clients: mostly an address, or a route of a proxy, has the wrong port. The
//! stranger gets the 404 of any unknown path, and the operator a line that says where the request belongs.
//!
//! See docs/decisions/085-a-request-at-the-wrong-listener-is-named.md.

use std::fmt;

use axum::{
    extract::{Request, State},
    http::Uri,
    middleware::Next,
    response::Response,
};

use crate::http::{
    bad_request::{BadRequest, BadRequests},
    client_address::PeerAddress,
};

/// A listener, by whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// The gateways' listener for browsers.
    Browsers,
    /// The callbacks' listener for WeChat and mini programs.
    Wechat,
    /// The callbacks' listener for gateways and the sites' backends.
    Internal,
    /// For probes and Prometheus.
    Admin,
}

impl fmt::Display for ListenerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Browsers => "the gateways' listen.public, for browsers",
            Self::Wechat => "the callbacks' listen.public, for WeChat and mini programs",
            Self::Internal => "the callbacks' listen.internal, for gateways and sites' backends",
            Self::Admin => "listen.admin, for probes and Prometheus",
        })
    }
}

/// What a request is, and for which listener. It has nothing that the stranger wrote: a path may have an openid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Misplaced {
    what: &'static str,
    belongs_at: ListenerKind,
    came_to: ListenerKind,
}

impl Misplaced {
    /// `None` if the request belongs where it came to, or nobody knows where it belongs.
    fn find(uri: &Uri, came_to: ListenerKind) -> Option<Self> {
        let (what, belongs_at) = meant_for(uri)?;
        (belongs_at != came_to).then_some(Self { what, belongs_at, came_to })
    }
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, belongs_at, came_to } = self;
        write!(f, "{what} belongs to {belongs_at}; it came to {came_to}")
    }
}

/// What a request is, and which listener it is for, as far as its address tells.
fn meant_for(uri: &Uri) -> Option<(&'static str, ListenerKind)> {
    let mut segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    match (segments.next(), segments.next()) {
        (Some(first), _) if first.eq_ignore_ascii_case("wechat") => {
            Some(("a request to WeChat's address (/wechat/…)", ListenerKind::Wechat))
        }
        (Some("v1"), Some("miniapp")) => Some(("a mini program's call (/v1/miniapp/…)", ListenerKind::Wechat)),
        (Some("v1"), Some("redeem")) => Some(("a site's call (/v1/redeem)", ListenerKind::Internal)),
        (Some("v1"), Some("accounts")) => Some(("a site's call (/v1/accounts/…)", ListenerKind::Internal)),
        (Some("internal"), Some("scenes")) => Some(("a gateway's call (/internal/scenes/…)", ListenerKind::Internal)),
        (Some("v1"), Some("scenes" | "ws" | "modules" | "scenecast.js" | "scenecast-login.js")) => {
            Some(("a page's request (/v1/scenes, /v1/ws or /v1/scenecast.js)", ListenerKind::Browsers))
        }
        (Some("metrics"), None) => Some(("Prometheus's request (/metrics)", ListenerKind::Admin)),
        _ if is_signed(uri) => {
            Some(("a request that is signed as WeChat's (at an account's own path)", ListenerKind::Wechat))
        }
        _ => None,
    }
}

/// Whether the query has what WeChat's has.
fn is_signed(uri: &Uri) -> bool {
    let names = || uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split('=').next());
    let has = |wanted: &str| names().any(|name| name == wanted);
    has("timestamp") && has("nonce") && (has("signature") || has("msg_signature"))
}

/// Says in the log which requests at a listener belong to another one.
#[derive(Debug, Clone)]
pub struct MisplacedRequests {
    came_to: ListenerKind,
    bad_requests: BadRequests,
}

impl MisplacedRequests {
    /// Those at this listener. They are counted as bad requests.
    pub fn at(listener: ListenerKind, bad_requests: &BadRequests) -> Self {
        Self { came_to: listener, bad_requests: bad_requests.clone() }
    }

    /// Counts and logs a request that was refused, if it belongs to another listener. Returns whether it does.
    pub fn tell(&self, uri: &Uri, peer: Option<PeerAddress>) -> bool {
        let misplaced = Misplaced::find(uri, self.came_to);
        if let Some(misplaced) = misplaced {
            self.bad_requests.count(BadRequest::Misplaced, peer.map(|PeerAddress(peer)| peer), misplaced);
        }
        misplaced.is_some()
    }
}

/// Middleware for routes that take any path: tells of requests that they refuse.
pub async fn tell_of_misplaced(State(misplaced): State<MisplacedRequests>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let peer = request.extensions().get().copied();
    let response = next.run(request).await;
    if response.status().is_client_error() {
        misplaced.tell(&uri, peer);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_at_each_listener_but_its_own() {
        use ListenerKind::{Admin, Browsers, Internal, Wechat};
        for (address, belongs_at) in [
            ("/wechat/demo", Some(Wechat)),
            ("//WeChat/demo/?signature=x", Some(Wechat)),
            ("/wx/callback?signature=x&timestamp=1&nonce=2", Some(Wechat)),
            ("/?echostr=e&nonce=2&timestamp=1&msg_signature=", Some(Wechat)),
            ("/v1/miniapp/scan", Some(Wechat)),
            ("/v1/redeem", Some(Internal)),
            ("//v1/redeem/", Some(Internal)),
            ("/v1/accounts/demo/users/o-hush/registration", Some(Internal)),
            ("/internal/scenes/open", Some(Internal)),
            ("/v1/scenes", Some(Browsers)),
            ("/v1/scenes/hush/events", Some(Browsers)),
            ("/v1/ws?heartbeat=1", Some(Browsers)),
            ("/v1/scenecast.js", Some(Browsers)),
            ("/v1/scenecast-login.js", Some(Browsers)),
            ("/v1/modules/0.3.0-hush/scenecast.js", Some(Browsers)),
            ("/metrics", Some(Admin)),
            ("/", None),
            ("/v1", None),
            ("/v1/other", None),
            ("/metrics/x", None),
            ("/login?timestamp=1&nonce=2", None),
            ("/login?signature=x", None),
            ("/internal", None),
            ("/wechats/demo", None),
            ("/favicon.ico", None),
        ] {
            let uri = address.parse().unwrap();
            for came_to in [Browsers, Wechat, Internal, Admin] {
                let found = Misplaced::find(&uri, came_to);
                let expected = belongs_at.filter(|belongs_at| *belongs_at != came_to);
                assert_eq!(found.map(|found| found.belongs_at), expected, "{address} at {came_to}");
                let text = found.map(|found| found.to_string()).unwrap_or_default();
                assert!(!text.contains("hush"), "{text}");
            }
        }
    }
}
