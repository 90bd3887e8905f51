//! Frames that RFC 6455 or this server doesn't allow.

use scenecast_browsers::raw_websocket::{BINARY, CLOSE, CONTINUE, FIN, PING, TEXT, announced, frame_of, resume_of};

use super::{Bystander, next_frame, raw_close_code, raw_socket};
use crate::fixtures::GatewayWorld;

/// Bytes that no page may send at any time, and the close code that answers them.
fn illegal() -> Vec<(&'static str, Vec<u8>, u16)> {
    let long_text = [b'x'; 4097];
    let two_first_fragments = [frame_of(TEXT, b"a"), frame_of(FIN | TEXT, b"b")].concat();
    let long_fragments = [frame_of(TEXT, &long_text[..4000]), frame_of(FIN | CONTINUE, &long_text[..97])].concat();
    let mut all = vec![
        ("unmasked", vec![FIN | TEXT, 2, b'h', b'i'], 1002),
        ("an unmasked ping", vec![FIN | PING, 0], 1002),
        ("a continuation without a first fragment", frame_of(FIN | CONTINUE, b"x"), 1002),
        ("a first fragment inside another message", two_first_fragments, 1002),
        ("a ping in fragments", frame_of(PING, b""), 1002),
        ("a close in fragments", frame_of(CLOSE, b""), 1002),
        ("a ping of 126 bytes", frame_of(FIN | PING, &[0; 126]), 1002),
        ("a ping with a length of 4 GiB", announced(FIN | PING, 1 << 32), 1002),
        ("half a close code", frame_of(FIN | CLOSE, &[3]), 1002),
        ("a close code that must not be sent", frame_of(FIN | CLOSE, &1006_u16.to_be_bytes()), 1002),
        ("a close code that does not exist", frame_of(FIN | CLOSE, &[0, 0]), 1002),
        ("a reason that isn't UTF-8", frame_of(FIN | CLOSE, b"\x03\xe8\xff"), 1007),
        ("a text that isn't UTF-8", frame_of(FIN | TEXT, b"\xed\xa0\x80"), 1007),
        ("a character cut by the end of a message", frame_of(FIN | TEXT, "你".as_bytes().split_at(2).0), 1007),
        ("binary", frame_of(FIN | BINARY, b"{}"), 1003),
        ("the first fragment of a binary message", frame_of(BINARY, b"{}"), 1003),
        ("a text of 4097 bytes", frame_of(FIN | TEXT, &long_text), 1009),
        ("a text of 4097 bytes in fragments", long_fragments, 1009),
        ("a length of 16 EiB", announced(FIN | TEXT, u64::MAX), 1009),
        ("a length with its top bit set", announced(FIN | TEXT, 1 << 63), 1009),
        ("a length of 4 GiB", announced(FIN | TEXT, 1 << 32), 1009),
    ];
    all.extend([0x40, 0x20, 0x10].map(|reserved| ("a reserved bit", frame_of(FIN | reserved | TEXT, b""), 1002)));
    all.extend([3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|reserved| ("an opcode", frame_of(FIN | reserved, b""), 1002)));
    all
}

#[tokio::test]
async fn each_invalid_frame_has_its_close_code_before_and_after_the_first_frame() {
    let world = GatewayWorld::new().await;
    let bystander = Bystander::watching(&world).await;
    for (what, bytes, code) in illegal() {
        let mut at_once = raw_socket(&world).await;
        at_once.send(&bytes).await;
        assert_eq!(raw_close_code(&mut at_once).await, Some(code), "{what}, {bytes:02x?}");

        let mut later = raw_socket(&world).await;
        later.send(&resume_of(&world.scene().await.key)).await;
        assert_eq!(next_frame(&mut later).await.unwrap().0, FIN | TEXT, "it is resumed");
        later.send(&bytes).await;
        assert_eq!(raw_close_code(&mut later).await, Some(code), "after the first frame: {what}, {bytes:02x?}");
    }
    world.watches(1).await;
    bystander.gets_login(&world).await;
}

#[tokio::test]
async fn an_invalid_frame_that_arrives_byte_by_byte_has_the_same_close_code() {
    let world = GatewayWorld::new().await;
    for (what, bytes, code) in illegal().into_iter().filter(|(_, bytes, _)| bytes.len() < 200) {
        let mut page = raw_socket(&world).await;
        for byte in &bytes {
            page.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(raw_close_code(&mut page).await, Some(code), "{what}, {bytes:02x?}");
    }
}

#[tokio::test]
async fn an_invalid_first_frame_is_refused_with_a_problem() {
    let world = GatewayWorld::new().await;
    let deep = ["[", "{\"a\":"].map(|open| open.repeat(4096 / open.len()));
    let many = format!("{{\"open\":{{\"account\":\"demo\",\"state\":\"{}\"}}}}", "s".repeat(257));
    let huge = format!("{{\"resume\":{{\"key\":\"x\",\"after\":{}}}}}", "9".repeat(4000));
    let twice = "{\"resume\":{\"key\":\"x\",\"key\":\"y\"}}".to_owned();
    let zero = "{\"open\":{\"account\":\"demo\\u0000\"}}".to_owned();
    for first in deep.into_iter().chain([many, huge, twice, zero, "\0".repeat(4096)]) {
        let mut page = raw_socket(&world).await;
        page.send(&frame_of(FIN | TEXT, first.as_bytes())).await;
        let (_, problem) = next_frame(&mut page).await.unwrap();
        assert!(String::from_utf8(problem).unwrap().contains("\"bad_request\""), "{first:.40}");
        assert_eq!(raw_close_code(&mut page).await, Some(1008), "{first:.40}");
    }
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn half_a_first_frame_has_the_same_timeout_as_none() {
    let world = GatewayWorld::new().await;
    let whole = resume_of(&world.scene().await.key);
    let mut page = raw_socket(&world).await;
    page.send(&whole[..whole.len() / 2]).await;
    assert_eq!(raw_close_code(&mut page).await, Some(1008));
}

#[tokio::test]
async fn bytes_after_a_close_are_ignored() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    for after in [resume_of(&scene.key), vec![0xff; 100], frame_of(FIN | CLOSE, b""), vec![0; 1 << 20]] {
        let mut page = raw_socket(&world).await;
        page.send(&[frame_of(FIN | CLOSE, &1000_u16.to_be_bytes()), after].concat()).await;
        assert_eq!(raw_close_code(&mut page).await, Some(1000));
        assert_eq!(next_frame(&mut page).await, None);
    }
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn a_valid_first_frame_before_a_protocol_error_is_served() {
    let world = GatewayWorld::new().await;
    let mut page = raw_socket(&world).await;
    page.send(&[resume_of(&world.scene().await.key), frame_of(FIN | BINARY, b"")].concat()).await;
    assert_eq!(raw_close_code(&mut page).await, Some(1003));
    world.watches(0).await;
}
