//! Frames from a server, which come unmasked and may come in pieces. No I/O.

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
/// A peer's frames are small. Whoever announces more isn't one.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// A whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerFrame {
    Text(String),
    /// The payload has to be sent back.
    Ping(Vec<u8>),
    Close,
    /// A pong, or a binary message, which no peer here sends.
    Other,
}

/// What isn't a frame of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a WebSocket frame of a server")]
pub(super) struct NotAFrame;

/// Takes the first whole frame out of what was received. `None` if more has to come.
pub(super) fn take_frame(received: &mut Vec<u8>) -> Result<Option<ServerFrame>, NotAFrame> {
    let Some((head, length)) = payload_of(received)? else { return Ok(None) };
    let Some(payload) = received.get(head..head + length) else { return Ok(None) };
    let frame = match received[0] & 0x0f {
        TEXT => ServerFrame::Text(String::from_utf8(payload.to_vec()).map_err(|_| NotAFrame)?),
        PING => ServerFrame::Ping(payload.to_vec()),
        CLOSE => ServerFrame::Close,
        _ => ServerFrame::Other,
    };
    received.drain(..head + length);
    if received.is_empty() {
        // An idle page keeps no memory for what it may receive.
        *received = Vec::new();
    }
    Ok(Some(frame))
}

/// How long the head and the payload of the first frame are. `None` if the head isn't whole.
fn payload_of(received: &[u8]) -> Result<Option<(usize, usize)>, NotAFrame> {
    let Some([_, second]) = received.first_chunk() else { return Ok(None) };
    let (head, length) = match second {
        126 => match received.get(2..4).and_then(<[u8]>::first_chunk) {
            Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match received.get(2..10).and_then(<[u8]>::first_chunk) {
            Some(length) => (10, usize::try_from(u64::from_be_bytes(*length)).map_err(|_| NotAFrame)?),
            None => return Ok(None),
        },
        // The bit of a mask, which only clients set.
        128.. => return Err(NotAFrame),
        short => (2, usize::from(*short)),
    };
    if length > MAX_PAYLOAD { Err(NotAFrame) } else { Ok(Some((head, length))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len();
        let head = match length {
            0..126 => vec![first, u8::try_from(length).unwrap()],
            126..65_536 => [&[first, 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
            _ => [&[first, 127][..], &u64::try_from(length).unwrap().to_be_bytes()].concat(),
        };
        [&head, payload].concat()
    }

    #[test]
    fn frames_are_the_same_however_they_are_split() {
        let texts = ["", "a", &"b".repeat(126), &"c".repeat(70_000)];
        let stream: Vec<u8> = texts.iter().flat_map(|text| frame(0x81, text.as_bytes())).collect();
        for size in [1, 7, 1000, stream.len()] {
            let mut received = vec![];
            let mut frames = vec![];
            for part in stream.chunks(size) {
                received.extend_from_slice(part);
                while let Some(frame) = take_frame(&mut received).unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, texts.map(|text| ServerFrame::Text(text.to_owned())));
            assert!(received.is_empty() && received.capacity() == 0);
        }
    }

    #[test]
    fn pings_and_closes_are_told_from_texts() {
        let mut received = [frame(0x89, b"x"), frame(0x8a, b""), frame(0x88, &[3, 232])].concat();
        let mut take = || take_frame(&mut received).unwrap();
        assert_eq!(take(), Some(ServerFrame::Ping(b"x".to_vec())));
        assert_eq!([take(), take(), take()], [Some(ServerFrame::Other), Some(ServerFrame::Close), None]);
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        let huge = [&[0x81, 127][..], &u64::MAX.to_be_bytes()].concat();
        for bytes in [&b"<html>"[..1], &b"\x81\x85masked"[..], &huge, &frame(0x81, &[0xff, 0xfe])] {
            let taken = take_frame(&mut bytes.to_vec());
            assert!(matches!(taken, Err(NotAFrame) | Ok(None)), "{bytes:?}: {taken:?}");
        }
        assert_eq!(take_frame(&mut b"\x81\x85masked".to_vec()), Err(NotAFrame));
        assert_eq!(take_frame(&mut huge.clone()), Err(NotAFrame));
    }
}
