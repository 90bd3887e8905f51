//! The bytes of an HTTP/1.1 response beside its body (RFC 9112), for responses that are sent without the HTTP server. No
//! I/O.

use std::time::SystemTime;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

/// How a body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// It has so many bytes.
    Length(u64),
    /// It comes in chunks (section 7.1).
    Chunked,
}

/// Headers as they are sent, in next to no memory. (In a `HeaderMap`, one value may keep the whole buffer that a request was
/// read into.)
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderLines(Box<[u8]>);

impl From<&HeaderMap> for HeaderLines {
    fn from(headers: &HeaderMap) -> Self {
        let mut lines = vec![];
        for (name, value) in headers {
            push_header(&mut lines, name.as_str(), value.as_bytes());
        }
        Self(lines.into())
    }
}

impl HeaderLines {
    /// The name of each header, and its line.
    fn lines(&self) -> impl Iterator<Item = (HeaderName, &[u8])> {
        self.0.split_inclusive(|byte| *byte == b'\n').filter_map(|line| {
            let name = line.split(|byte| *byte == b':').next()?;
            Some((HeaderName::from_bytes(name).ok()?, line))
        })
    }
}

/// The status line and headers, with the blank line after them. Of `added`, those count that aren't in `headers`. `stays` is
/// whether the connection stays for another request.
pub(super) fn response_head(
    status: StatusCode,
    headers: &HeaderMap,
    added: &HeaderLines,
    framing: BodyFraming,
    stays: bool,
) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let reason = status.canonical_reason().unwrap_or_default();
    head.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
    for (name, value) in headers.iter().filter(|(name, _)| !is_of_framing(name)) {
        push_header(&mut head, name.as_str(), value.as_bytes());
    }
    for (name, line) in added.lines() {
        if !headers.contains_key(&name) && !is_of_framing(&name) {
            head.extend_from_slice(line);
        }
    }
    push_header(&mut head, "date", httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    if !stays {
        push_header(&mut head, "connection", b"close");
    }
    match framing {
        BodyFraming::Length(bytes) => push_header(&mut head, "content-length", bytes.to_string().as_bytes()),
        BodyFraming::Chunked => push_header(&mut head, "transfer-encoding", b"chunked"),
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Appends a part of a chunked body. An empty one would end it.
pub(super) fn push_chunk(to: &mut Vec<u8>, part: &[u8]) {
    if !part.is_empty() {
        to.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        to.extend_from_slice(part);
        to.extend_from_slice(b"\r\n");
    }
}

/// What ends a chunked body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Whether a header says something that is said here.
fn is_of_framing(name: &HeaderName) -> bool {
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::DATE].contains(name)
}

fn push_header(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(named: &[(&'static str, &str)]) -> HeaderMap {
        named.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn lines(head: Vec<u8>) -> Vec<String> {
        let head = String::from_utf8(head).unwrap();
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        head.lines().filter(|line| !line.starts_with("date: ") && !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn a_head_has_the_status_the_headers_and_how_the_body_ends() {
        let mut own = headers(&[("content-type", "application/json"), ("set-cookie", "a=1")]);
        own.append(header::SET_COOKIE, "b=2".parse().unwrap());
        let head = response_head(StatusCode::OK, &own, &HeaderLines::default(), BodyFraming::Length(17), true);
        let expected = [
            "HTTP/1.1 200 OK",
            "content-type: application/json",
            "set-cookie: a=1",
            "set-cookie: b=2",
            "content-length: 17",
        ];
        assert_eq!(lines(head), expected);
        let none = HeaderMap::new();
        let head =
            response_head(StatusCode::SERVICE_UNAVAILABLE, &none, &HeaderLines::default(), BodyFraming::Chunked, false);
        let expected = ["HTTP/1.1 503 Service Unavailable", "connection: close", "transfer-encoding: chunked"];
        assert_eq!(lines(head), expected);
    }

    #[test]
    fn nothing_is_said_twice() {
        let own =
            headers(&[("vary", "origin"), ("date", "yesterday"), ("connection", "close"), ("content-length", "1")]);
        let added = headers(&[("vary", "other"), ("access-control-allow-origin", "*"), ("content-length", "0")]);
        let head = response_head(StatusCode::OK, &own, &HeaderLines::from(&added), BodyFraming::Length(2), true);
        let expected = ["HTTP/1.1 200 OK", "vary: origin", "access-control-allow-origin: *", "content-length: 2"];
        assert_eq!(lines(head), expected);
    }

    #[test]
    fn a_chunk_says_its_length_and_none_is_empty() {
        let mut chunks = vec![];
        for part in [&b"data: 1\n\n\n\n\n\n\n\n\n\n"[..], b"", b"x"] {
            push_chunk(&mut chunks, part);
        }
        assert_eq!(chunks, b"11\r\ndata: 1\n\n\n\n\n\n\n\n\n\n\r\n1\r\nx\r\n");
    }
}
