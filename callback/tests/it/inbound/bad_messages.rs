//! Deliveries that WeChat didn't send, or that didn't arrive whole.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use scenecast_scene::SceneId;
use scenecast_wechat::sign;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{CallbackWorld, Pod, TOKEN, event, problem, signed, signed_by, unix_now, with_elements};

#[tokio::test]
async fn a_wrong_or_missing_signature_is_refused() {
    let world = CallbackWorld::new().await;
    let now = unix_now().as_secs();
    for (account, query, status, code) in [
        ("nobody", signed(), StatusCode::NOT_FOUND, "account_unknown"),
        ("demo", signed_by("wrong", now), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", signed_by("wrong", now - 301), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", shouted(&signed()), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", "openid=o".to_owned(), StatusCode::BAD_REQUEST, "bad_request"),
        ("demo", format!("{}&signature=0", signed()), StatusCode::BAD_REQUEST, "bad_request"),
        ("demo", format!("{}&timestamp=0", signed()), StatusCode::BAD_REQUEST, "bad_request"),
        ("demo", format!("{}&%6eonce=0", signed()), StatusCode::BAD_REQUEST, "bad_request"),
        ("demo", signed_with_nonce(&"1".repeat(64)), StatusCode::BAD_REQUEST, "bad_request"),
    ] {
        let refused = world.delivery(account, &query, event("SCAN", "x")).send().await.unwrap();
        assert_eq!(problem(refused, status).await, code, "{account} {query}");
    }
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"signature_invalid\"}"), 3);
}

/// The query with its signature in capitals.
fn shouted(query: &str) -> String {
    let (signature, rest) = query.split_once('&').unwrap();
    format!("signature={}&{rest}", signature.trim_start_matches("signature=").to_uppercase())
}

/// A query that is signed now, with this nonce.
fn signed_with_nonce(nonce: &str) -> String {
    let timestamp = unix_now().as_secs().to_string();
    format!("signature={}&timestamp={timestamp}&nonce={nonce}", sign(&[TOKEN, &timestamp, nonce]))
}

#[tokio::test]
async fn whatever_came_with_a_signature_first_it_is_good_for_no_forged_message() {
    for mut world in CallbackWorld::each().await {
        let pod = world.add_pod().await;
        let too_long = "x".repeat(64 * 1024 + 1);
        let to_demo = event("SCAN", "a-poster");
        let to_nobody = to_demo.replace("gh_demo", "gh_nobody");
        let (scene, _) = world.open().await;
        for (first, query_suffix, body, status) in [
            ("a message to another account with the same token", "", &to_demo, StatusCode::FORBIDDEN),
            ("a broken body", "", &"<xml>".to_owned(), StatusCode::OK),
            ("a body of nobody", "", &"hello".to_owned(), StatusCode::BAD_REQUEST),
            ("an empty body", "", &String::new(), StatusCode::BAD_REQUEST),
            ("a body that is too long", "", &too_long, StatusCode::PAYLOAD_TOO_LARGE),
            ("a message to nobody", "", &to_nobody, StatusCode::FORBIDDEN),
            ("a message in another mode", "&encrypt_type=aes", &to_demo, StatusCode::FORBIDDEN),
            ("a message in no mode", "&encrypt_type=des", &to_demo, StatusCode::BAD_REQUEST),
        ] {
            let query = signed();
            let account = if first.contains("another account") { "other" } else { "demo" };
            let seen = world.delivery(account, &format!("{query}{query_suffix}"), body.clone()).send().await.unwrap();
            assert_eq!(seen.status(), status, "{first}");
            assert_eq!(forged(&world, &pod, &query, scene).await, "signature_reused", "{first}");
        }
        for (account, echo) in [("demo", "&echostr=echo"), ("other", "&echostr=echo"), ("demo", "")] {
            let query = signed();
            let url = |echo: &str| format!("http://{}/wechat/{account}?{query}{echo}", world.pod().public);
            for _ in ["once", "again"] {
                let verified = world.http.get(url(echo)).send().await.unwrap();
                assert_eq!(verified.status().is_success(), !echo.is_empty(), "{account} {echo}");
            }
            assert_eq!(forged(&world, &pod, &query, scene).await, "signature_reused", "a verification of {account}");
            let another = world.http.get(url("&echostr=another")).send().await.unwrap();
            assert_eq!(problem(another, StatusCode::FORBIDDEN).await, "signature_reused");
        }
        assert!(world.history(scene).await.is_empty());
    }
}

/// What a message is answered that an attacker sends with a query that they have seen.
async fn forged(world: &CallbackWorld, pod: &Pod, query: &str, scene: SceneId) -> String {
    let url = format!("http://{}/wechat/demo?{query}", pod.public);
    let answered = world.http.post(url).body(event("SCAN", &scene.to_string())).send().await.unwrap();
    problem(answered, StatusCode::FORBIDDEN).await
}

#[tokio::test]
async fn another_spelling_of_a_query_is_the_same_signature() {
    for mut world in CallbackWorld::each().await {
        let pod = world.add_pod().await;
        let (scene, _) = world.open().await;
        let timestamp = unix_now().as_secs().to_string();
        // Sorted before the timestamp, zeros may belong to either.
        for (nonce, other_timestamp, other_nonce) in
            [("00", format!("00{timestamp}"), ""), ("0", format!("0{timestamp}"), "")]
        {
            let signature = sign(&[TOKEN, &timestamp, nonce]);
            let query = format!("signature={signature}&timestamp={timestamp}&nonce={nonce}");
            let seen = world.delivery("demo", &query, event("SCAN", "a-poster")).send().await.unwrap();
            assert_eq!(seen.status(), StatusCode::OK);
            for spelling in [
                format!("nonce={nonce}&signature={signature}&timestamp={timestamp}"),
                format!("timestamp={timestamp}&nonce={nonce}&openid=oX&signature={signature}&x=%31"),
                format!("sign%61ture={signature}&timestamp=%31{}&nonce={nonce}", &timestamp[1..]),
                format!("signature={signature}&timestamp={other_timestamp}&nonce={other_nonce}"),
            ] {
                assert_eq!(forged(&world, &pod, &spelling, scene).await, "signature_reused", "{spelling}");
            }
        }
        assert!(world.history(scene).await.is_empty());
    }
}

#[tokio::test]
async fn a_body_that_was_cut_short_may_come_again_with_its_signature() {
    let world = CallbackWorld::new().await;
    let (query, body) = (signed(), event("SCAN", "a-poster"));
    let mut cut = TcpStream::connect(world.pod().public).await.unwrap();
    let head = format!("POST /wechat/demo?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{body}");
    cut.write_all(head.as_bytes()).await.unwrap();
    cut.shutdown().await.unwrap();
    cut.read_to_end(&mut Vec::new()).await.unwrap();
    let again = world.delivery("demo", &query, body).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
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
        b"<html>".to_vec(),
        format!("<!DOCTYPE xml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{whole}").into_bytes(),
    ] {
        let refused = world.delivery("demo", &signed(), body.clone()).send().await.unwrap();
        let code = problem(refused, StatusCode::BAD_REQUEST).await;
        assert_eq!(code, "bad_request", "{}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn a_broken_message_is_acknowledged_and_not_acted_upon() {
    let world = CallbackWorld::new().await;
    let (scene, _) = world.open().await;
    let whole = event("SCAN", &scene.to_string());
    let bodies = [
        whole.as_bytes()[..whole.len() / 2].to_vec(),
        [whole.as_bytes(), &whole.as_bytes()[..9]].concat(),
        [b"<xml>\xff\xfe", whole.as_bytes()].concat(),
        whole.replace("</CreateTime>", "</CreateTime>&lol;").into_bytes(),
        whole.replace("<Event>", "<FromUserName>oSomebody</FromUserName><Event>").into_bytes(),
    ];
    for body in &bodies {
        let answered = world.delivery("demo", &signed(), body.clone()).send().await.unwrap();
        assert_eq!(answered.text().await.unwrap(), "success", "{}", String::from_utf8_lossy(body));
    }
    let count = u64::try_from(bodies.len()).unwrap();
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"unreadable\"}"), count);
    assert!(world.history(scene).await.is_empty());
}

#[tokio::test]
async fn a_huge_body_is_refused() {
    let world = CallbackWorld::new().await;
    let (start, end) = ("<xml><!--", "--></xml>");
    let padding = "x".repeat(64 * 1024 + 1 - start.len() - end.len());
    let refused = world.delivery("demo", &signed(), format!("{start}{padding}{end}")).send().await.unwrap();
    assert_eq!(problem(refused, StatusCode::PAYLOAD_TOO_LARGE).await, "body_too_large");
    let fits = world.delivery("demo", &signed(), format!("{start}{}{end}", &padding[1..])).send().await.unwrap();
    assert_eq!(fits.text().await.unwrap(), "success", "read, and no message");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_gets_no_answer_until_wechat_has_left() {
    let world = CallbackWorld::new().await;
    let mut slow = TcpStream::connect(world.pod().public).await.unwrap();
    let head = format!("POST /wechat/demo?{} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<xml>", signed());
    slow.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.is_empty() && began.elapsed() > Duration::from_secs(5), "{answer} after {:?}", began.elapsed());
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"body_too_slow\"}"), 1);
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
