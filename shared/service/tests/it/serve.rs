//! Accepting and answering, on real sockets.

use std::time::Duration;

use axum::{Extension, Router, routing::get};
use scenecast_metrics::Metrics;
use scenecast_service::{
    http::PeerAddress,
    listener::{Listener, ListenerLimits, NoAnswer, serve_admin},
    shutdown::Shutdown,
};
use scenecast_testing::{LogText, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::fixtures::{ANYWHERE, Client, LIMITS, admission_app, get_path, serve};

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

#[tokio::test]
async fn what_belongs_to_another_listener_is_named_at_the_one_for_probes() {
    for (path, belongs_at) in [
        ("/wechat/demo", "the callbacks' listen.public"),
        ("/v1/redeem", "the callbacks' listen.internal"),
        ("/v1/ws", "the gateways' listen.public"),
    ] {
        let admin = serve_admin(ANYWHERE.parse().unwrap(), &Metrics::new(), &Shutdown::never()).await.unwrap();
        let log = LogText::default();
        let _guard = tracing::subscriber::set_default(log.subscriber());
        let mut client = Client::connect(admin).await;
        client.send_get(path).await;
        assert_eq!(client.read_response().await.0, 404);
        let lines = log.lines_with(&["belongs to another listener", belongs_at, "it came to listen.admin"]);
        assert_eq!(lines.len(), 1, "{path}: {}", log.text());
    }
}

#[tokio::test]
async fn a_client_of_ipv4_has_its_own_address_on_a_listener_of_all_addresses() {
    let app =
        Router::new().route("/", get(async |Extension(PeerAddress(peer)): Extension<PeerAddress>| peer.to_string()));
    let listener = Listener::bind("tests", "[::]:0".parse().unwrap(), LIMITS).await.unwrap();
    let port = listener.address().port();
    tokio::spawn(listener.serve(app, Shutdown::never()));
    for from in ["127.0.0.1", "[::1]"] {
        let (status, peer) = get_path(format!("{from}:{port}").parse().unwrap(), "/").await;
        assert!(status == 200 && peer.starts_with(&format!("{from}:")), "{from}: {peer}");
    }
}
