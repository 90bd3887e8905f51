//! Deliveries that WeChat didn't send, or that didn't arrive whole.

use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{CallbackWorld, TOKEN, event, problem, signed, signed_by, unix_now, with_elements};

#[tokio::test]
async fn a_wrong_missing_or_stale_signature_is_refused() {
    let world = CallbackWorld::new().await;
    let now = unix_now().as_secs();
    for (account, query, status, code) in [
        ("nobody", signed(), StatusCode::NOT_FOUND, "account_unknown"),
        ("demo", signed_by("wrong", now), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", signed_by(TOKEN, now - 301), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", signed_by(TOKEN, now + 305), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", "openid=o".to_owned(), StatusCode::BAD_REQUEST, "bad_request"),
    ] {
        let refused = world.delivery(account, &query, event("SCAN", "x")).send().await.unwrap();
        assert_eq!(problem(refused, status).await, code, "{account} {query}");
    }
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"signature_invalid\"}"), 3);
}

#[tokio::test]
async fn one_signature_is_good_for_one_body() {
    for mut world in CallbackWorld::each().await {
        let pod = world.add_pod().await;
        let (query, body) = (signed(), event("SCAN", "x"));
        for _ in 0..2 {
            let again = world.delivery("demo", &query, body.clone()).send().await.unwrap();
            assert_eq!(again.status(), StatusCode::OK, "a redelivery");
        }
        let forged = world.http.post(format!("http://{}/wechat/demo?{query}", pod.public));
        let forged = forged.body(event("SCAN", "y")).send().await.unwrap();
        assert_eq!(problem(forged, StatusCode::FORBIDDEN).await, "signature_reused", "on another pod");
        assert_eq!(pod.metric("scenecast_deliveries_total{outcome=\"signature_reused\"}"), 1);
    }
}

#[tokio::test]
async fn the_request_does_not_choose_the_mode() {
    let world = CallbackWorld::new().await;
    let query = format!("{}&encrypt_type=aes&msg_signature=0", signed());
    let refused = world.delivery("demo", &query, event("SCAN", "x")).send().await.unwrap();
    assert_eq!(problem(refused, StatusCode::FORBIDDEN).await, "mode_mismatch");
    let raw = world.delivery("demo", &format!("{}&encrypt_type=raw", signed()), event("SCAN", "x"));
    assert_eq!(raw.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused() {
    let world = CallbackWorld::new().await;
    let whole = event("SCAN", "x");
    for body in [
        Vec::new(),
        b"hello".to_vec(),
        b"{\"ToUserName\":\"gh_demo\"}".to_vec(),
        whole.as_bytes()[..whole.len() / 2].to_vec(),
        [whole.as_bytes(), &whole.as_bytes()[..9]].concat(),
        [b"<xml>\xff\xfe", whole.as_bytes()].concat(),
        format!("<!DOCTYPE xml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{whole}").into_bytes(),
        whole.replace("<![CDATA[x]]>", "&lol;").into_bytes(),
        whole.replace("<Event>", "<FromUserName>oSomebody</FromUserName><Event>").into_bytes(),
    ] {
        let refused = world.delivery("demo", &signed(), body.clone()).send().await.unwrap();
        let code = problem(refused, StatusCode::BAD_REQUEST).await;
        assert_eq!(code, "bad_request", "{}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn a_huge_body_is_refused() {
    let world = CallbackWorld::new().await;
    let (start, end) = ("<xml><!--", "--></xml>");
    let padding = "x".repeat(64 * 1024 + 1 - start.len() - end.len());
    let refused = world.delivery("demo", &signed(), format!("{start}{padding}{end}")).send().await.unwrap();
    assert_eq!(problem(refused, StatusCode::PAYLOAD_TOO_LARGE).await, "body_too_large");
    let fits = world.delivery("demo", &signed(), format!("{start}{}{end}", &padding[1..])).send().await.unwrap();
    assert_eq!(problem(fits, StatusCode::BAD_REQUEST).await, "bad_request", "read, and no message");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_ends_the_request() {
    let world = CallbackWorld::new().await;
    let mut slow = TcpStream::connect(world.pod().public).await.unwrap();
    let head = format!("POST /wechat/demo?{} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<xml>", signed());
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_too_slow"), "{answer}");
}

#[tokio::test]
async fn a_message_for_another_account_is_refused() {
    let world = CallbackWorld::new().await;
    let refused = world.delivery("other", &signed(), event("SCAN", "x")).send().await.unwrap();
    assert_eq!(problem(refused, StatusCode::FORBIDDEN).await, "wrong_account");
}

#[tokio::test]
async fn unknown_elements_and_events_are_ignored() {
    let world = CallbackWorld::new().await;
    for body in [
        with_elements(&event("LOCATION", ""), "<Latitude>1</Latitude><New><Er>x</Er></New>"),
        event("something_new", "x"),
        event("CLICK", "menu"),
        event("unsubscribe", ""),
        event("x", "").replace("event]]></MsgType>", "image]]></MsgType><MsgId>1</MsgId>"),
    ] {
        let answered = world.delivery("demo", &signed(), body.clone()).send().await.unwrap();
        assert_eq!(answered.text().await.unwrap(), "success", "{body}");
    }
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"acknowledged\"}"), 5);
}
