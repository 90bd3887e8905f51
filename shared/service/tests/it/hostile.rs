//! Malformed, ambiguous and oversized requests. All listeners of all processes are this listener.

use axum::{Router, body::Bytes, routing::get};
use scenecast_metrics::Metrics;
use scenecast_service::{
    admission::{Admission, AdmissionLimits, Rejections},
    http::TrustedProxies,
    listener::{Listener, ListenerLimits},
    shutdown::Shutdown,
};
use scenecast_testing::{exchange, metric_value, until};
use tokio::{io::AsyncWriteExt, net::TcpStream};

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

/// Serves `served`, and counts in this registry what is no request.
async fn counting_listener(metrics: &Metrics) -> std::net::SocketAddr {
    let limits = AdmissionLimits { connections: 500, ..AdmissionLimits::default() };
    let admission = Admission::new(limits, TrustedProxies::default(), Rejections::new(metrics));
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind_with_admission("tests", any, &admission, TEST_TIMEOUT).await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(Router::new().route("/", get(|| async { "served" })), Shutdown::never()));
    address
}

/// A request that is served.
fn usual() -> &'static str {
    "GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
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
        // Just beyond what is read for an answer that pages can read.
        format!("GET / HTTP/1.1\r\nHost: here\r\n{}\r\n", format!("A: {}\r\n", "x".repeat(4000)).repeat(21)),
        format!("GET / HTTP/1.1\r\nHost: here\r\n{}\r\n", "a: b\r\n".repeat(209)),
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

#[tokio::test]
async fn as_many_headers_as_proxies_pass_are_served_and_a_large_head_is_the_last_of_its_connection() {
    let address = listener().await;
    let cookies = |lines: usize| format!("Cookie: {}\r\n", "x".repeat(4000)).repeat(lines);
    let many = "X-Added-By-A-Proxy: yes\r\n".repeat(190);
    let requests: String = [cookies(3), many, String::new(), cookies(3), cookies(15), String::new()]
        .map(|headers| format!("GET / HTTP/1.1\r\nHost: here\r\n{headers}\r\n"))
        .concat();
    let (statuses, answer) = exchange(address, requests.as_bytes()).await;
    assert_eq!(statuses, [200; 5], "{answer}");
    assert_eq!(answer.matches("connection: close").count(), 1, "{answer}");
}

/// What an address holds of memory, if it sends large heads slowly, is bounded for all together.
#[tokio::test]
async fn only_so_many_clients_send_large_heads_at_a_time() {
    let metrics = Metrics::new();
    let address = counting_listener(&metrics).await;
    let refused = || metric_value(&metrics.text(), "scenecast_bad_requests_total", &[("why", "large_heads")]).unwrap();
    let unfinished = format!("GET / HTTP/1.1\r\nHost: here\r\nCookie: {}", "x".repeat(17_000));
    let whole = format!("{unfinished}\r\nConnection: close\r\n\r\n");
    let mut slow = vec![];
    for _ in 0..257 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(unfinished.as_bytes()).await.unwrap();
        slow.push(client);
    }
    until("one of them is refused", async || refused() > 0.5).await;
    assert_eq!(exchange(address, whole.as_bytes()).await.0, [0; 0], "closed, with no answer");
    assert_eq!(exchange(address, usual().as_bytes()).await.0, [200]);
    assert!((refused() - 2.0).abs() < 0.1, "{}", refused());
    slow.truncate(128);
    until("there is room again", async || exchange(address, whole.as_bytes()).await.0 == [200]).await;
}

#[tokio::test]
async fn what_is_no_request_is_counted_by_what_it_is() {
    let metrics = Metrics::new();
    let address = counting_listener(&metrics).await;
    let request = usual();
    let large = "Cookie: x\r\n".repeat(20_000);
    for (sent, why) in [
        (format!("PROXY TCP4 203.0.113.7 10.0.0.1 5678 443\r\n{request}"), "proxy_protocol"),
        (format!("PROXY UNKNOWN\r\n{request}"), "proxy_protocol"),
        (format!("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0{request}"), "proxy_protocol"),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{7c}\x03\x03".to_owned(), "tls"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(), "http2"),
        (request.replace("\r\n\r\n", &format!("\r\n{large}\r\n")), "head_too_large"),
        (request.replace('/', &format!("/{}", "x".repeat(66_000))), "head_too_large"),
        (request.replace("Host: here\r\n", ""), "ambiguous"),
        (request.replace("Host: here", "Host: here\r\nHost: there"), "ambiguous"),
        ("SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "malformed"),
        ("*1\r\n$4\r\nPING\r\n".to_owned(), "malformed"),
    ] {
        let counted = || metric_value(&metrics.text(), "scenecast_bad_requests_total", &[("why", why)]).unwrap();
        let before = counted();
        let (_, answer) = exchange(address, sent.as_bytes()).await;
        assert!(!answer.contains("served"), "{sent:.40}\n{answer}");
        until("it is counted", async || counted() > before).await;
        assert!((counted() - before - 1.0).abs() < 0.1, "once: {sent:.40}");
    }
    let healthy = exchange(address, request.as_bytes()).await;
    assert_eq!(healthy.0, [200]);
    drop(TcpStream::connect(address).await.unwrap());
    let all: f64 = ["malformed", "tls", "proxy_protocol"]
        .map(|why| metric_value(&metrics.text(), "scenecast_bad_requests_total", &[("why", why)]).unwrap())
        .into_iter()
        .sum();
    assert!((all - 6.0).abs() < 0.1, "neither a request nor a probe that only connects is bad: {all}");
}
