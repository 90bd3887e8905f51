//! The opening handshake (RFC 6455 section 4.2).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use tungstenite::handshake::derive_accept_key;

/// The sub-protocol of the page's socket.
pub(crate) const PROTOCOL: &str = "scenecast.v1";

/// Why a request opens no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHandshake {
    #[error("this is a WebSocket; connect with Connection: Upgrade and Upgrade: websocket")]
    NotUpgrade,
    #[error("only WebSocket version 13 is spoken here")]
    Version,
    #[error("Sec-WebSocket-Key is missing or isn't 16 bytes in base64")]
    Key,
    #[error("the sub-protocol scenecast.v1 has to be offered")]
    Protocol,
}

impl BadHandshake {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NotUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Protocol => StatusCode::BAD_REQUEST,
        }
    }
}

/// The headers that accept this handshake, and with it the sub-protocol, where one is spoken.
pub(crate) fn accept(asked: &HeaderMap, protocol: Option<&'static str>) -> Result<HeaderMap, BadHandshake> {
    if !lists(asked, &header::CONNECTION, "upgrade") || !lists(asked, &header::UPGRADE, "websocket") {
        return Err(BadHandshake::NotUpgrade);
    }
    if asked.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(BadHandshake::Version);
    }
    // 16 bytes in base64.
    let key = asked.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24).ok_or(BadHandshake::Key)?;
    if protocol.is_some_and(|protocol| !lists(asked, &header::SEC_WEBSOCKET_PROTOCOL, protocol)) {
        return Err(BadHandshake::Protocol);
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| BadHandshake::Key)?;
    let mut headers = HeaderMap::from_iter([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ]);
    headers.extend(protocol.map(|protocol| (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol))));
    Ok(headers)
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

    fn asked(changes: &[(&'static str, Option<&'static str>)]) -> HeaderMap {
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
        let headers = accept(&asked(&[]), Some(PROTOCOL)).unwrap();
        assert_eq!(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(headers["sec-websocket-protocol"], PROTOCOL);
    }

    #[test]
    fn anything_else_is_told_why_not() {
        for (name, value, why) in [
            ("connection", None, BadHandshake::NotUpgrade),
            ("upgrade", Some("h2c"), BadHandshake::NotUpgrade),
            ("sec-websocket-version", Some("8"), BadHandshake::Version),
            ("sec-websocket-key", None, BadHandshake::Key),
            ("sec-websocket-key", Some("short"), BadHandshake::Key),
            ("sec-websocket-protocol", None, BadHandshake::Protocol),
            ("sec-websocket-protocol", Some("scenecast.v2"), BadHandshake::Protocol),
        ] {
            assert_eq!(accept(&asked(&[(name, value)]), Some(PROTOCOL)), Err(why), "{name} {value:?}");
        }
    }

    #[test]
    fn where_no_sub_protocol_is_spoken_none_is_chosen() {
        for offered in [None, Some("chat")] {
            let headers = accept(&asked(&[("sec-websocket-protocol", offered)]), None).unwrap();
            assert!(!headers.contains_key("sec-websocket-protocol"));
        }
    }
}
