//! The WebSocket of the own API.

use std::time::{Duration, Instant, SystemTime};

use scenecast_browsers::{
    login_page::{LoginPage, PageFrame, PageMessage},
    raw_websocket::HANDSHAKE,
};
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

use crate::fixtures::{GatewayWorld, LIFE, ORIGIN, Scene, close_code, frame, next, reconnect_delay_ms};

#[tokio::test]
async fn a_page_resumes_by_its_key() {
    let world = GatewayWorld::new().await;
    let mut page = world.page().await;
    page.resume(&world.scene().await.key, 0).await.unwrap();
    let resumed = frame(&mut page).await;
    assert_eq!((resumed.kind.as_str(), resumed.state.as_str()), ("resumed", "open"));
    assert!((118..=120).contains(&resumed.expires_in));
    assert_eq!(world.reader.watched_scenes(), 1);
}

/// A page that asked for heartbeats, and the frame that begins its connection.
async fn page_with_heartbeats(world: &GatewayWorld) -> (LoginPage, PageFrame) {
    let mut page = LoginPage::connect_with_heartbeats(&world.address.to_string(), ORIGIN).await.unwrap();
    page.resume(&world.scene().await.key, 0).await.unwrap();
    let resumed = frame(&mut page).await;
    (page, resumed)
}

#[tokio::test]
async fn an_idle_page_that_asked_for_heartbeats_gets_them_and_is_told_how_often() {
    let world = GatewayWorld::new().await;
    let (mut page, resumed) = page_with_heartbeats(&world).await;
    assert_eq!(resumed.heartbeat, 5);
    for _ in 0..2 {
        let since = Instant::now();
        assert_eq!(frame(&mut page).await.kind, "heartbeat");
        assert!((4..6).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    }
}

#[tokio::test]
async fn a_page_that_did_not_ask_gets_no_heartbeats() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let mut page = world.page().await;
    page.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.heartbeat, 0);
    let silence = tokio::time::timeout(Duration::from_secs(7), page.next_message()).await;
    assert!(silence.is_err(), "it may take any frame for an event: {silence:?}");
}

#[tokio::test]
async fn a_probe_is_answered_at_once_and_any_other_second_frame_refused() {
    let world = GatewayWorld::new().await;
    let (mut page, _) = page_with_heartbeats(&world).await;
    let since = Instant::now();
    for _ in 0..3 {
        page.send_text(r#"{"probe":{}}"#).await.unwrap();
        assert_eq!(frame(&mut page).await.kind, "heartbeat");
    }
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    page.send_text(r#"{"probe":{"scene":"another"}}"#).await.unwrap();
    assert_eq!(frame(&mut page).await.code, "bad_request");
    assert_eq!(close_code(&mut page).await, 1008);
}

#[tokio::test]
async fn a_watch_ends_when_its_page_closes_the_socket() {
    let world = GatewayWorld::new().await;
    let mut page = world.page_of(&world.scene().await).await;
    page.send(Message::Close(None)).await.unwrap();
    assert!(matches!(next(&mut page).await, PageMessage::Closed(..)));
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn a_key_that_was_not_issued_here_is_refused() {
    let world = GatewayWorld::new().await;
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
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn the_key_of_a_scene_that_ended_long_ago_is_refused_as_expired() {
    let world = GatewayWorld::new().await;
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    let mut page = world.page().await;
    page.resume(&Scene::issue(LIFE, long_ago).key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.code, "scene_expired");
    assert_eq!(close_code(&mut page).await, 1008);
}

#[tokio::test]
async fn a_page_that_sends_nothing_is_closed() {
    let world = GatewayWorld::new().await;
    let mut page = world.page().await;
    assert_eq!(frame(&mut page).await.code, "bad_request");
    assert_eq!(close_code(&mut page).await, 1008);
}

#[tokio::test]
async fn each_kind_of_invalid_frame_has_its_close_code() {
    let world = GatewayWorld::new().await;
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
        let mut answer = next(&mut page).await;
        if let PageMessage::Frame(problem) = &answer {
            assert_eq!((code, problem.code.as_str()), (1008, "bad_request"));
            answer = next(&mut page).await;
        }
        match answer {
            PageMessage::Closed(closed, _) => assert_eq!(closed, code, "{message:.60}"),
            PageMessage::Broken if message.len() > 100_000 => {}
            other => panic!("{message:.60}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_first_frame_may_come_in_fragments() {
    let world = GatewayWorld::new().await;
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
async fn a_page_is_refused_while_no_callback_answers() {
    let world = GatewayWorld::new().await;
    let mut page = world.page().await;
    page.open("demo", None).await.unwrap();
    let problem = frame(&mut page).await;
    assert_eq!(problem.code, "callback_unavailable");
    assert!(problem.retry_after > 0);
    assert_eq!(close_code(&mut page).await, 1013);
}

#[tokio::test]
async fn beyond_the_connection_limit_a_page_is_told_to_come_back() {
    let world = GatewayWorld::with_one_connection().await;
    let _held = world.page_of(&world.scene().await).await;

    let mut refused = world.page().await;
    let problem = frame(&mut refused).await;
    assert_eq!((problem.code.as_str(), problem.retry_after), ("crowded", 5));
    reconnect_delay_ms(&mut refused, 1013).await;
    let answer = reqwest::Client::new().post(world.url("/v1/scenes")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(answer.headers()["connection"], "close", "the next connection may reach a pod with room");
    assert_eq!(world.reader.watched_scenes(), 1);
}

#[tokio::test]
async fn an_unmasked_frame_sent_with_the_handshake_is_a_protocol_error() {
    let world = GatewayWorld::new().await;
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
async fn connections_are_counted_while_open_and_when_closed() {
    let world = GatewayWorld::new().await;
    let mut page = world.page_of(&world.scene().await).await;
    assert_eq!(world.metric("connections_open{transport=\"websocket\"}"), 1);
    assert_eq!(world.metric("scenes_held"), 1);
    page.send(Message::Close(None)).await.unwrap();
    next(&mut page).await;
    assert_eq!(world.metric("connections_closed_total{end=\"gone\",transport=\"websocket\"}"), 1);
}
