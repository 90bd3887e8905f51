//! What a client speaks that isn't HTTP/1.1, by the first bytes of its request. No I/O.

use std::fmt;

use crate::http::bad_request::BadRequest;

/// How many bytes are kept: enough for the longest of the signatures below.
const KEPT: usize = 16;
/// The PROXY protocol, version 2: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 1, section 2.1.
const PROXY_V1: &[u8] = b"PROXY ";
/// RFC 9113, section 3.4.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";
/// The type of a TLS record that has a handshake message: RFC 8446, section 5.1.
const TLS_HANDSHAKE: &[u8] = b"\x16";
/// In HTTP, bytes before the first blank are the method. What follows may be secret.
const WORD_END: [u8; 3] = *b" \r\n";

/// The first bytes of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FirstBytes {
    bytes: [u8; KEPT],
    length: u8,
}

impl FirstBytes {
    /// Takes the next bytes, as many as there is room for.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let start = usize::from(self.length);
        let taken = bytes.len().min(KEPT - start);
        self.bytes[start..start + taken].copy_from_slice(&bytes[..taken]);
        self.length += u8::try_from(taken).expect("it is 16 at most");
    }

    /// Why a request that begins so isn't HTTP/1.1.
    pub(crate) fn explain(&self) -> BadRequest {
        let bytes = self.as_slice();
        if bytes.starts_with(PROXY_V1) || bytes.starts_with(PROXY_V2) {
            BadRequest::ProxyProtocol
        } else if bytes.starts_with(TLS_HANDSHAKE) {
            BadRequest::Tls
        } else if bytes.starts_with(HTTP2) {
            BadRequest::Http2
        } else {
            BadRequest::Malformed
        }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }
}

/// The first word if it can be a method, else only the first byte: what is left of a body that was longer than its
/// request said is read as a request, too, and may be a part of a secret.
impl fmt::Display for FirstBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.as_slice().split(|byte| WORD_END.contains(byte)).next().unwrap_or_default();
        let method = str::from_utf8(word).ok().filter(|word| word.bytes().all(is_of_method));
        match (method, word) {
            (Some(method), _) => write!(f, "begins with \"{method}\""),
            (None, [first, ..]) => write!(f, "begins with the byte 0x{first:02x}, and no method of HTTP"),
            (None, []) => Ok(()),
        }
    }
}

/// Whether a method has such characters. All that are registered have capitals and dashes only.
fn is_of_method(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> FirstBytes {
        let mut first = FirstBytes::default();
        for byte in bytes {
            first.append(&[*byte]);
        }
        let mut at_once = FirstBytes::default();
        at_once.append(bytes);
        assert_eq!(first, at_once);
        first
    }

    #[test]
    fn what_a_client_speaks_is_named() {
        for (bytes, why) in [
            (&b"PROXY TCP4 203.0.113.7 10.0.0.1 5678 443\r\nGET / HTTP/1.1\r\n"[..], BadRequest::ProxyProtocol),
            (b"PROXY UNKNOWN\r\n", BadRequest::ProxyProtocol),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", BadRequest::ProxyProtocol),
            (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", BadRequest::ProxyProtocol),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", BadRequest::Tls),
            (b"\x16", BadRequest::Tls),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BadRequest::Http2),
            (b"SSH-2.0-OpenSSH_9.6\r\n", BadRequest::Malformed),
            (b"*1\r\n$4\r\nPING\r\n", BadRequest::Malformed),
            (b"PROXYING / HTTP/1.1\r\n", BadRequest::Malformed),
            (b"\r\n\r\nGET /", BadRequest::Malformed),
            (b"", BadRequest::Malformed),
        ] {
            assert_eq!(of(bytes).explain(), why, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_log_shows_the_first_word_and_nothing_of_the_address() {
        for (bytes, shown) in [
            (&b"GET /wechat/demo?signature=secret"[..], "GET"),
            (b"GARBAGE", "GARBAGE"),
            (b"A-VERY-LONG-METHOD-OF-NOBODY", "A-VERY-LONG-METH"),
            (b"", ""),
        ] {
            assert_eq!(of(bytes).to_string(), format!("begins with \"{shown}\""));
        }
    }

    #[test]
    fn the_log_shows_no_part_of_a_body_that_is_read_as_a_request() {
        for (bytes, first) in [
            (&b"Zq3-secret_grant\"}"[..], "5a"),
            (b"SECRETGRANT1", "53"),
            (b"\"grant\":\"ABC\"", "22"),
            (b"SECRET=", "53"),
            ("S\u{e9}cret".as_bytes(), "53"),
            (b"\x16\x03\x01", "16"),
        ] {
            assert_eq!(of(bytes).to_string(), format!("begins with the byte 0x{first}, and no method of HTTP"));
        }
    }
}
