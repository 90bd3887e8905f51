//! Accepting, answering and shutting down, on real sockets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request, routing::get};
use scenecast_metrics::Metrics;
use scenecast_service::{
    admission::Overloaded,
    config::{DrainConfig, Seconds},
    listener::{Listener, ListenerLimits, NoAnswer, serve_admin},
    shutdown::Shutdown,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use scenecast_testing::until;

/// How long a test waits for an event.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

const ANYWHERE: &str = "127.0.0.1:0";
const LIMITS: ListenerLimits = ListenerLimits { connections: 100, idle: Duration::from_secs(10) };
const SHORT_DRAIN: DrainConfig = DrainConfig { notice: Seconds::new(0), window: Seconds::new(1) };

async fn serve(app: Router, limits: ListenerLimits, shutdown: &Shutdown) -> SocketAddr {
    let listener = Listener::bind("tests", ANYWHERE.parse().unwrap(), limits).await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(app, shutdown.clone()));
    address
}

/// A client that sends raw bytes on one connection.
struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn send_get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")).await;
    }

    /// Reads a response: its status and body.
    async fn read_response(&mut self) -> (u16, String) {
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
    }

    /// Reads until the server closes the connection.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        timeout(TEST_TIMEOUT, self.0.read_to_string(&mut rest)).await.expect("the connection to be closed").unwrap();
        rest
    }
}

async fn get_path(address: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Client::connect(address).await;
    client.send_get(path).await;
    client.read_response().await
}

/// Says `one too many` on a rejected connection, and `served` on others.
fn admission_app() -> Router {
    let which = |request: Request| async move {
        let is_rejected = request.extensions().get::<Overloaded>().is_some();
        if is_rejected { "one too many" } else { "served" }
    };
    Router::new().route("/", get(which))
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_headers_or_its_next_request_is_disconnected() {
    let short_idle = ListenerLimits { idle: Duration::from_millis(200), ..LIMITS };
    let address = serve(admission_app(), short_idle, &Shutdown::never()).await;
    for sent in ["", "GET / HTTP/1.1\r\nHost: h"] {
        let mut client = Client::connect(address).await;
        let started = Instant::now();
        client.send(sent).await;
        assert!(!client.rest().await.contains("served"));
        assert!(started.elapsed() >= short_idle.idle, "{sent:?} was cut after {:?}", started.elapsed());
    }
    let mut client = Client::connect(address).await;
    client.send_get("/").await;
    assert_eq!(client.read_response().await.0, 200);
    client.rest().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_rejected_until_there_is_room() {
    let two = ListenerLimits { connections: 2, ..LIMITS };
    let address = serve(admission_app(), two, &Shutdown::never()).await;
    let mut first = Client::connect(address).await;
    let mut second = Client::connect(address).await;
    for client in [&mut first, &mut second] {
        client.send_get("/").await;
        assert_eq!(client.read_response().await.1, "served");
    }
    assert_eq!(get_path(address, "/").await.1, "one too many");
    drop(first);
    until("there is room", async || get_path(address, "/").await.1 == "served").await;
}

#[tokio::test]
async fn headers_that_come_byte_by_byte_time_out_though_a_connection_may_idle_for_longer() {
    let long_idle = ListenerLimits { idle: Duration::from_secs(75), ..LIMITS };
    let address = serve(admission_app(), long_idle, &Shutdown::never()).await;
    let mut client = Client::connect(address).await;
    client.send_get("/").await;
    assert_eq!(client.read_response().await.0, 200);
    let started = Instant::now();
    let (mut reader, mut writer) = client.0.split();
    let mut rest = vec![];
    let drip = async {
        while writer.write_all(b"G").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        _ = reader.read_to_end(&mut rest) => {}
        () = drip => {}
    }
    assert!((9..15).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn probes_are_answered_while_the_public_listener_has_no_reject_slot_left() {
    let shutdown = Shutdown::never();
    let admin = serve_admin(ANYWHERE.parse().unwrap(), &Metrics::new(), &shutdown).await.unwrap();
    let public = serve(admission_app(), ListenerLimits { connections: 1, ..LIMITS }, &shutdown).await;
    let mut crowd = vec![];
    for _ in 0..300 {
        crowd.push(Client::connect(public).await);
    }
    let started = Instant::now();
    let closed = crowd.last_mut().unwrap().0.read(&mut [0]).await;
    assert!(closed.is_err() || closed.is_ok_and(|read| read == 0));
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "it is closed at once, not after the 2 s of a rejected connection: {:?}",
        started.elapsed()
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get_path(admin, path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn probes_are_answered_among_hundreds_of_silent_connections() {
    let admin = serve_admin(ANYWHERE.parse().unwrap(), &Metrics::new(), &Shutdown::never()).await.unwrap();
    let mut silent = vec![];
    for _ in 0..400 {
        silent.push(Client::connect(admin).await);
    }
    assert_eq!(get_path(admin, "/healthz").await, (200, "alive\n".to_owned()));
    for mut client in silent {
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn no_answer_closes_the_connection_without_a_byte() {
    let app = Router::new().route("/", get(|| async { NoAnswer }));
    let address = serve(app, LIMITS, &Shutdown::never()).await;
    let mut client = Client::connect(address).await;
    client.send_get("/").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_shutdown_closes_idle_connections_finishes_requests_and_accepts_no_more() {
    let requested = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let slow = {
        let requested = requested.clone();
        let go_on = go_on.clone();
        get(move || async move {
            requested.notify_one();
            go_on.notified().await;
            "done"
        })
    };
    let shutdown = Shutdown::new(SHORT_DRAIN);
    let address = serve(admission_app().route("/slow", slow), LIMITS, &shutdown).await;
    let mut idle = Client::connect(address).await;
    let mut waiting = Client::connect(address).await;
    idle.send_get("/").await;
    assert_eq!(idle.read_response().await.0, 200);
    waiting.send_get("/slow").await;
    requested.notified().await;

    let shutting_down = tokio::spawn(async move { shutdown.shut_down().await });
    assert_eq!(idle.rest().await, "");
    until("no more connections are accepted", async || TcpStream::connect(address).await.is_err()).await;
    assert!(!shutting_down.is_finished(), "a request is still to be answered");
    go_on.notify_one();
    assert_eq!(waiting.read_response().await, (200, "done".to_owned()));
    assert_eq!(waiting.rest().await, "");
    timeout(TEST_TIMEOUT, shutting_down).await.expect("the end").unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_is_abandoned_five_seconds_after_the_window() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(3), window: Seconds::new(20) });
    shutdown.spawn(std::future::pending());
    let started = Instant::now();
    shutdown.shut_down().await;
    assert_eq!(started.elapsed().as_secs(), 3 + 20 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_drain_hold_prolongs_the_drain_beyond_its_window() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(0), window: Seconds::new(20) });
    let hold = shutdown.hold_drain();
    let closing = shutdown.clone();
    shutdown.spawn(std::future::pending());
    tokio::spawn(async move {
        closing.closing().await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(hold);
        closing.drain_ended().await;
    });
    let started = Instant::now();
    shutdown.shut_down().await;
    assert_eq!(started.elapsed().as_secs(), 100 + 5);
}

#[tokio::test]
async fn a_response_that_nobody_reads_is_dropped_soon_after_the_window() {
    let requested = Arc::new(Notify::new());
    let notify = requested.clone();
    let long_body = "x".repeat(64 << 20);
    let app = Router::new().route(
        "/",
        get(move || async move {
            notify.notify_one();
            long_body
        }),
    );
    let shutdown = Shutdown::new(SHORT_DRAIN);
    let address = serve(app, LIMITS, &shutdown).await;
    let mut client = Client::connect(address).await;
    client.send_get("/").await;
    requested.notified().await;
    let started = Instant::now();
    shutdown.shut_down().await;
    let took = started.elapsed();
    assert!((3..4).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_at_once() {
    let shutdown = Shutdown::new(SHORT_DRAIN);
    let address = serve(admission_app(), LIMITS, &shutdown).await;
    let mut silent = Client::connect(address).await;
    // Connections are accepted in order, so the silent one is accepted once this is answered.
    assert_eq!(get_path(address, "/").await.0, 200);
    let started = Instant::now();
    shutdown.shut_down().await;
    assert!(started.elapsed() < SHORT_DRAIN.window.duration(), "{:?}", started.elapsed());
    assert_eq!(silent.rest().await, "");
}

#[tokio::test]
async fn a_process_that_shuts_down_is_alive_and_has_metrics_and_is_not_ready() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(60), window: Seconds::new(1) });
    let metrics = Metrics::new();
    metrics.counter("visits_total", "Visits.").inc();
    let admin = serve_admin(ANYWHERE.parse().unwrap(), &metrics, &shutdown).await.unwrap();
    let public = serve(admission_app(), LIMITS, &shutdown).await;
    assert_eq!(get_path(admin, "/readyz").await, (200, "ready\n".to_owned()));

    let shutting_down = tokio::spawn(async move { shutdown.shut_down().await });
    until("the process is not ready", async || get_path(admin, "/readyz").await.0 == 503).await;
    assert_eq!(get_path(admin, "/healthz").await.0, 200);
    let (status, text) = get_path(admin, "/metrics").await;
    assert!(status == 200 && text.contains("scenecast_visits_total 1\n"), "{text}");
    assert_eq!(get_path(public, "/").await.0, 200, "a pod that isn't ready serves until it closes");
    shutting_down.abort();
}

#[tokio::test]
async fn our_metrics_have_our_prefix_and_process_metrics_have_their_usual_names() {
    let metrics = Metrics::new();
    metrics.seconds_histogram("wait_seconds", "Waiting.").observe(0.1);
    metrics.gauge_vec("open", "Open.", &["what"]).with_label_values(&["door"]).set(1);
    let text = metrics.text();
    for name in ["scenecast_wait_seconds_sum 0.1", "scenecast_open{what=\"door\"} 1", "process_resident_memory_bytes "]
    {
        assert!(text.contains(&format!("\n{name}")), "{text}");
    }
}
