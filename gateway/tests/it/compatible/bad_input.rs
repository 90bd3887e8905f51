//! Requests that no page of these routes sends.

use std::time::{Duration, SystemTime};

use reqwest::Method;
use scenecast_browsers::cookie_browser::{CookieBrowser, ServerEvents};
use serde_json::Value;
use tokio_tungstenite::tungstenite;

use super::claims_of;
use crate::fixtures::{GatewayWorld, KEY_SECRET, ORIGIN, Scene, assert_problem, compatible_key_ring, frame, send};

/// The status of an answer, and its body as JSON.
async fn ask(world: &GatewayWorld, method: Method, path: &str, body: &str) -> (u16, Value) {
    send(reqwest::Client::new().request(method, world.url(path)).body(body.to_owned())).await
}

/// The status with which a handshake is refused.
async fn refusal_status(url: &str) -> u16 {
    match CookieBrowser::default().connect(url).await {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn invalid_ids_are_refused() {
    let world = GatewayWorld::compatible().await;
    let long = "x".repeat(65);
    for id in ["", "a/b", "a%2Fb", "%20", "a%20b", "%0a", "%00", "%7f", "%ff", "%E4%BD%A0", &long] {
        for route in ["/wx/websocket/", "/websocket/"] {
            assert_eq!(refusal_status(&world.ws(&format!("{route}{id}"))).await, 400, "{route}{id}");
        }
        for route in ["/wx/qrcode/", "/wx/result/"] {
            let (status, problem) = ask(&world, Method::GET, &format!("{route}{id}"), "").await;
            assert_eq!((status, &problem["code"]), (400, &"bad_request".into()), "{route}{id}");
        }
    }
    for query in
        ["", "?", "?client=1", "?clientid=", "?clientid=a&clientid=b", "?clientid=%E4%BD%A0", "?clientid=a%20b"]
    {
        assert_eq!(refusal_status(&world.ws(&format!("/websocket{query}"))).await, 400, "{query}");
    }
    assert_eq!(refusal_status(&world.ws(&format!("/websocket?clientid={long}"))).await, 400);
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn a_refused_mini_program_code_has_an_envelope() {
    let world = GatewayWorld::compatible().await;
    let huge = "x".repeat(5000);
    for body in
        ["", "scene=", "scene=a%20b", "{\"scene\":", "{\"scene\":1}", &huge, "{\"scene\":\"no callback is there\"}"]
    {
        let (status, envelope) = ask(&world, Method::POST, "/miniapp/getwxacodeunlimit", body).await;
        assert_eq!((status, &envelope["code"], &envelope["data"]), (200, &400.into(), &"".into()), "{body:.40}");
        assert!(envelope["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{envelope}");
    }
}

#[tokio::test]
async fn a_refused_ticket_request_has_an_envelope() {
    let world = GatewayWorld::compatible().await;
    let long = "x".repeat(513);
    for (method, path, body, status) in [
        (Method::GET, "/createQrCode?sceneStr=", "", 400),
        (Method::GET, "/createQrCode?sceneStr=%E4%BD%A0", "", 400),
        (Method::POST, "/createQrCode", "sceneStr=a&sceneStr=b", 400),
        (Method::GET, "/createQrCode", "", 503),
        (Method::POST, "/createQrCode", "sceneStr=7", 503),
        (Method::GET, "/wxLogin", "", 400),
        (Method::GET, "/wxLogin?ticket=", "", 400),
        (Method::GET, &format!("/wxLogin?ticket={long}"), "", 400),
        (Method::POST, "/wxLogin", "ticket=a&ticket=b", 400),
        (Method::GET, "/getWxUserInfo", "", 400),
    ] {
        let (answered, envelope) = ask(&world, method, path, body).await;
        assert_eq!(
            (answered, &envelope["code"], &envelope["data"]),
            (status, &status.into(), &Value::Null),
            "{path:.40}"
        );
        assert!(envelope["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{envelope}");
    }
}

#[tokio::test]
async fn a_ticket_gives_nothing_to_a_browser_that_did_not_create_it() {
    let world = GatewayWorld::compatible().await;
    for _ in 0..2 {
        let (status, envelope) = ask(&world, Method::GET, "/wxLogin?ticket=gQHk7jwAAAAAAAAAA%3D%3D", "").await;
        let expected = serde_json::json!({ "code": 10024, "data": null, "msg": "用户还未扫码关注" });
        assert_eq!((status, envelope), (200, expected));
    }
    assert_eq!(world.metric("compatible_foreign_total{route=\"ticket_polling\"}"), 2);

    let grant = world.log_ann_in(&world.scene().await).await;
    for open_id in [grant.to_string(), "oAnn".to_owned(), String::new()] {
        let (status, answer) = ask(&world, Method::GET, &format!("/getWxUserInfo?openId={open_id}"), "").await;
        assert_eq!((status, &answer["errcode"]), (200, &40003.into()), "{open_id}");
    }
}

#[tokio::test]
async fn without_a_callback_a_typed_code_is_refused_and_the_answer_is_delayed() {
    let world = GatewayWorld::compatible().await;
    let (status, envelope) = ask(&world, Method::GET, "/login/code", "").await;
    assert_eq!((status, &envelope["status"]["code"], &envelope["result"]), (503, &503.into(), &Value::Null));

    let before = std::time::Instant::now();
    let visitor = CookieBrowser::default();
    let subscribed = visitor.subscribe(&world.url("/subscribe?id=1234")).await;
    assert_eq!(subscribed.map(|_: ServerEvents| ()), Err(reqwest::StatusCode::NO_CONTENT));
    assert!(before.elapsed() >= Duration::from_secs(3), "the page comes back at once: {:?}", before.elapsed());
}

#[tokio::test]
async fn cookies_that_were_not_issued_here_name_no_scene() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    drop(visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap());
    let name = visitor.cookies().into_keys().next().unwrap();
    let issue = |secret: &str, account: &str| {
        let life = Duration::from_secs(60);
        compatible_key_ring(secret).issue(&account.parse().unwrap(), None, life, SystemTime::now()).0.to_string()
    };
    for value in ["", "made-up", &issue("another deployment's", "demo"), &issue(KEY_SECRET, "another")] {
        let visitor = CookieBrowser::with_cookie(&name, value);
        visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
        assert_ne!(visitor.cookies()[&name], value, "it gets one of its own");
    }
}

#[tokio::test]
async fn a_key_of_a_compatible_route_is_none_for_the_own_api_and_the_reverse() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    drop(visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap());
    let (name, key) = visitor.cookies().pop_first().unwrap();
    let in_a_cookie = Scene { id: claims_of(&visitor).scene, key };
    for (method, suffix) in [(Method::GET, "?wait=1"), (Method::GET, "/events"), (Method::DELETE, "")] {
        let request = world.request(method, &format!("{}{suffix}", in_a_cookie.path())).bearer_auth(&in_a_cookie.key);
        assert_problem(&send(request).await, 403, "key_invalid");
    }
    let mut page = world.page().await;
    page.resume(&in_a_cookie.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.code, "key_invalid");

    let own = world.scene().await;
    let grant = world.log_ann_in(&own).await;
    let planted = CookieBrowser::with_cookie(&name, &own.key);
    assert_eq!(planted.get(&world.url("/wx/result/7")).await.status(), 204, "the login of the own API's scene");
    let user = planted.get(&world.url(&format!("/getWxUserInfo?openId={grant}"))).await;
    assert_eq!(user.json::<Value>().await.unwrap()["errcode"], 40003);
    planted.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    assert_ne!(planted.cookies()[&name], own.key, "it gets one of its own");
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let world = GatewayWorld::compatible().await;
    let ask = async |origin: &str| {
        let request = reqwest::Client::new().get(world.url("/wxLogin?ticket=t")).header("origin", origin);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.headers().get("access-control-allow-credentials").cloned())
    };
    assert_eq!(ask("https://evil.example").await.0, 403);
    assert_eq!(ask(ORIGIN).await, (200, Some("true".parse().unwrap())), "across ports of one host, cookies are sent");
    let picture = reqwest::Client::new().get(world.url("/createQrCode")).header("sec-fetch-site", "cross-site");
    assert_eq!(picture.send().await.unwrap().status(), 403, "an <img> of another site has no origin");
    for path in ["/", "/anything"] {
        let url = format!("http://{}{path}", world.qr_on_open.unwrap());
        let request = reqwest::Client::new().get(url).header("origin", "https://evil.example");
        assert_eq!(request.send().await.unwrap().status(), 403);
    }
}

#[tokio::test]
async fn a_route_that_is_off_is_not_found() {
    let world = GatewayWorld::new().await;
    for path in ["/wx/websocket/7", "/websocket/7", "/websocket?clientid=7", "/subscribe?id=7"] {
        assert_eq!(refusal_status(&world.ws(path)).await, 404, "{path}");
    }
    for path in ["/wx/qrcode/7", "/wx/result/7", "/login/code", "/createQrCode", "/wxLogin?ticket=t"] {
        assert_eq!(ask(&world, Method::GET, path, "").await.0, 404, "{path}");
    }
    assert_eq!(world.qr_on_open, None);
    assert!(!world.metrics.text().contains("compatible"));
}
