//! What bytes decode to, however they are split, and which bytes break the protocol.

use super::*;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const CONTINUE: u8 = 0;
const CLOSE: u8 = 8;
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

fn decode(bytes: &[u8]) -> Vec<Incoming> {
    Decoder::default().feed(bytes)
}

fn text(text: &str) -> Incoming {
    Incoming::Text(text.to_owned())
}

/// Splits bytes into parts of these lengths; the last part has the rest.
fn split_at_lengths<'a>(mut bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = vec![];
    for length in lengths {
        let (part, rest) = bytes.split_at(bytes.len().min(usize::from(*length)));
        parts.push(part);
        bytes = rest;
    }
    parts.push(bytes);
    parts
}

/// What a stream decodes to that arrives in these parts.
fn decode_parts(parts: &[&[u8]]) -> Vec<Incoming> {
    let mut decoder = Decoder::default();
    let mut complete = vec![];
    for part in parts {
        complete.extend(decoder.feed(part));
        // The longest header has 14 bytes.
        if let Some(Incomplete { frame, message }) = decoder.0.as_deref() {
            assert!(frame.len() < MAX_MESSAGE_BYTES + 14, "{} bytes of a frame are kept", frame.len());
            assert!(message.as_ref().is_none_or(|message| message.len() <= MAX_MESSAGE_BYTES));
        }
        if matches!(complete.last(), Some(Incoming::Close | Incoming::ProtocolError(_))) {
            break;
        }
    }
    complete
}

#[test]
fn a_text_is_decoded() {
    assert_eq!(decode(&frame(FIN | TEXT, "你好".as_bytes())), [text("你好")]);
}

#[test]
fn fragments_are_joined_with_a_ping_between_them() {
    let bytes = [frame(TEXT, b"one "), frame(FIN | PING, b"?"), frame(CONTINUE, b"two"), frame(FIN | CONTINUE, b"")];
    assert_eq!(decode(&bytes.concat()), [Incoming::Ping(b"?".to_vec()), text("one two")]);
}

#[test]
fn each_protocol_error_is_told_apart() {
    let huge = [&[FIN | TEXT, 0xff][..], &u64::MAX.to_be_bytes(), &MASK].concat();
    let half_above_the_sign = [&[FIN | TEXT, 0xff][..], &(1_u64 << 63).to_be_bytes(), &MASK].concat();
    let close_in_chinese = [&1000_u16.to_be_bytes()[..], "再见".as_bytes()].concat();
    for (bytes, error) in [
        (vec![FIN | TEXT, 2, b'h', b'i'], ProtocolError::Unmasked),
        (frame(FIN | 0x40 | TEXT, b""), ProtocolError::Reserved),
        (frame(FIN | 3, b""), ProtocolError::Reserved),
        (frame(FIN | 0xb, b""), ProtocolError::Reserved),
        (frame(PING, b""), ProtocolError::Control),
        (frame(FIN | PING, &[0; 126]), ProtocolError::Control),
        (frame(FIN | CONTINUE, b"x"), ProtocolError::Fragments),
        ([frame(TEXT, b"x"), frame(FIN | TEXT, b"y")].concat(), ProtocolError::Fragments),
        (frame(FIN | TEXT, &[b'x'; MAX_MESSAGE_BYTES + 1]), ProtocolError::TooBig),
        ([frame(TEXT, &[b'x'; 4000]), frame(FIN | CONTINUE, &[b'x'; 97])].concat(), ProtocolError::TooBig),
        (huge, ProtocolError::TooBig),
        (half_above_the_sign, ProtocolError::TooBig),
        (frame(FIN | 2, b"x"), ProtocolError::Binary),
        (frame(FIN | TEXT, b"\xff"), ProtocolError::NotUtf8),
        (frame(FIN | CLOSE, &[3]), ProtocolError::CloseCode),
        (frame(FIN | CLOSE, &999_u16.to_be_bytes()), ProtocolError::CloseCode),
        (frame(FIN | CLOSE, &1005_u16.to_be_bytes()), ProtocolError::CloseCode),
        (frame(FIN | CLOSE, &5000_u16.to_be_bytes()), ProtocolError::CloseCode),
        (frame(FIN | CLOSE, &close_in_chinese[..close_in_chinese.len() - 1]), ProtocolError::NotUtf8),
    ] {
        assert_eq!(decode(&bytes), [Incoming::ProtocolError(error)]);
    }
    assert_eq!(decode(&frame(FIN | CLOSE, &close_in_chinese)), [Incoming::Close]);
}

#[test]
fn messages_before_an_error_are_decoded() {
    let bytes = [frame(FIN | TEXT, b"first"), frame(FIN | 2, b""), frame(FIN | TEXT, b"after")].concat();
    assert_eq!(decode(&bytes), [text("first"), Incoming::ProtocolError(ProtocolError::Binary)]);
}

#[test]
fn nothing_is_decoded_after_a_close() {
    let bytes = [frame(FIN | CLOSE, b""), vec![0xff; 100]].concat();
    assert_eq!(decode(&bytes), [Incoming::Close]);
}

#[test]
fn a_message_over_the_limit_is_refused_before_its_payload_arrives() {
    let header = [FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4];
    assert_eq!(decode(&header), [Incoming::ProtocolError(ProtocolError::TooBig)]);
}

#[test]
fn no_memory_is_kept_once_all_is_complete() {
    let mut decoder = Decoder::default();
    let bytes = frame(FIN | TEXT, b"hello");
    assert_eq!(decoder.feed(&bytes[..7]), []);
    assert_eq!(decoder.feed(&bytes[7..]).len(), 1);
    assert!(decoder.0.is_none());
}

#[test]
fn any_bytes_decode_the_same_however_they_are_split() {
    bolero::check!().for_each(|input: &[u8]| {
        let (lengths, bytes) = input.split_at(input.len().min(8));
        assert_eq!(decode_parts(&split_at_lengths(bytes, lengths)), decode(bytes));
    });
}

#[test]
fn any_frames_decode_the_same_however_they_are_split() {
    bolero::check!().with_type().for_each(|(frames, lengths): &(Vec<(u8, Vec<u8>)>, Vec<u8>)| {
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
        assert_eq!(decode_parts(&split_at_lengths(&bytes, lengths)), decode(&bytes));
    });
}
