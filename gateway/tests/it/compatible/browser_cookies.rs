//! The keys that a browser keeps: among other applications' cookies, against floods, and over HTTPS.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, header::HeaderValue, redirect::Policy};
use scenecast_browsers::cookie_browser::{CookieBrowser, SocketMessage};
use scenecast_scene::Transition;
use scenecast_testing::RedisServer;
use serde_json::Value;

use super::{cookie_name, next};
use crate::fixtures::{GatewayWorld, LIFE, ORIGIN, RecordingCallback, Scene, log_in};

/// The most keys of one route in a browser.
const MOST: usize = 32;
const FAR: Duration = Duration::from_secs(3600);

/// Asks with exactly this header `Cookie`.
async fn ask(world: &GatewayWorld, path: &str, cookie: &[u8]) -> Response {
    let request =
        reqwest::Client::new().get(world.url(path)).header("cookie", HeaderValue::from_bytes(cookie).unwrap());
    request.send().await.unwrap()
}

/// The names of the cookies that an answer sets, and of those that it deletes.
fn set_and_deleted(answer: &Response) -> (Vec<String>, Vec<String>) {
    let set = answer.headers().get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
    let (deleted, kept): (Vec<&str>, Vec<&str>) = set.partition(|set| set.contains("Max-Age=0"));
    let names = |set: Vec<&str>| set.iter().map(|set| set.split_once('=').unwrap().0.to_owned()).collect();
    (names(kept), names(deleted))
}

/// A path socket's handshake for this id with these cookies.
async fn shake_hands(world: &GatewayWorld, id: &str, cookies: &str) -> Response {
    let request = world.request(Method::GET, &format!("/wx/websocket/{id}")).header("cookie", cookies);
    with_upgrade(request).send().await.unwrap()
}

/// The request with the headers of a WebSocket's handshake.
fn with_upgrade(request: RequestBuilder) -> RequestBuilder {
    let request = request.header("connection", "upgrade").header("upgrade", "websocket");
    request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

fn pair(route: &str, id: &str, scene: &Scene) -> String {
    format!("{}={}", cookie_name(route, id), scene.key)
}

#[tokio::test]
async fn a_login_is_found_whatever_cookies_are_beside_its_key() {
    let world = GatewayWorld::compatible().await;
    let scene = world.compatible_scene_for(LIFE).await;
    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    let own = pair("path_socket", "7", &scene);
    let stranger = Scene::issue(LIFE, std::time::SystemTime::now());
    let planted = [
        format!("{}=", cookie_name("path_socket", "7")),
        format!("{}=planted", cookie_name("path_socket", "7")),
        pair("path_socket", "7", &stranger),
    ];
    let others = ["theme=\u{4f60}\u{597d}", "=", ";;", "a=\"", "scenecast.path_socket.\u{4f60}=1"].map(str::to_owned);
    let beside = others.into_iter().chain(planted).map(String::into_bytes).chain([b"theme=\xff".to_vec()]);
    for other in beside {
        for header in [[&other, &b"; "[..], own.as_bytes()].concat(), [own.as_bytes(), b"; ", &other].concat()] {
            let result = ask(&world, "/wx/result/7", &header).await;
            assert_eq!(result.status(), StatusCode::OK, "{}", header.escape_ascii());
        }
    }
}

#[tokio::test]
async fn no_flood_of_ids_drops_the_key_of_a_page_that_waits() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    let mut waiting = visitor.connect(&world.ws("/wx/websocket/own")).await.unwrap();
    let own = world.open_scene_of(&visitor).await;
    let mut opened = 0;
    for id in 0..2 * MOST {
        opened += usize::from(visitor.connect(&world.ws(&format!("/wx/websocket/{id}"))).await.is_ok());
    }
    assert_eq!((opened, visitor.cookies().len()), (MOST - 1, MOST), "the others get no key");
    let refused = ask(&world, "/wx/qrcode/more?cookie=waited3", cookie_header(&visitor).as_bytes()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after") && !refused.headers().contains_key("set-cookie"));
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too_many_keys");

    world.log_ann_in(&own).await;
    assert_eq!(next(&mut waiting).await, SocketMessage::Text("Ann".to_owned()));
    assert_eq!(visitor.get(&world.url("/wx/result/own")).await.status(), StatusCode::OK);
    let other_route = visitor.connect(&world.ws("/websocket?clientid=own")).await;
    assert!(other_route.is_ok(), "each route has room of its own");
}

fn cookie_header(visitor: &CookieBrowser) -> String {
    let pairs: Vec<String> = visitor.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("; ")
}

#[tokio::test]
async fn keys_whose_scenes_are_over_make_room() {
    let world = GatewayWorld::compatible().await;
    let mut pairs = vec![];
    let mut scenes = vec![];
    for n in 0..MOST {
        // The first ones expire first.
        let life = LIFE + Duration::from_secs(u64::try_from(n).unwrap());
        let scene = world.compatible_scene_for(life).await;
        pairs.push(pair("path_socket", &n.to_string(), &scene));
        scenes.push(scene);
    }
    assert_eq!(shake_hands(&world, "new", &pairs.join("; ")).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let again = shake_hands(&world, "0", &pairs.join("; ")).await;
    assert_eq!((again.status(), set_and_deleted(&again)), (StatusCode::SWITCHING_PROTOCOLS, (vec![], vec![])));

    for ended in &scenes[..2] {
        world.settle(ended, Transition::Cancel).await;
    }
    let shaken = shake_hands(&world, "new", &pairs.join("; ")).await;
    assert_eq!(shaken.status(), StatusCode::SWITCHING_PROTOCOLS);
    let deleted = ["0", "1"].map(|id| cookie_name("path_socket", id)).to_vec();
    assert_eq!(set_and_deleted(&shaken), (vec![cookie_name("path_socket", "new")], deleted));
}

#[tokio::test]
async fn the_keys_of_all_routes_together_leave_proxies_room_for_a_header() {
    let world = GatewayWorld::compatible().await;
    let mut scenes = vec![];
    let mut pairs = vec![];
    // Less than a browser keeps of each route.
    for n in 0..MOST - 1 {
        for route in ["path_socket", "client_id_socket", "ticket_polling"] {
            let scene = world.compatible_scene_for(LIFE).await;
            pairs.push(pair(route, &n.to_string(), &scene));
            scenes.push(scene);
        }
    }
    let refused = shake_hands(&world, "new", &pairs.join("; ")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    // As many as there is room for.
    let (mut kept, mut bytes) = (0, 0);
    while bytes < 6 * 1024 {
        bytes += pairs[kept].len();
        kept += 1;
    }
    let cookies = pairs[..kept].join("; ");
    assert!((6000..7000).contains(&cookies.len()), "{}", cookies.len());
    assert_eq!(shake_hands(&world, "new", &cookies).await.status(), StatusCode::TOO_MANY_REQUESTS);
    // Also scenes of other routes make room once they are over.
    for ended in &scenes[..6] {
        world.settle(ended, Transition::Cancel).await;
    }
    let shaken = shake_hands(&world, "new", &cookies).await;
    assert_eq!(shaken.status(), StatusCode::SWITCHING_PROTOCOLS);
    let (set, deleted) = set_and_deleted(&shaken);
    assert_eq!((set, deleted.len()), (vec![cookie_name("path_socket", "new")], 6));
}

#[tokio::test]
async fn keys_that_nobody_can_use_are_deleted_some_with_each_answer() {
    let world = GatewayWorld::compatible().await;
    let junk: Vec<String> = (0..100).map(|n| format!("scenecast.path_socket.{n}=junk")).collect();
    let long_over = Scene::issue(FAR, std::time::SystemTime::now() - 2 * FAR);
    let cookies = format!("{}; {}", pair("path_socket", "old", &long_over), junk.join("; "));
    let shaken = shake_hands(&world, "7", &cookies).await;
    let (set, deleted) = set_and_deleted(&shaken);
    assert_eq!((shaken.status(), set), (StatusCode::SWITCHING_PROTOCOLS, vec![cookie_name("path_socket", "7")]));
    assert_eq!((deleted.len(), &deleted[0]), (16, &cookie_name("path_socket", "old")));
}

#[tokio::test]
async fn a_planted_cookie_does_not_have_the_live_one_of_its_name_deleted() {
    let world = GatewayWorld::compatible().await;
    let own = pair("path_socket", "7", &world.compatible_scene_for(LIFE).await);
    let planted = format!("{}=junk", cookie_name("path_socket", "7"));
    for cookies in [format!("{planted}; {own}"), format!("{own}; {planted}")] {
        let shaken = shake_hands(&world, "new", &cookies).await;
        assert_eq!(set_and_deleted(&shaken), (vec![cookie_name("path_socket", "new")], vec![]), "{cookies}");
    }
}

#[tokio::test]
async fn an_image_on_another_host_of_the_site_sets_no_cookie() {
    let world = GatewayWorld::compatible().await;
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    for path in ["/wx/qrcode/7?cookie=waited3", "/createQrCode", "/login/code"] {
        let image = client.get(world.url(path)).header("sec-fetch-site", "same-site");
        let blog = image.try_clone().unwrap().header("referer", "https://blog.example.com/").send().await.unwrap();
        let silent = image.try_clone().unwrap().send().await.unwrap();
        for answer in [blog, silent] {
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
            assert!(!answer.headers().contains_key("set-cookie"), "{path}");
        }
        let on_another_port = image.header("referer", format!("{ORIGIN}/login")).send().await.unwrap();
        assert_ne!(on_another_port.status(), StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn over_https_every_cookie_is_secure_and_of_this_host_only() {
    let redis = RedisServer::start().await;
    let callback = RecordingCallback::start().await;
    let world = GatewayWorld::with_callback(&redis, &callback).await;
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    for (method, path) in [
        (Method::GET, "/wx/websocket/7"),
        (Method::GET, "/websocket/7"),
        (Method::GET, "/websocket?clientid=7"),
        (Method::GET, "/wx/qrcode/7?cookie=waited3"),
        (Method::POST, "/miniapp/getwxacodeunlimit?cookie=waited3"),
        (Method::GET, "/login/code"),
        (Method::GET, "/subscribe?id=1"),
        (Method::GET, "/createQrCode"),
    ] {
        for (proto, is_secure) in [("https", true), ("wss", true), ("http", false)] {
            let request = client.request(method.clone(), world.url(path)).header("x-forwarded-proto", proto);
            let request = request.header("x-forwarded-for", "203.0.113.1").body("scene=7");
            let request = if path.contains("websocket") { with_upgrade(request) } else { request };
            let answer = request.send().await.unwrap();
            let set: Vec<&str> =
                answer.headers().get_all("set-cookie").iter().map(|set| set.to_str().unwrap()).collect();
            let [set] = set[..] else { panic!("{path} over {proto}: {set:?}") };
            assert_eq!(set.starts_with("__Host-scenecast."), is_secure, "{path} over {proto}: {set}");
            assert_eq!(set.contains("; Secure"), is_secure, "{path} over {proto}: {set}");
            assert!(set.contains("; HttpOnly; SameSite=Lax;") && set.contains("; Path=/;"), "{path}: {set}");
            assert!(!set.contains("Domain"), "{path}: {set}");
        }
    }
}

#[tokio::test]
async fn over_https_a_page_is_told_to_keep_its_grant_securely_in_a_stream_that_no_proxy_holds_back() {
    let world = GatewayWorld::compatible().await;
    for (proto, prefix) in [("https", "__Host-"), ("http", "")] {
        let scene = world.compatible_scene_for(LIFE).await;
        let request =
            reqwest::Client::new().get(world.url("/subscribe?id=48201937")).header("x-forwarded-proto", proto);
        let cookie = format!("{prefix}{}={}.48201937", cookie_name("typed_code", ""), scene.key);
        let mut events = request.header("cookie", cookie).send().await.unwrap();
        assert_eq!(events.headers()["cache-control"], "no-cache, no-store, no-transform");
        assert_eq!(events.headers()["x-accel-buffering"], "no");
        let grant = scene.grant();
        world.watches(1).await;
        world.settle(&scene, log_in(&grant, "Ann")).await;
        let mut text = String::new();
        while !text.contains("login#") || !text.ends_with("\n\n") {
            text += std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap();
        }
        let secure = if proto == "https" { "; Secure" } else { "" };
        let told = format!("login#{prefix}scenecast_grant={grant}; SameSite=Lax{secure}; Path=/; Max-Age=120");
        assert!(text.contains(&told), "{text}");
        drop(events);
        world.watches(0).await;
    }
}
