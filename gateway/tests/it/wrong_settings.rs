//! Settings that can be used and are wrong: a gateway process says what to do, once something goes wrong.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use scenecast_browsers::login_page::LoginPage;
use scenecast_scene::{KeyRing, Rotating};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    descriptors::{GatewayProcess, command, sample},
    fixtures::{ORIGIN, frame},
};

/// The type and the body of a web server's answer.
const HTML: (&str, &str) = ("text/html", "<html>Welcome!");
/// The type of an error of Scenecast.
const PROBLEM: &str = "application/problem+json";

/// What is at `callback.url`. It answers each request with the same bytes.
#[derive(Clone, Default)]
struct StrangeServer(Arc<Mutex<String>>);

impl StrangeServer {
    async fn start() -> (Self, SocketAddr) {
        let server = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = server.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                // Its requests are shorter.
                let _ = stream.read(&mut [0; 16384]).await;
                let answer = answer.0.lock().clone();
                let _ = stream.write_all(answer.as_bytes()).await;
                // So that what wasn't read doesn't reset the connection.
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut vec![]).await;
            }
        });
        (server, address)
    }

    /// Answers from now on with this status, type and body.
    fn answers(&self, status: &str, kind: &str, body: &str) {
        let length = body.len();
        *self.0.lock() = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nlocation: https://elsewhere/\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
    }
}

#[tokio::test]
async fn a_wrong_callback_url_and_a_foreign_key_secret_have_a_line_that_says_what_to_do() {
    let (server, address) = StrangeServer::start().await;
    let url = format!("http://{address}");
    let mut gateway = GatewayProcess::start_with(1024, &[("SCENECAST_CALLBACK__URL", &url)]).await;
    for (status, (kind, body), said) in [
        ("200 OK", HTML, "something else than a callback"),
        ("200 OK", ("application/json", ""), "something else than a callback"),
        ("200 OK", ("application/json", "[]"), "a callback of another version may answer so"),
        ("200 OK", ("application/json", r#"{"nfc":{"url":"x"}}"#), "a callback of another version may answer so"),
        ("200 OK", ("application/json", r#"{"qr":{"url":1}}"#), "otherwise callback.url leads to something else"),
        ("404 Not Found", HTML, "something else than a callback"),
        ("403 Forbidden", HTML, "something else than a callback"),
        ("404 Not Found", (PROBLEM, r#"{"code":"not_found"}"#), "another listener of Scenecast"),
        ("301 Moved", HTML, "is redirected"),
        ("502 Bad Gateway", HTML, "a proxy that reaches no callback"),
        ("401 Unauthorized", (PROBLEM, r#"{"code":"signature_invalid"}"#), "the same internal_secret"),
    ] {
        server.answers(status, kind, body);
        assert_eq!(gateway.problem_of_a_page().await.0, "callback_unavailable", "{status}");
        gateway.logs(said).await;
    }
    server.answers("200 OK", "application/json", &" ".repeat(300_000));
    assert_eq!(gateway.problem_of_a_page().await.0, "callback_unavailable");
    gateway.logs("more bytes than a callback").await;
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{".clone_into(&mut server.0.lock());
    assert_eq!(gateway.problem_of_a_page().await.0, "callback_unavailable");
    gateway.logs("no callback answered a call").await;
    "SSH-2.0-OpenSSH\r\n".clone_into(&mut server.0.lock());
    assert_eq!(gateway.problem_of_a_page().await.0, "callback_unavailable");
    gateway.logs("invalid HTTP version parsed").await;

    let foreign = KeyRing::new(Rotating::fixed("the key_secret of another gateway"));
    let (key, _) = foreign.issue(&"demo".parse().unwrap(), None, Duration::from_secs(120), SystemTime::now());
    let mut page = LoginPage::connect(&gateway.public.to_string(), ORIGIN).await.unwrap();
    page.resume(&key.to_string(), 0).await.unwrap();
    assert_eq!(frame(&mut page).await.code, "key_invalid");
    gateway.logs("compare key_secret of all gateways").await;
}

/// What connects to Redis says why it can't. A second warning would send the operator after a right that isn't missing.
#[tokio::test]
async fn redis_that_is_away_is_not_taken_for_a_missing_right() {
    let mut gateway = GatewayProcess::start_with(1024, &[]).await;
    gateway.logs("moves no pages to other gateways while Redis gives no answer").await;
}

#[tokio::test]
async fn a_machine_without_ca_certificates_is_named_at_the_start() {
    let config = sample();
    let mut gateway = command(1024, config.path());
    let ended = gateway.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/nonexistent").output().await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(64), "{said}");
    assert!(said.contains("no CA certificates were found") && said.lines().count() == 1, "{said}");
}
