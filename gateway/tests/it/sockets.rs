//! WebSockets that say the wrong thing, too much, or nothing.

use std::time::SystemTime;

use scenecast_loadtest::hostile::websocket::HANDSHAKE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame as RawFrame,
        coding::{Data, OpCode},
    },
};

use super::*;

#[tokio::test]
async fn a_page_resumes_by_its_key() {
    let world = World::new().await;
    let mut page = world.page().await;
    page.resume(&world.scene().await.key, 0).await.unwrap();
    let resumed = frame(&mut page).await;
    assert_eq!((resumed.kind.as_str(), resumed.state.as_str()), ("resumed", "open"));
    assert!((118..=120).contains(&resumed.expires_in));
    assert_eq!(world.bus.held(), 1);
}

#[tokio::test]
async fn a_page_that_leaves_is_let_go_of() {
    let world = World::new().await;
    let mut page = world.page().await;
    page.resume(&world.scene().await.key, 0).await.unwrap();
    frame(&mut page).await;
    page.send(Message::Close(None)).await.unwrap();
    assert!(matches!(hear(&mut page).await, Heard::Closed(..)));
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn made_up_and_foreign_keys_open_nothing() {
    let world = World::new().await;
    let foreign = Scene::issue_under("another deployment's", LIFE, SystemTime::now());
    let mut page = world.page().await;
    page.resume(&foreign.key, 0).await.unwrap();
    let problem = frame(&mut page).await;
    assert_eq!((problem.kind.as_str(), problem.code.as_str()), ("problem", "key_invalid"));
    assert_eq!(close_code(&mut page).await, 1008);

    let mut page = world.page().await;
    page.resume("made-up", 0).await.unwrap();
    assert_eq!(frame(&mut page).await.code, "key_invalid");
    assert_eq!(close_code(&mut page).await, 1008);
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn the_key_of_a_scene_that_is_long_over_says_so() {
    let world = World::new().await;
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let mut page = world.page().await;
    page.resume(&Scene::issue(LIFE, long_ago).key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.code, "scene_expired");
    assert_eq!(close_code(&mut page).await, 1008);
}

#[tokio::test]
async fn a_page_that_says_nothing_is_closed() {
    let world = World::new().await;
    let mut page = world.page().await;
    assert_eq!(frame(&mut page).await.code, "bad_request");
    assert_eq!(close_code(&mut page).await, 1008);
}

#[tokio::test]
async fn frames_that_mean_nothing_are_refused_by_their_kind() {
    let world = World::new().await;
    for (message, code) in [
        (Message::text("hello"), 1008),
        (Message::text("{\"open\":{\"account\":\"../etc\"}}"), 1008),
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::text("x".repeat(4097)), 1009),
        (Message::text("x".repeat(1 << 20)), 1009),
        (Message::Frame(RawFrame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true)), 1007),
        (Message::Frame(RawFrame::message("x", OpCode::Data(Data::Continue), true)), 1002),
        (Message::Frame(RawFrame::message("x", OpCode::Data(Data::Reserved(3)), true)), 1002),
    ] {
        let mut page = world.page().await;
        // The gateway may close before all of a large message is sent.
        let _ = page.send(message.clone()).await;
        let mut heard = hear(&mut page).await;
        if let Heard::Frame(problem) = &heard {
            assert_eq!((code, problem.code.as_str()), (1008, "bad_request"));
            heard = hear(&mut page).await;
        }
        match heard {
            Heard::Closed(closed, _) => assert_eq!(closed, code, "{message:.60}"),
            Heard::Broken if message.len() > 100_000 => {}
            other => panic!("{message:.60}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_first_frame_in_fragments_is_a_first_frame() {
    let world = World::new().await;
    let text = format!("{{\"resume\":{{\"key\":\"{}\"}}}}", world.scene().await.key);
    let (one, two) = text.split_at(20);
    let mut page = world.page().await;
    let first = RawFrame::message(one.to_owned(), OpCode::Data(Data::Text), false);
    let last = RawFrame::message(two.to_owned(), OpCode::Data(Data::Continue), true);
    page.send(Message::Frame(first)).await.unwrap();
    page.send(Message::Ping("between".into())).await.unwrap();
    page.send(Message::Frame(last)).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed");
}

#[tokio::test]
async fn a_page_is_told_when_no_callback_answers() {
    let world = World::new().await;
    let mut page = world.page().await;
    page.open("demo", None).await.unwrap();
    let problem = frame(&mut page).await;
    assert_eq!(problem.code, "callback_unavailable");
    assert!(problem.retry_after > 0);
    assert_eq!(close_code(&mut page).await, 1013);
}

#[tokio::test]
async fn pages_of_other_origins_are_not_let_in() {
    let world = World::new().await;
    for origin in ["https://evil.example", "https://www.example.com.evil.example", "http://www.example.com", "null"] {
        let refused = Page::connect(&world.address.to_string(), origin).await;
        let Err(tokio_tungstenite::tungstenite::Error::Http(response)) = refused else { panic!("{origin}") };
        assert_eq!(response.status(), 403, "{origin}");
    }
}

#[tokio::test]
async fn beyond_the_ceiling_a_page_is_told_to_come_back() {
    let world = World::with(Bus::memory(), Limits::new(1.try_into().unwrap())).await;
    let mut held = world.page().await;
    held.resume(&world.scene().await.key, 0).await.unwrap();
    frame(&mut held).await;

    let mut crowded = world.page().await;
    let problem = frame(&mut crowded).await;
    assert_eq!((problem.code.as_str(), problem.retry_after), ("crowded", 5));
    let Heard::Closed(1013, reason) = hear(&mut crowded).await else { panic!() };
    assert!(reason.starts_with("retry_after_ms="), "{reason}");
    let answer = reqwest::Client::new().post(world.url("/v1/scenes")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(answer.headers()["connection"], "close", "there may be room on the next one");
    assert_eq!(world.bus.held(), 1);
}

#[tokio::test]
async fn frames_sent_with_the_handshake_and_not_masked_are_read_as_such() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(&[HANDSHAKE.as_bytes(), b"\x81\x02hi"].concat()).await.unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    // A close frame with code 1002.
    let at = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert_eq!((answer[at], &answer[at + 2..at + 4]), (0x88, &1002_u16.to_be_bytes()[..]));
}

#[tokio::test]
async fn connections_are_counted() {
    let world = World::new().await;
    let mut page = world.page().await;
    page.resume(&world.scene().await.key, 0).await.unwrap();
    frame(&mut page).await;
    assert_eq!(world.metric("connections_open{transport=\"websocket\"}"), 1);
    assert_eq!(world.metric("scenes_held"), 1);
    page.send(Message::Close(None)).await.unwrap();
    hear(&mut page).await;
    assert_eq!(world.metric("connections_closed_total{end=\"gone\",transport=\"websocket\"}"), 1);
}
