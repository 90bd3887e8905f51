//! Raw HTTP requests, also such as no client library would send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a server may take to close the connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends these bytes, and reads until the server closes the connection. Returns the status codes of all responses, and
/// the whole text. Panics if the server doesn't close the connection within 10 s.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> (Vec<u16>, String) {
    let mut stream = TcpStream::connect(address).await.expect("a server that accepts");
    let mut answer = vec![];
    let talking = async {
        let (mut from, mut to) = stream.split();
        // Sending fails if the server closes early. Then a part of its response may be lost.
        let _ = tokio::join!(to.write_all(bytes), from.read_to_end(&mut answer));
    };
    tokio::time::timeout(CLOSE_TIMEOUT, talking).await.expect("the server closes within 10 s");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    // A body need not end with a line break, so a response may begin in the middle of a line.
    let statuses = answer.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().expect("a status"));
    (statuses.collect(), answer)
}

/// Hostile requests for this path. A server must either refuse each, or answer it once like a harmless request.
pub fn hostile_requests(method: &str, path: &str) -> Vec<String> {
    let long = "x".repeat(10_000);
    let start = format!("{method} {path} HTTP/1.1\r\n");
    let whole = |headers: &str, body: &str| format!("{start}Host: here\r\nConnection: close\r\n{headers}\r\n{body}");
    let with_path = |path: &str| format!("{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    let second = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    vec![
        format!("{start}Connection: close\r\n\r\n"),
        whole("Host: there\r\n", ""),
        whole("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", ""),
        whole(&format!("Authorization: Bearer {long}\r\n"), ""),
        whole("Authorization: \u{ff}\u{fe}\r\n", ""),
        whole(&format!("Cookie: {long}=; =; ;;=\u{ff}; scenecast.=%\r\n"), ""),
        whole("Origin: null\r\n", ""),
        whole("Origin: \u{ff}://\r\nReferer: ://\r\nUser-Agent: \u{ff}\r\nLast-Event-ID: -1\r\n", ""),
        whole("X-Forwarded-For: , ,x, 999.1.1.1\r\nX-Forwarded-Proto: \u{ff}\r\nTraceparent: 00-0-0-0\r\n", ""),
        whole(&"a: b\r\n".repeat(150), ""),
        whole("Upgrade: websocket, h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n", ""),
        whole("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA\r\n", ""),
        whole("Expect: 100-continue\r\nContent-Length: 99999999\r\n", ""),
        whole("Content-Length: 99999999999999999999\r\n", ""),
        whole("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{second}")),
        whole("Transfer-Encoding: chunked\r\n", &format!("ffffffffffffffff\r\n{second}")),
        whole("Content-Length: 4\r\nContent-Type: application/json\r\n", "\0\0\0\0"),
        whole(&format!("Content-Length: {}\r\nContent-Type: application/json\r\n", 3000), &"[".repeat(3000)),
        whole("Content-Length: 6\r\nContent-Type: application/x-www-form-urlencoded\r\n", "%&=%0&"),
        with_path(&format!("http://elsewhere.example{path}")),
        with_path(&format!("{path}?{long}")),
        with_path(&format!("{path}?a=%00&=&&%ff=%&a=a")),
        with_path(&format!("{path}/{long}")),
        with_path(&format!("{path}/../..//%2e%2e/%2f%00%ff")),
        with_path("*"),
        format!("BREW {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"),
        format!("{method} {path}\0 HTTP/1.1\r\nHost: here\r\n\r\n"),
        format!("{method} {path} HTTP/1.1\r\nHost: here\r\n{}", "x".repeat(200_000)),
        format!("PROXY TCP4 203.0.113.7 10.0.0.1 5678 443\r\n{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n"),
    ]
}
