//! The frames of a gateway's WebSocket, read from bytes as they come. No I/O.
//!
//! A server's frames are not masked. Ours are never fragmented, and none is longer than 64 KB.

/// The longest frame that is taken, in bytes. A longer one is no frame of a gateway.
const LONGEST: usize = 1 << 16;

/// A whole frame at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerFrame<'a> {
    Text(&'a [u8]),
    Ping(&'a [u8]),
    /// The close code, if there is one, and the reason.
    Close(Option<u16>, &'a [u8]),
    /// A pong, which says nothing.
    Pong,
}

/// What is at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded<'a> {
    /// A frame, and how many bytes it takes.
    Frame(ServerFrame<'a>, usize),
    /// Not yet a whole frame.
    Incomplete,
    /// Not what a gateway sends.
    Invalid,
}

/// Reads the frame at the beginning of these bytes.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let [first, second, rest @ ..] = bytes else { return Decoded::Incomplete };
    let (length, head) = match (second & 0x7f, rest) {
        (short @ 0..126, _) => (usize::from(short), 2),
        (126, [high, low, ..]) => (usize::from(u16::from_be_bytes([*high, *low])), 4),
        (126, _) => return Decoded::Incomplete,
        _ => (usize::MAX, 10),
    };
    if second & 0x80 != 0 || first & 0xf0 != 0x80 || length > LONGEST {
        return Decoded::Invalid;
    }
    let Some(payload) = bytes.get(head..head + length) else { return Decoded::Incomplete };
    let frame = match (first & 0x0f, payload) {
        (1, text) => ServerFrame::Text(text),
        (8, [high, low, reason @ ..]) => ServerFrame::Close(Some(u16::from_be_bytes([*high, *low])), reason),
        (8, _) => ServerFrame::Close(None, &[]),
        (9, payload) => ServerFrame::Ping(payload),
        (10, _) => ServerFrame::Pong,
        _ => return Decoded::Invalid,
    };
    Decoded::Frame(frame, head + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_whatever_their_length_and_however_they_are_cut() {
        for length in [0, 1, 125, 126, 127, 65_535] {
            let payload = vec![b'x'; length];
            let mut bytes = match length {
                0..126 => vec![0x81, u8::try_from(length).unwrap()],
                _ => [&[0x81, 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
            };
            bytes.extend(&payload);
            let whole = bytes.len();
            bytes.extend([0x89, 0]);
            assert_eq!(decode(&bytes), Decoded::Frame(ServerFrame::Text(&payload), whole));
            for cut in (0..whole).step_by(whole.div_ceil(50)) {
                assert_eq!(decode(&bytes[..cut]), Decoded::Incomplete, "{cut} of {whole}");
            }
        }
    }

    #[test]
    fn control_frames_are_told_apart() {
        for (bytes, frame) in [
            (&[0x88, 0][..], ServerFrame::Close(None, b"")),
            (&[0x88, 4, 3, 0xf4, b'h', b'i'], ServerFrame::Close(Some(1012), b"hi")),
            (&[0x89, 1, 7], ServerFrame::Ping(&[7])),
            (&[0x8a, 0], ServerFrame::Pong),
        ] {
            assert_eq!(decode(bytes), Decoded::Frame(frame, bytes.len()));
        }
    }

    #[test]
    fn what_no_gateway_sends_is_refused_at_once() {
        for bytes in [
            &b"HTTP/1.1 200 OK"[..], // no frame at all
            &[0x81, 0x81],           // masked
            &[0x01, 0],              // a fragment
            &[0xc1, 0],              // compressed
            &[0x82, 0],              // binary
            &[0x81, 127],            // longer than 64 KB
        ] {
            assert_eq!(decode(bytes), Decoded::Invalid, "{bytes:?}");
        }
    }
}
