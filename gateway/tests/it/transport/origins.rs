//! Pages of our origins, and of others: what they may send, and what all are told.

use std::time::Instant;

use reqwest::{Method, RequestBuilder, Response};
use scenecast_browsers::{
    cookie_browser::{CookieBrowser, SocketMessage},
    login_page::LoginPage,
};
use scenecast_testing::LogText;

use crate::fixtures::{GatewayWorld, ORIGIN, assert_problem, close_code, frame, send};

/// The origins of pages that aren't ours, though some look so.
const OTHERS: [&str; 7] = [
    "https://evil.example",
    "http://www.example.com",
    "https://www.example.com:8443",
    "https://www.example.com/",
    "https://WWW.example.com",
    "null",
    "",
];
/// Headers that monitoring scripts add to the requests of a page.
const MONITORING: &str = "baggage,sentry-trace,traceparent,tracestate,x-datadog-trace-id,newrelic,\
                          elastic-apm-traceparent,x-b3-traceid,uber-trace-id,request-id,x-request-id";

fn from_page(world: &GatewayWorld, origin: &str, method: Method, path: &str) -> RequestBuilder {
    reqwest::Client::new().request(method, world.url(path)).header("origin", origin)
}

async fn preflight(world: &GatewayWorld, origin: &str, headers: &str) -> Response {
    let request = from_page(world, origin, Method::OPTIONS, "/v1/scenes/x");
    let request = request.header("access-control-request-method", "DELETE");
    request.header("access-control-request-headers", headers).send().await.unwrap()
}

/// A header of an answer; empty if there is none.
fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_page_of_another_origin_is_told_so_on_its_socket() {
    let world = GatewayWorld::new().await;
    for origin in OTHERS {
        let mut page = LoginPage::connect(&world.address.to_string(), origin).await.unwrap();
        let problem = frame(&mut page).await;
        assert_eq!((problem.kind.as_str(), problem.code.as_str()), ("problem", "origin_forbidden"), "{origin}");
        assert_eq!(close_code(&mut page).await, 1008, "{origin}");
    }
    assert_eq!(world.metric("origins_forbidden_total"), OTHERS.len() as u64);
}

#[tokio::test]
async fn a_page_of_a_compatible_route_gets_no_text_that_it_could_take_for_a_login() {
    let world = GatewayWorld::compatible().await;
    let (own, on_open) = (world.address, world.qr_on_open.unwrap());
    for url in [
        format!("ws://{own}/wx/websocket/7"),
        format!("ws://{own}/websocket?clientid=7"),
        format!("ws://{on_open}/any/path"),
    ] {
        let visitor = CookieBrowser::default();
        let mut page = visitor.connect_from(&url, OTHERS[0]).await.unwrap();
        assert_eq!(page.next_message().await, SocketMessage::Closed(1008), "{url}");
        assert!(visitor.cookies().is_empty(), "{url}");
    }
    assert_eq!(world.metric("origins_forbidden_total"), 3);
}

#[tokio::test]
async fn a_script_of_another_origin_may_read_that_it_is_forbidden_and_nothing_else() {
    let world = GatewayWorld::compatible().await;
    for origin in OTHERS.into_iter().filter(|origin| !origin.is_empty()) {
        for (method, path) in [
            (Method::POST, "/v1/scenes"),
            (Method::GET, "/v1/scenes/x/events"),
            (Method::DELETE, "/v1/scenes/x"),
            (Method::GET, "/v1/nothing"),
            (Method::GET, "/login/code"),
            (Method::POST, "/miniapp/getwxacodeunlimit"),
        ] {
            let answer = from_page(&world, origin, method, path).send().await.unwrap();
            assert_eq!(header(&answer, "access-control-allow-origin"), origin, "{path}");
            assert_eq!(header(&answer, "access-control-allow-credentials"), "", "{path}");
            assert_eq!(header(&answer, "set-cookie"), "", "{path}");
            assert_problem(&(answer.status().as_u16(), answer.json().await.unwrap()), 403, "origin_forbidden");
        }
        let answer = preflight(&world, origin, "authorization,content-type,baggage").await;
        assert_eq!(header(&answer, "access-control-allow-origin"), origin);
        assert_eq!(header(&answer, "access-control-allow-credentials"), "");
        assert_eq!(header(&answer, "access-control-allow-headers"), "authorization,content-type");
    }
    let image = reqwest::Client::new().get(world.url("/login/code")).header("sec-fetch-site", "cross-site");
    assert_problem(&send(image).await, 403, "origin_forbidden");
}

#[tokio::test]
async fn our_pages_may_send_what_their_monitoring_scripts_add() {
    let world = GatewayWorld::new().await;
    for headers in ["authorization", "content-type,last-event-id", MONITORING] {
        let answer = preflight(&world, ORIGIN, headers).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "access-control-allow-origin"), ORIGIN);
        assert_eq!(header(&answer, "access-control-allow-credentials"), "true");
        assert_eq!(header(&answer, "access-control-allow-headers"), headers);
        assert!(header(&answer, "access-control-allow-methods").contains("DELETE"));
    }
    let answer = preflight(&world, ORIGIN, &format!("authorization,{}", "x-long-name,".repeat(1000))).await;
    assert!(matches!(answer.status().as_u16(), 200 | 431), "{}", answer.status());
    assert!(header(&answer, "access-control-allow-headers").len() < 100, "no list without end is sent back");
}

#[tokio::test]
async fn the_operator_is_told_which_origin_was_refused_and_what_to_do_once_a_second() {
    let long = format!("https://{}.example", "x".repeat(4000));
    for (origin, logged, advice) in [
        ("http://www.example.com", "origin=http://www.example.com", "add exactly this text to origins"),
        ("null", "origin=null", "sandboxed frame"),
        (&long, "origin=https://xxx", "add exactly this text to origins"),
    ] {
        let world = GatewayWorld::new().await;
        // The gateway runs on the thread of its test.
        let log = LogText::default();
        let _guard = tracing::subscriber::set_default(log.subscriber());
        let since = Instant::now();
        for _ in 0..20 {
            send(from_page(&world, origin, Method::POST, "/v1/scenes")).await;
        }
        let lines = log.lines_with(&["refused a page"]);
        assert!((1..=1 + since.elapsed().as_secs()).contains(&(lines.len() as u64)), "{lines:?}");
        assert!(lines[0].contains(logged) && lines[0].contains(advice) && lines[0].len() < 800, "{lines:?}");
    }
}
