//! Frames that RFC 6455 or this server doesn't allow.

use super::*;

/// What no page may send at any time, and how it is answered.
fn illegal() -> Vec<(&'static str, Vec<u8>, u16)> {
    let long_text = [b'x'; 4097];
    let (in_two, too_long_in_two) = ([frame_of(TEXT, b"a"), frame_of(FIN | TEXT, b"b")], {
        [frame_of(TEXT, &long_text[..4000]), frame_of(FIN | CONTINUE, &long_text[..97])]
    });
    let mut all = vec![
        ("unmasked", vec![FIN | TEXT, 2, b'h', b'i'], 1002),
        ("an unmasked ping", vec![FIN | PING, 0], 1002),
        ("a continuation without a beginning", frame_of(FIN | CONTINUE, b"x"), 1002),
        ("a beginning inside of a message", in_two.concat(), 1002),
        ("a ping in fragments", frame_of(PING, b""), 1002),
        ("a close in fragments", frame_of(CLOSE, b""), 1002),
        ("a ping of 126 bytes", frame_of(FIN | PING, &[0; 126]), 1002),
        ("a ping of which 4 GiB are announced", announced(FIN | PING, 1 << 32), 1002),
        ("half a close code", frame_of(FIN | CLOSE, &[3]), 1002),
        ("a close code that is not for the wire", frame_of(FIN | CLOSE, &1006_u16.to_be_bytes()), 1002),
        ("a close code that there isn't", frame_of(FIN | CLOSE, &[0, 0]), 1002),
        ("a reason that isn't UTF-8", frame_of(FIN | CLOSE, b"\x03\xe8\xff"), 1007),
        ("a text that isn't UTF-8", frame_of(FIN | TEXT, b"\xed\xa0\x80"), 1007),
        ("a character cut by the end of a message", frame_of(FIN | TEXT, "你".as_bytes().split_at(2).0), 1007),
        ("binary", frame_of(FIN | BINARY, b"{}"), 1003),
        ("the beginning of something binary", frame_of(BINARY, b"{}"), 1003),
        ("a text of 4097 bytes", frame_of(FIN | TEXT, &long_text), 1009),
        ("a text of 4097 bytes in fragments", too_long_in_two.concat(), 1009),
        ("a length of 16 EiB", announced(FIN | TEXT, u64::MAX), 1009),
        ("a length with its top bit set", announced(FIN | TEXT, 1 << 63), 1009),
        ("a length of 4 GiB", announced(FIN | TEXT, 1 << 32), 1009),
    ];
    all.extend([0x40, 0x20, 0x10].map(|reserved| ("a reserved bit", frame_of(FIN | reserved | TEXT, b""), 1002)));
    all.extend([3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|reserved| ("an opcode", frame_of(FIN | reserved, b""), 1002)));
    all
}

#[tokio::test]
async fn each_is_closed_by_its_code_before_and_after_the_first_frame() {
    let world = World::new().await;
    let bystander = Bystander::watching(&world).await;
    for (what, bytes, code) in illegal() {
        let mut at_once = page(&world).await;
        at_once.send(&bytes).await;
        assert_eq!(closed(&mut at_once).await, Some(code), "{what}, {bytes:02x?}");

        let mut later = page(&world).await;
        later.send(&resume_of(&world.scene().await.key)).await;
        assert_eq!(said(&mut later).await.unwrap().0, FIN | TEXT, "it is resumed");
        later.send(&bytes).await;
        assert_eq!(closed(&mut later).await, Some(code), "after the first frame: {what}, {bytes:02x?}");
    }
    until("they are let go of", async || world.bus.held() == 1).await;
    bystander.logs_in(&world).await;
}

#[tokio::test]
async fn each_arrives_byte_by_byte_as_in_one_piece() {
    let world = World::new().await;
    for (what, bytes, code) in illegal().into_iter().filter(|(_, bytes, _)| bytes.len() < 200) {
        let mut page = super::page(&world).await;
        for byte in &bytes {
            page.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(closed(&mut page).await, Some(code), "{what}, {bytes:02x?}");
    }
}

#[tokio::test]
async fn a_first_frame_that_is_none_says_so() {
    let world = World::new().await;
    let deep = ["[", "{\"a\":"].map(|open| open.repeat(4096 / open.len()));
    let many = format!("{{\"open\":{{\"account\":\"demo\",\"state\":\"{}\"}}}}", "s".repeat(257));
    let huge = format!("{{\"resume\":{{\"key\":\"x\",\"after\":{}}}}}", "9".repeat(4000));
    let twice = "{\"resume\":{\"key\":\"x\",\"key\":\"y\"}}".to_owned();
    let zero = "{\"open\":{\"account\":\"demo\\u0000\"}}".to_owned();
    for first in deep.into_iter().chain([many, huge, twice, zero, "\0".repeat(4096)]) {
        let mut page = super::page(&world).await;
        page.send(&frame_of(FIN | TEXT, first.as_bytes())).await;
        let (_, problem) = said(&mut page).await.unwrap();
        assert!(String::from_utf8(problem).unwrap().contains("\"bad_request\""), "{first:.40}");
        assert_eq!(closed(&mut page).await, Some(1008), "{first:.40}");
    }
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn half_a_first_frame_is_waited_for_as_long_as_a_whole_one() {
    let world = World::new().await;
    let whole = resume_of(&world.scene().await.key);
    let mut page = super::page(&world).await;
    page.send(&whole[..whole.len() / 2]).await;
    assert_eq!(closed(&mut page).await, Some(1008));
}

#[tokio::test]
async fn what_follows_a_close_is_not_listened_to() {
    let world = World::new().await;
    let scene = world.scene().await;
    for after in [resume_of(&scene.key), vec![0xff; 100], frame_of(FIN | CLOSE, b""), vec![0; 1 << 20]] {
        let mut page = super::page(&world).await;
        page.send(&[frame_of(FIN | CLOSE, &1000_u16.to_be_bytes()), after].concat()).await;
        assert_eq!(closed(&mut page).await, Some(1000));
        assert_eq!(said(&mut page).await, None);
    }
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn what_was_asked_before_a_violation_was_asked() {
    let world = World::new().await;
    let mut page = super::page(&world).await;
    page.send(&[resume_of(&world.scene().await.key), frame_of(FIN | BINARY, b"")].concat()).await;
    assert_eq!(closed(&mut page).await, Some(1003));
    until("it is let go of", async || world.bus.held() == 0).await;
}
