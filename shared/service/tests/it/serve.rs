//! Accepting, answering and leaving, on real sockets.

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

/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const ANYWHERE: &str = "127.0.0.1:0";
const LIMITS: ListenerLimits = ListenerLimits { connections: 100, idle: Duration::from_secs(10) };
const AT_ONCE: DrainConfig = DrainConfig { notice: Seconds::new(0), window: Seconds::new(1) };

async fn serve(app: Router, limits: ListenerLimits, shutdown: &Shutdown) -> SocketAddr {
    let listener = Listener::bind("tests", ANYWHERE.parse().unwrap(), limits).await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(app, shutdown.clone()));
    address
}

/// A connection that sends what it is told to.
struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")).await;
    }

    /// The answer's status and body.
    async fn answer(&mut self) -> (u16, String) {
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

    /// What comes until the connection is closed.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        timeout(PATIENCE, self.0.read_to_string(&mut rest)).await.expect("the connection to be closed").unwrap();
        rest
    }
}

async fn ask(address: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Client::connect(address).await;
    client.ask(path).await;
    client.answer().await
}

fn says_which() -> Router {
    let which = |request: Request| async move {
        let crowded = request.extensions().get::<Overloaded>().is_some();
        if crowded { "one too many" } else { "served" }
    };
    Router::new().route("/", get(which))
}

#[tokio::test]
async fn whoever_is_slow_with_its_headers_or_with_its_next_request_is_cut() {
    let brief = ListenerLimits { idle: Duration::from_millis(200), ..LIMITS };
    let address = serve(says_which(), brief, &Shutdown::never()).await;
    for sent in ["", "GET / HTTP/1.1\r\nHost: h"] {
        let (mut client, since) = (Client::connect(address).await, Instant::now());
        client.send(sent).await;
        assert!(!client.rest().await.contains("served"));
        assert!(since.elapsed() >= brief.idle, "{sent:?} was cut after {:?}", since.elapsed());
    }
    let mut client = Client::connect(address).await;
    client.ask("/").await;
    assert_eq!(client.answer().await.0, 200);
    client.rest().await;
}

#[tokio::test]
async fn connections_beyond_the_ceiling_are_told_so_until_there_is_room() {
    let two = ListenerLimits { connections: 2, ..LIMITS };
    let address = serve(says_which(), two, &Shutdown::never()).await;
    let (mut first, mut second) = (Client::connect(address).await, Client::connect(address).await);
    for client in [&mut first, &mut second] {
        client.ask("/").await;
        assert_eq!(client.answer().await.1, "served");
    }
    assert_eq!(ask(address, "/").await.1, "one too many");
    drop(first);
    until("there is room", async || ask(address, "/").await.1 == "served").await;
}

#[tokio::test]
async fn headers_that_come_byte_by_byte_are_cut_though_a_connection_may_rest_for_longer() {
    let restful = ListenerLimits { idle: Duration::from_secs(75), ..LIMITS };
    let address = serve(says_which(), restful, &Shutdown::never()).await;
    let mut client = Client::connect(address).await;
    client.ask("/").await;
    assert_eq!(client.answer().await.0, 200);
    let since = Instant::now();
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
    assert!((9..15).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn probes_are_answered_though_browsers_find_no_place_even_to_be_told() {
    let shutdown = Shutdown::never();
    let admin = serve_admin(ANYWHERE.parse().unwrap(), &Metrics::new(), &shutdown).await.unwrap();
    let public = serve(says_which(), ListenerLimits { connections: 1, ..LIMITS }, &shutdown).await;
    let mut crowd = vec![];
    for _ in 0..300 {
        crowd.push(Client::connect(public).await);
    }
    let since = Instant::now();
    let closed = crowd.last_mut().unwrap().0.read(&mut [0]).await;
    assert!(closed.is_err() || closed.is_ok_and(|read| read == 0));
    assert!(since.elapsed() < Duration::from_secs(1), "who is only told has 2 s: {:?}", since.elapsed());
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(admin, path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn probes_are_answered_among_hundreds_of_connections_that_say_nothing() {
    let admin = serve_admin(ANYWHERE.parse().unwrap(), &Metrics::new(), &Shutdown::never()).await.unwrap();
    let mut silent = vec![];
    for _ in 0..400 {
        silent.push(Client::connect(admin).await);
    }
    assert_eq!(ask(admin, "/healthz").await, (200, "alive\n".to_owned()));
    for mut client in silent {
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn a_request_that_gets_no_answer_has_its_connection_closed_without_a_byte() {
    let app = Router::new().route("/", get(|| async { NoAnswer }));
    let address = serve(app, LIMITS, &Shutdown::never()).await;
    let mut client = Client::connect(address).await;
    client.ask("/").await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn whoever_leaves_closes_what_is_idle_answers_what_was_asked_and_takes_no_more() {
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (is_asked, may_go_on) = (asked.clone(), go_on.clone());
    let slow = get(move || async move {
        is_asked.notify_one();
        may_go_on.notified().await;
        "done"
    });
    let shutdown = Shutdown::new(AT_ONCE);
    let address = serve(says_which().route("/slow", slow), LIMITS, &shutdown).await;
    let (mut idle, mut waiting) = (Client::connect(address).await, Client::connect(address).await);
    idle.ask("/").await;
    assert_eq!(idle.answer().await.0, 200);
    waiting.ask("/slow").await;
    asked.notified().await;

    let leaving = tokio::spawn(async move { shutdown.leave().await });
    assert_eq!(idle.rest().await, "");
    until("no more are taken", async || TcpStream::connect(address).await.is_err()).await;
    assert!(!leaving.is_finished(), "a request is still to be answered");
    go_on.notify_one();
    assert_eq!(waiting.answer().await, (200, "done".to_owned()));
    assert_eq!(waiting.rest().await, "");
    timeout(PATIENCE, leaving).await.expect("the end").unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_is_left_five_seconds_after_the_window() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(3), window: Seconds::new(20) });
    shutdown.spawn(std::future::pending());
    let since = Instant::now();
    shutdown.leave().await;
    assert_eq!(since.elapsed().as_secs(), 3 + 20 + 5);
}

#[tokio::test(start_paused = true)]
async fn what_stays_holds_the_drain_open_beyond_its_window() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(0), window: Seconds::new(20) });
    let (stay, closing) = (shutdown.stay(), shutdown.clone());
    shutdown.spawn(std::future::pending());
    tokio::spawn(async move {
        closing.closing().await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(stay);
        closing.over().await;
    });
    let since = Instant::now();
    shutdown.leave().await;
    assert_eq!(since.elapsed().as_secs(), 100 + 5);
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_dropped_soon_after_the_window() {
    let (asked, endless) = (Arc::new(Notify::new()), "x".repeat(64 << 20));
    let is_asked = asked.clone();
    let app = Router::new().route(
        "/",
        get(move || async move {
            is_asked.notify_one();
            endless
        }),
    );
    let shutdown = Shutdown::new(AT_ONCE);
    let address = serve(app, LIMITS, &shutdown).await;
    let mut client = Client::connect(address).await;
    client.ask("/").await;
    asked.notified().await;
    let since = Instant::now();
    shutdown.leave().await;
    let took = since.elapsed();
    assert!((3..4).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_connection_on_which_nothing_was_asked_yet_is_closed_at_once() {
    let shutdown = Shutdown::new(AT_ONCE);
    let address = serve(says_which(), LIMITS, &shutdown).await;
    let mut silent = Client::connect(address).await;
    // Connections are taken in their order.
    assert_eq!(ask(address, "/").await.0, 200);
    let since = Instant::now();
    shutdown.leave().await;
    assert!(since.elapsed() < AT_ONCE.window.duration(), "{:?}", since.elapsed());
    assert_eq!(silent.rest().await, "");
}

#[tokio::test]
async fn a_pod_that_leaves_is_alive_and_measured_and_not_ready() {
    let shutdown = Shutdown::new(DrainConfig { notice: Seconds::new(60), window: Seconds::new(1) });
    let metrics = Metrics::new();
    metrics.counter("visits_total", "Visits.").inc();
    let admin = serve_admin(ANYWHERE.parse().unwrap(), &metrics, &shutdown).await.unwrap();
    let public = serve(says_which(), LIMITS, &shutdown).await;
    assert_eq!(ask(admin, "/readyz").await, (200, "ready\n".to_owned()));

    let leaving = tokio::spawn(async move { shutdown.leave().await });
    until("it isn't ready", async || ask(admin, "/readyz").await.0 == 503).await;
    assert_eq!(ask(admin, "/healthz").await.0, 200);
    let (status, text) = ask(admin, "/metrics").await;
    assert!(status == 200 && text.contains("scenecast_visits_total 1\n"), "{text}");
    assert_eq!(ask(public, "/").await.0, 200, "until the endpoints have noticed, it is served");
    leaving.abort();
}

#[tokio::test]
async fn our_metrics_have_our_prefix_and_the_process_its_usual_names() {
    let metrics = Metrics::new();
    metrics.seconds("wait_seconds", "Waiting.").observe(0.1);
    metrics.gauges("open", "Open.", &["what"]).with_label_values(&["door"]).set(1);
    let text = metrics.text();
    for name in ["scenecast_wait_seconds_sum 0.1", "scenecast_open{what=\"door\"} 1", "process_resident_memory_bytes "]
    {
        assert!(text.contains(&format!("\n{name}")), "{text}");
    }
}
