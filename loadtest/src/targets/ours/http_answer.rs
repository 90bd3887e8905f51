//! The answers of a gateway over HTTP/1.1, read from bytes as they come. No I/O.

use httparse::{EMPTY_HEADER, Response, Status};

/// More headers than any answer of a gateway has.
const MAX_HEADERS: usize = 40;
/// The longest body that is taken whole, in bytes.
const LONGEST: usize = 1 << 20;

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerHead {
    pub(super) status: u16,
    /// How many bytes the head takes.
    pub(super) length: usize,
    pub(super) body: BodyLength,
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    Bytes(usize),
    Chunked,
}

/// It is no answer of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer of an HTTP server that is meant for pages")]
pub(super) struct HttpAnswerError;

/// Reads the head at the beginning of these bytes; `None` if it is not whole yet.
pub(super) fn read_head(bytes: &[u8]) -> Result<Option<AnswerHead>, HttpAnswerError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut answer = Response::new(&mut headers);
    let Status::Complete(length) = answer.parse(bytes).map_err(|_| HttpAnswerError)? else { return Ok(None) };
    let status = answer.code.ok_or(HttpAnswerError)?;
    let header = |name: &str| answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let text = |name| header(name).and_then(|header| std::str::from_utf8(header.value).ok());
    let body = match (text("transfer-encoding"), text("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => BodyLength::Chunked,
        (None, Some(length)) => {
            BodyLength::Bytes(length.parse().ok().filter(|n| *n <= LONGEST).ok_or(HttpAnswerError)?)
        }
        (None, None) if status == 204 => BodyLength::Bytes(0),
        _ => return Err(HttpAnswerError),
    };
    Ok(Some(AnswerHead { status, length, body }))
}

/// Moves the whole chunks at the beginning of `bytes` to `to`. True if the last one was among them.
pub(super) fn take_chunks(bytes: &mut Vec<u8>, to: &mut Vec<u8>) -> Result<bool, HttpAnswerError> {
    let mut taken = 0;
    let mut is_last = false;
    while !is_last {
        let rest = &bytes[taken..];
        let Status::Complete((head, length)) = httparse::parse_chunk_size(rest).map_err(|_| HttpAnswerError)? else {
            break;
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST).ok_or(HttpAnswerError)?;
        // A line break follows the chunk.
        if rest.len() < head + length + 2 {
            break;
        }
        to.extend_from_slice(&rest[head..head + length]);
        taken += head + length + 2;
        is_last = length == 0;
    }
    bytes.drain(..taken);
    Ok(is_last)
}

/// Takes the next event of a stream from the beginning of `text`: its data. `None` if none is whole yet. Comments and
/// events without data are passed by.
pub(super) fn take_event(text: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        let end = text.windows(2).position(|two| two == b"\n\n")?;
        let event: Vec<u8> = text.drain(..end + 2).collect();
        let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "));
        if let Some(data) = data {
            return Some(data.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_long_its_body_is() {
        let head = b"HTTP/1.1 201 Created\r\ncontent-length: 12\r\n\r\n{";
        let read = read_head(head).unwrap().unwrap();
        assert_eq!((read.status, read.length, read.body), (201, head.len() - 1, BodyLength::Bytes(12)));
        for cut in 0..head.len() - 1 {
            assert_eq!(read_head(&head[..cut]), Ok(None));
        }
        let chunked = read_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap().unwrap();
        assert_eq!(chunked.body, BodyLength::Chunked);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for bytes in [
            &b"SSH-2.0-OpenSSH"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        ] {
            assert_eq!(read_head(bytes), Err(HttpAnswerError), "{bytes:?}");
        }
    }

    #[test]
    fn events_are_put_together_however_their_chunks_are_cut() {
        let whole = b"5\r\ndata:\r\n4\r\n {}\n\r\n1\r\n\n\r\n3\r\n:\n\n\r\nb\r\ndata: []\nid\r\n2\r\n\n\n\r\n0\r\n\r\n";
        for cut in 0..=whole.len() {
            let (mut bytes, mut text) = (whole[..cut].to_vec(), vec![]);
            let early = take_chunks(&mut bytes, &mut text).unwrap();
            bytes.extend(&whole[cut..]);
            let is_last = early || take_chunks(&mut bytes, &mut text).unwrap();
            assert!(is_last && bytes.is_empty(), "{cut}");
            assert_eq!([take_event(&mut text), take_event(&mut text)], [Some(b"{}".to_vec()), Some(b"[]".to_vec())]);
            assert_eq!((take_event(&mut text), text.len()), (None, 0));
        }
        assert_eq!(take_chunks(&mut b"xyz\r\n".to_vec(), &mut vec![]), Err(HttpAnswerError));
    }
}
