//! Responses that are sent without the HTTP server look like all others, and their connections go on.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::stream;
use scenecast_service::{config::DrainConfig, listener::Detachable, shutdown::Shutdown};
use scenecast_testing::until;
use tokio::sync::Semaphore;

use crate::fixtures::{Client, LIMITS, serve};

/// What responses wait for. A response that is under way holds it.
type Go = Arc<Semaphore>;

/// `/later` answers once it may, `/stream` sends a part each time that it may, and `/now` answers at once.
async fn served(go: &Go, shutdown: &Shutdown) -> SocketAddr {
    let layer = map_response(async |mut response: Response| {
        response.headers_mut().insert(header::VARY, "origin".parse().unwrap());
        response
    });
    let routes = Router::new().route("/later", get(later)).route("/stream", get(parts)).route("/now", get("now"));
    serve(routes.layer(layer).with_state(go.clone()), LIMITS, shutdown).await
}

async fn later(State(go): State<Go>, request: Request) -> Response {
    let is_bad = request.uri().query().is_some();
    let answer = async move {
        go.acquire().await.unwrap().forget();
        let status = if is_bad { StatusCode::GONE } else { StatusCode::OK };
        (status, [(header::CONTENT_TYPE, "text/x-late")], "late").into_response()
    };
    match Detachable::of(&request) {
        Some(detachable) => detachable.later(answer),
        None => answer.await,
    }
}

async fn parts(State(go): State<Go>, request: Request) -> Response {
    let parts = stream::unfold((go, 0), async |(go, sent)| {
        go.acquire().await.unwrap().forget();
        (sent < 2).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"part")), (go.clone(), sent + 1)))
    });
    let response = Response::new(Body::from_stream(parts));
    match Detachable::of(&request) {
        Some(detachable) => detachable.stream(response),
        None => response,
    }
}

/// How many responses are under way.
fn under_way(go: &Go) -> usize {
    // Those of the test itself, and of the routes.
    Arc::strong_count(go)
}

#[tokio::test]
async fn a_late_response_has_all_its_headers_and_its_connection_serves_the_next_request() {
    let go = Go::new(Semaphore::new(0));
    let address = served(&go, &Shutdown::never()).await;
    let mut client = Client::connect(address).await;
    for (path, status) in [("/later", "200 ok"), ("/later?bad", "410 gone"), ("/later", "200 ok")] {
        client.send_get(path).await;
        go.add_permits(1);
        let (head, body) = client.read_whole_response().await;
        assert!(head.starts_with(&format!("http/1.1 {status}\r\n")), "{head}");
        for header in ["vary: origin", "content-type: text/x-late", "content-length: 4", "date: "] {
            assert_eq!(head.matches(&format!("\r\n{header}")).count(), 1, "{header} in {head}");
        }
        assert!(!head.contains("connection: close") && !head.contains("chunked"), "{head}");
        assert_eq!(body, "late");
        client.send_get("/now").await;
        assert_eq!(client.read_response().await, (200, "now".to_owned()));
    }
}

#[tokio::test]
async fn requests_that_are_sent_without_waiting_are_answered_in_order() {
    let go = Go::new(Semaphore::new(0));
    let address = served(&go, &Shutdown::never()).await;
    let mut client = Client::connect(address).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n");
    client.send(&[&*get("/now"), &get("/later"), &get("/now"), "GET /lat"].concat()).await;
    assert_eq!(client.read_response().await.1, "now");
    // The rest of the last request comes while the first late response is under way.
    client.send("er HTTP/1.1\r\nHost: here\r\n\r\n").await;
    go.add_permits(1);
    assert_eq!(client.read_response().await.1, "late");
    assert_eq!(client.read_response().await.1, "now");
    go.add_permits(1);
    assert_eq!(client.read_response().await.1, "late");
}

#[tokio::test]
async fn a_stream_comes_part_by_part_and_its_connection_serves_the_next_request() {
    let go = Go::new(Semaphore::new(0));
    let address = served(&go, &Shutdown::never()).await;
    let mut client = Client::connect(address).await;
    client.send_get("/stream").await;
    let head = client.read_head().await;
    assert!(head.contains("\r\ntransfer-encoding: chunked") && head.contains("\r\nvary: origin"), "{head}");
    for _ in 0..2 {
        go.add_permits(1);
        assert_eq!(client.read_text(9).await, "4\r\npart\r\n");
    }
    go.add_permits(1);
    assert_eq!(client.read_text(5).await, "0\r\n\r\n");
    client.send_get("/now").await;
    assert_eq!(client.read_response().await.1, "now");
}

#[tokio::test]
async fn a_client_that_wants_no_other_request_is_disconnected_after_its_response() {
    let go = Go::new(Semaphore::new(3));
    let address = served(&go, &Shutdown::never()).await;
    for (path, end) in [("/later", "\r\n\r\nlate"), ("/stream", "4\r\npart\r\n4\r\npart\r\n0\r\n\r\n")] {
        go.add_permits(3);
        let mut client = Client::connect(address).await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")).await;
        let response = client.rest().await;
        assert!(response.contains("connection: close\r\n") && response.ends_with(end), "{response}");
    }
    // What can't be detached takes the usual way.
    go.add_permits(3);
    let mut client = Client::connect(address).await;
    client.send("GET /stream HTTP/1.0\r\nHost: here\r\n\r\n").await;
    assert!(client.rest().await.ends_with("\r\n\r\npartpart"));
}

#[tokio::test]
async fn nothing_is_left_of_a_response_whose_client_has_gone() {
    let go = Go::new(Semaphore::new(0));
    let address = served(&go, &Shutdown::never()).await;
    let before = under_way(&go);
    for path in ["/later", "/stream"] {
        let mut client = Client::connect(address).await;
        client.send_get(path).await;
        until("the response is under way", async || under_way(&go) > before).await;
        drop(client);
        until("nothing is left", async || under_way(&go) == before).await;
    }
}

#[tokio::test]
async fn a_response_under_way_is_sent_while_the_process_closes_and_its_connection_is_closed() {
    let go = Go::new(Semaphore::new(0));
    let shutdown = Shutdown::new(DrainConfig::default());
    let address = served(&go, &shutdown).await;
    let before = under_way(&go);
    let mut client = Client::connect(address).await;
    client.send_get("/later").await;
    until("the response is under way", async || under_way(&go) > before).await;
    let shutting_down = tokio::spawn(async move { shutdown.shut_down().await });
    until("nobody is let in", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    go.add_permits(1);
    let response = client.rest().await;
    assert!(response.contains("connection: close\r\n") && response.ends_with("late"), "{response}");
    shutting_down.await.unwrap();
}
