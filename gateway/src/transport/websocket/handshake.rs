//! The opening handshake (RFC 6455 section 4.2).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use tungstenite::handshake::derive_accept_key;

/// The sub-protocol of the own API.
pub(crate) const SUBPROTOCOL: &str = "scenecast.v1";

/// Why a request can't become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("this is a WebSocket; connect with Connection: Upgrade and Upgrade: websocket")]
    NotUpgrade,
    #[error("this server supports WebSocket version 13 only")]
    Version,
    #[error("Sec-WebSocket-Key is missing or isn't 16 bytes in base64")]
    Key,
    #[error("the client has to offer the sub-protocol scenecast.v1")]
    Protocol,
}

impl HandshakeError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Protocol => StatusCode::BAD_REQUEST,
        }
    }
}

/// The response headers that accept this handshake, and the sub-protocol if there is one.
pub(crate) fn accept(request: &HeaderMap, protocol: Option<&'static str>) -> Result<HeaderMap, HandshakeError> {
    if !lists(request, &header::CONNECTION, "upgrade") || !lists(request, &header::UPGRADE, "websocket") {
        return Err(HandshakeError::NotUpgrade);
    }
    if request.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(HandshakeError::Version);
    }
    // 16 bytes in base64.
    let key = request.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24).ok_or(HandshakeError::Key)?;
    if protocol.is_some_and(|protocol| !lists(request, &header::SEC_WEBSOCKET_PROTOCOL, protocol)) {
        return Err(HandshakeError::Protocol);
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| HandshakeError::Key)?;
    let mut headers = HeaderMap::from_iter([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ]);
    headers.extend(protocol.map(|protocol| (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol))));
    Ok(headers)
}

/// Whether the client understands the frames of the own API.
pub(crate) fn offers_own_protocol(request: &HeaderMap) -> bool {
    lists(request, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
}

/// Whether one of the comma-separated values of this header is `wanted`.
fn lists(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(changes: &[(&'static str, Option<&'static str>)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            // The example of RFC 6455.
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "other, scenecast.v1"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in changes {
            headers.remove(*name);
            if let Some(value) = value {
                headers.insert(*name, HeaderValue::from_static(value));
            }
        }
        headers
    }

    #[test]
    fn the_rfcs_example_is_accepted() {
        let headers = accept(&request(&[]), Some(SUBPROTOCOL)).unwrap();
        assert_eq!(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(headers["sec-websocket-protocol"], SUBPROTOCOL);
    }

    #[test]
    fn each_invalid_handshake_has_its_error() {
        for (name, value, error) in [
            ("connection", None, HandshakeError::NotUpgrade),
            ("upgrade", Some("h2c"), HandshakeError::NotUpgrade),
            ("sec-websocket-version", Some("8"), HandshakeError::Version),
            ("sec-websocket-key", None, HandshakeError::Key),
            ("sec-websocket-key", Some("short"), HandshakeError::Key),
            ("sec-websocket-protocol", None, HandshakeError::Protocol),
            ("sec-websocket-protocol", Some("scenecast.v2"), HandshakeError::Protocol),
        ] {
            assert_eq!(accept(&request(&[(name, value)]), Some(SUBPROTOCOL)), Err(error), "{name} {value:?}");
        }
    }

    #[test]
    fn no_sub_protocol_is_chosen_where_there_is_none() {
        for offered in [None, Some("chat")] {
            let headers = accept(&request(&[("sec-websocket-protocol", offered)]), None).unwrap();
            assert!(!headers.contains_key("sec-websocket-protocol"));
        }
    }
}
