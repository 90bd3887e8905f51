//! Malformed, ambiguous and oversized requests. All listeners of all processes are this listener.

use axum::{Router, body::Bytes, routing::get};
use scenecast_service::{
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_testing::exchange;

use crate::fixtures::TEST_TIMEOUT;

const HEAD: &str = "POST / HTTP/1.1\r\nHost: here\r\n";
/// A second request, hidden in the body of the first. It must never be served.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: here\r\n\r\n";

/// Serves `served` and the length of the body.
async fn listener() -> std::net::SocketAddr {
    let limits = ListenerLimits { connections: 100, idle: TEST_TIMEOUT };
    let listener = Listener::bind("tests", "127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let address = listener.address();
    let app = Router::new()
        .route("/", get(|| async { "served" }).post(|body: Bytes| async move { format!("served {}", body.len()) }))
        .route("/smuggled", get(|| async { "smuggled" }));
    tokio::spawn(listener.serve(app, Shutdown::never()));
    address
}

#[tokio::test]
async fn malformed_and_ambiguous_requests_get_400_and_the_connection_is_closed() {
    let address = listener().await;
    let long = "x".repeat(20_000);
    for request in [
        // The length isn't clear.
        format!("{HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab{SMUGGLED}"),
        format!("{HEAD}Content-Length: 0, 2\r\n\r\nab{SMUGGLED}"),
        format!("{HEAD}Content-Length: -2\r\n\r\nab{SMUGGLED}"),
        format!("{HEAD}Content-Length: +2\r\n\r\nab{SMUGGLED}"),
        format!("{HEAD}Content-Length: 0x2\r\n\r\nab{SMUGGLED}"),
        format!("{HEAD}Content-Length: 99999999999999999999999\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        format!("POST / HTTP/1.0\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n1;{long}\r\na\r\n0\r\n\r\n{SMUGGLED}"),
        // The host or the sender isn't clear.
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: here\r\nHost: there\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: here\r\nHost: here\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\nConnection: close\r\n\r\n"
            .to_owned(),
        // Not HTTP/1.
        "GET / HTTP/1.2\r\nHost: here\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\0\x01\0\x01\u{7c}".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost : here\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: here\r\nA: b\r\n c\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: here\r\nA: \0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: here\r\nA: b\rc\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nHost: here\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: here\r\n\r\n".to_owned(),
    ] {
        let (statuses, answer) = exchange(address, request.as_bytes()).await;
        assert_eq!(statuses, [400], "{request:.200}\n{answer}");
        assert!(!answer.contains("smuggled"), "{request:.200}\n{answer}");
    }
}

#[tokio::test]
async fn with_two_lengths_the_chunks_count_and_the_connection_is_closed() {
    let address = listener().await;
    for lengths in
        ["Content-Length: 6\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 6"]
    {
        let request = format!("{HEAD}{lengths}\r\n\r\n0\r\n\r\n{SMUGGLED}");
        let (statuses, answer) = exchange(address, request.as_bytes()).await;
        assert!(statuses == [200] && answer.ends_with("served 0"), "{answer}");
    }
}

#[tokio::test]
async fn requests_that_are_too_long_are_refused() {
    let address = listener().await;
    for request in [
        format!("GET /{} HTTP/1.1\r\nHost: here\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\nHost: here\r\nA: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET / HTTP/1.1\r\nHost: here\r\n{}\r\n", "a: b\r\n".repeat(101)),
        format!("GET / HTTP/1.1\r\nHost: here\r\n{}\r\n", "a: b\r\n".repeat(100_000)),
        format!("GET / HTTP/1.1\r\nHost: here\r\n{}", "x".repeat(1 << 20)),
    ] {
        let (statuses, answer) = exchange(address, request.as_bytes()).await;
        // The answer may be lost: a client that sends on gets a TCP reset.
        assert!(statuses.iter().all(|status| matches!(status, 414 | 431 | 400)), "{request:.60}\n{answer}");
        assert!(!answer.contains("served"), "{request:.60}\n{answer}");
    }
}

#[tokio::test]
async fn unusual_but_unambiguous_requests_are_served() {
    let address = listener().await;
    for (request, served) in [
        (format!("{HEAD}Content-Length: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab"), "served 2"),
        (format!("{HEAD}Transfer-Encoding: CHUNKED\r\nConnection: close\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n"), "served 2"),
        ("GET http://elsewhere.example/ HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".to_owned(), "served"),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), "served"),
        ("GET / HTTP/1.1\nHost: here\nConnection: close\n\n".to_owned(), "served"),
    ] {
        let (_, answer) = exchange(address, request.as_bytes()).await;
        assert!(answer.ends_with(served), "{request}\n{answer}");
    }
}
