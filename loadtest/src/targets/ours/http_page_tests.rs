//! Pages over plain HTTP, at a gateway that gives scripted answers.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use super::http_page::{HttpPage, USUAL_RETRY};
use crate::{
    plan::WayIn,
    targets::target::{Heard, Seat},
};

const OPENED: &str = r#"{"type":"opened","scene":"AAAAAAAAAAAAAAAAAAAAAA","key":"k","qr":{"url":"u"}}"#;

fn json(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A page of a gateway that gives these answers, each in one piece, to one request after the other. Then the connection
/// stays open and says nothing.
async fn page(polls: bool, answers: [String; 2]) -> HttpPage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut page, _) = listener.accept().await.unwrap();
        for answer in answers {
            assert_ne!(page.read(&mut [0; 4096]).await.unwrap(), 0);
            page.write_all(answer.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let seat = Seat { number: 0, source: None, way: WayIn::Poll };
    HttpPage::open(gateway, "https://shop.example", seat, ("demo", "state"), polls).await.unwrap().0
}

#[tokio::test]
async fn a_stream_is_heard_whose_login_comes_together_with_its_head() {
    let event = "data: {\"type\":\"confirmed\",\"seq\":2,\"grant\":\"g\"}\n\n";
    let stream =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    let mut page = page(false, [json("201 Created", OPENED), stream]).await;
    let heard = timeout(Duration::from_secs(5), page.hear()).await;
    assert_eq!(heard, Ok(Heard::Login { grant: Some("g".to_owned()) }));
    assert_eq!(timeout(Duration::from_secs(5), page.hear()).await, Ok(Heard::Disconnected));
}

#[tokio::test]
async fn a_poll_that_is_to_come_back_later_ends_no_scene() {
    let later = || Heard::SentAway { after: USUAL_RETRY, problem: Some("scene_expired".to_owned()) };
    for (status, heard) in [
        ("503 Service Unavailable", later()),
        ("429 Too Many Requests", later()),
        ("410 Gone", Heard::Over { code: "scene_expired".to_owned() }),
    ] {
        let mut page = page(true, [json("201 Created", OPENED), json(status, r#"{"code":"scene_expired"}"#)]).await;
        assert_eq!(timeout(Duration::from_secs(5), page.hear()).await, Ok(heard), "{status}");
    }
}

#[tokio::test]
async fn a_second_login_is_heard_on_a_stream_and_in_a_poll() {
    let login = r#"{"type":"confirmed","seq":2,"grant":"g"}"#;
    for (logins, more) in [(1, 0), (2, 1)] {
        let events = format!("data: {login}\n\n").repeat(logins);
        let stream =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{events}\r\n0\r\n\r\n", events.len());
        let events = vec![login; logins].join(",");
        let answer = json("200 OK", &format!(r#"{{"state":"confirmed","events":[{events}]}}"#));
        for (polls, answer) in [(false, stream), (true, answer)] {
            let mut page = page(polls, [json("201 Created", OPENED), answer]).await;
            assert_eq!(page.hear().await, Heard::Login { grant: Some("g".to_owned()) });
            assert_eq!(page.listen_on(Duration::from_secs(60)).await, more, "polls: {polls}");
        }
    }
}

#[tokio::test]
async fn a_page_that_comes_back_asks_for_what_it_has_not_seen() {
    let scanned = r#"{"type":"scanned","seq":7}"#;
    let stream = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\ndata: {scanned}\n\n\r\n0\r\n\r\n",
        scanned.len() + 8
    );
    let poll = json("200 OK", &format!(r#"{{"state":"scanned","events":[{scanned}]}}"#));
    for (polls, answer, asks) in [(false, stream, "Last-Event-ID: 7\r\n"), (true, poll, "?after=7 ")] {
        let mut page = page(polls, [json("201 Created", OPENED), answer]).await;
        assert_eq!(page.hear().await, Heard::Scanned { number: 0 });
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = other.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut back, _) = other.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = back.read(&mut request).await.unwrap();
            back.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let seat = Seat { number: 0, source: None, way: WayIn::Poll };
        page.resume(address, seat).await.unwrap();
        let asked = asked.await.unwrap();
        assert!(asked.contains(asks), "{asked}");
    }
}
