//! From bytes to messages. No I/O: fed whatever arrived, it keeps only what is incomplete.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

use super::close;

/// The longest message, whole or in fragments, in bytes. A first frame takes a few hundred.
const MESSAGE_AT_MOST: usize = 4096;

/// What the peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// How the peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a frame of a client has to be masked")]
    Unmasked,
    #[error("a reserved bit is set, or the opcode isn't known")]
    Reserved,
    #[error("a control frame is fragmented or longer than 125 bytes")]
    Control,
    #[error("a fragment without a beginning, or a message inside of another")]
    Fragments,
    #[error("a message is longer than 4096 bytes")]
    TooBig,
    #[error("binary frames carry nothing here")]
    Binary,
    #[error("a text isn't UTF-8")]
    NotUtf8,
}

impl Violation {
    /// The close code that answers it.
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::Unmasked | Self::Reserved | Self::Control | Self::Fragments => close::PROTOCOL_ERROR,
            Self::TooBig => close::TOO_BIG,
            Self::Binary => close::UNSUPPORTED,
            Self::NotUtf8 => close::NOT_UTF8,
        }
    }
}

/// What is left of what arrived.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Of a frame that isn't complete.
    frame: Vec<u8>,
    /// Of a message whose last fragment hasn't come.
    message: Option<Vec<u8>>,
}

impl Decoder {
    /// The messages that these bytes complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        let joined;
        let mut rest = if self.frame.is_empty() {
            bytes
        } else {
            joined = [std::mem::take(&mut self.frame).as_slice(), bytes].concat();
            &joined
        };
        let mut complete = Vec::new();
        while let Some((header, payload, after)) = split(rest)? {
            rest = after;
            complete.extend(self.take(&header, payload)?);
        }
        if !rest.is_empty() {
            self.frame = rest.to_vec();
        }
        Ok(complete)
    }

    fn take(&mut self, header: &FrameHeader, payload: Vec<u8>) -> Result<Option<Incoming>, Violation> {
        let part = match header.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => return Ok(Some(Incoming::Pong)),
            OpCode::Control(Control::Close) => return Ok(Some(Incoming::Close)),
            OpCode::Data(Data::Binary) => return Err(Violation::Binary),
            OpCode::Data(Data::Text) if self.message.is_none() => payload,
            OpCode::Data(Data::Continue) => {
                let mut message = self.message.take().ok_or(Violation::Fragments)?;
                message.extend_from_slice(&payload);
                message
            }
            OpCode::Data(Data::Text) => return Err(Violation::Fragments),
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => return Err(Violation::Reserved),
        };
        if part.len() > MESSAGE_AT_MOST {
            return Err(Violation::TooBig);
        }
        if !header.is_final {
            self.message = Some(part);
            return Ok(None);
        }
        String::from_utf8(part).map(|text| Some(Incoming::Text(text))).map_err(|_| Violation::NotUtf8)
    }
}

type Frame<'a> = (FrameHeader, Vec<u8>, &'a [u8]);

/// The first frame, unmasked, and what follows it; `None` if it isn't complete. What is wrong with
/// its header is found without waiting for its payload.
fn split(bytes: &[u8]) -> Result<Option<Frame<'_>>, Violation> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Reserved)? else {
        return Ok(None);
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(Violation::Reserved);
    }
    let mask = header.mask.ok_or(Violation::Unmasked)?;
    if matches!(header.opcode, OpCode::Control(_)) && (!header.is_final || length > 125) {
        return Err(Violation::Control);
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= MESSAGE_AT_MOST).ok_or(Violation::TooBig)?;
    let start = usize::try_from(cursor.position()).map_err(|_| Violation::TooBig)?;
    let Some(masked) = bytes.get(start..start + length) else { return Ok(None) };
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Ok(Some((header, payload, &bytes[start + length..])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    const FIN: u8 = 0x80;
    const TEXT: u8 = 1;
    const CONTINUE: u8 = 0;
    const PING: u8 = 9;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            long => {
                bytes.push(0xfe);
                bytes.extend_from_slice(&u16::try_from(long).unwrap().to_be_bytes());
            }
        }
        bytes.extend_from_slice(&MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Incoming>, Violation> {
        Decoder::default().feed(bytes)
    }

    #[test]
    fn a_text_arrives() {
        assert_eq!(decode(&frame(FIN | TEXT, "你好".as_bytes())), Ok(vec![Incoming::Text("你好".to_owned())]));
    }

    #[test]
    fn fragments_are_joined_with_a_ping_between_them() {
        let bytes =
            [frame(TEXT, b"one "), frame(FIN | PING, b"?"), frame(CONTINUE, b"two"), frame(FIN | CONTINUE, b"")];
        assert_eq!(
            decode(&bytes.concat()),
            Ok(vec![Incoming::Ping(b"?".to_vec()), Incoming::Text("one two".to_owned())])
        );
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        let huge = [&[FIN | TEXT, 0xff][..], &u64::MAX.to_be_bytes(), &MASK].concat();
        for (bytes, violation) in [
            (vec![FIN | TEXT, 2, b'h', b'i'], Violation::Unmasked),
            (frame(FIN | 0x40 | TEXT, b""), Violation::Reserved),
            (frame(FIN | 3, b""), Violation::Reserved),
            (frame(FIN | 0xb, b""), Violation::Reserved),
            (frame(PING, b""), Violation::Control),
            (frame(FIN | PING, &[0; 126]), Violation::Control),
            (frame(FIN | CONTINUE, b"x"), Violation::Fragments),
            ([frame(TEXT, b"x"), frame(FIN | TEXT, b"y")].concat(), Violation::Fragments),
            (frame(FIN | TEXT, &[b'x'; MESSAGE_AT_MOST + 1]), Violation::TooBig),
            ([frame(TEXT, &[b'x'; 4000]), frame(FIN | CONTINUE, &[b'x'; 97])].concat(), Violation::TooBig),
            (huge, Violation::TooBig),
            (frame(FIN | 2, b"x"), Violation::Binary),
            (frame(FIN | TEXT, b"\xff"), Violation::NotUtf8),
        ] {
            assert_eq!(decode(&bytes), Err(violation));
        }
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_its_header() {
        assert_eq!(decode(&[FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]), Err(Violation::TooBig));
    }

    #[test]
    fn nothing_is_kept_once_all_is_complete() {
        let mut decoder = Decoder::default();
        let bytes = frame(FIN | TEXT, b"hello");
        assert_eq!(decoder.feed(&bytes[..7]), Ok(vec![]));
        assert_eq!(decoder.feed(&bytes[7..]).unwrap().len(), 1);
        assert_eq!((decoder.frame.capacity(), decoder.message), (0, None));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same(cuts in prop::collection::vec(1_usize..40, 1..40)) {
            let bytes = [frame(TEXT, b"a fragment, "), frame(FIN | CONTINUE, b"its end"), frame(FIN | TEXT, &[b'x'; 300])]
                .concat();
            let whole = decode(&bytes).unwrap();
            let mut decoder = Decoder::default();
            let (mut got, mut rest) = (vec![], &bytes[..]);
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                got.extend(decoder.feed(now).unwrap());
                rest = later;
            }
            got.extend(decoder.feed(rest).unwrap());
            prop_assert_eq!(got, whole);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
