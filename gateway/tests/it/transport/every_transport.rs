//! What holds for every transport.

use std::time::{Duration, SystemTime};

use reqwest::Method;
use scenecast_browsers::login_page::LoginPage;
use scenecast_gateway::config::GatewayLimits;
use scenecast_scene::Transition;
use scenecast_service::config::Seconds;
use scenecast_testing::{Direction, FaultProxy, ProxyMode, RedisServer, metric_value, series_value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::fixtures::{
    EventStream, GatewayWorld, LIFE, ORIGIN, Scene, account, ann, assert_problem, frame, log_in, reconnect_delay_ms,
    send,
};

const STREAM: &str = "/events";
const POLL: &str = "?wait=30";
const HANDED_OVER: &str = "scenes_total{stage=\"handed_over\"}";

#[tokio::test]
async fn a_gateway_without_pages_says_so_for_every_transport_and_stage() {
    let metrics = GatewayWorld::new().await.metrics.text();
    for stage in ["opened", "handed_over"] {
        assert_eq!(metric_value(&metrics, "scenecast_scenes_total", &[("stage", stage)]), Some(0.0), "{stage}");
    }
    for transport in ["websocket", "sse", "poll"] {
        let series = format!("scenecast_connections_open{{transport=\"{transport}\"}}");
        assert_eq!(series_value(&metrics, &series), Some(0), "{series}");
    }
}

#[tokio::test]
async fn one_scene_may_have_watchers_by_every_transport() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let mut socket = world.page_of(&scene).await;
    let mut stream = EventStream::open(&world, &scene, None).await;
    stream.event("resumed").await;
    let polling = tokio::spawn(world.scene_request(&scene, POLL).send());
    world.metric_is("connections_open{transport=\"poll\"}", 1).await;
    assert_eq!(world.reader.watched_scenes(), 1);

    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    let by_socket = frame(&mut socket).await;
    let by_stream = stream.event("confirmed").await;
    let polled: serde_json::Value = polling.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(by_stream.frame(), by_socket);
    assert_eq!(polled["events"][0], serde_json::from_str::<serde_json::Value>(&by_stream.data).unwrap());
    // The first page that acknowledges it hands the scene over, and the others don't count again.
    world.metric_is(HANDED_OVER, 1).await;
    let seen = by_stream.id.unwrap();
    let acknowledged = send(world.scene_request(&scene, &format!("?after={seen}&wait=0"))).await;
    assert_eq!((acknowledged.0, world.metric(HANDED_OVER)), (200, 1));
}

#[tokio::test]
async fn a_login_counts_as_handed_over_when_its_page_acknowledges_it() {
    let world = GatewayWorld::new().await;
    for (handed_over, suffix) in [STREAM, POLL].into_iter().enumerate() {
        let scene = world.scene().await;
        world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
        let before = u64::try_from(handed_over).unwrap();
        let answer = world.scene_request(&scene, suffix).send().await.unwrap().text().await.unwrap();
        assert!(answer.contains("confirmed"), "{answer}");
        let seq = answer.split("\"seq\":").nth(1).unwrap().split(',').next().unwrap();
        assert_eq!(world.metric(HANDED_OVER), before, "it was only sent");
        for _ in 0..2 {
            send(world.scene_request(&scene, &format!("?after={seq}&wait=0"))).await;
        }
        assert_eq!(world.metric(HANDED_OVER), before + 1);
    }
    let scene = world.scene().await;
    let mut page = world.page_of(&scene).await;
    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    assert_eq!(frame(&mut page).await.kind, "confirmed");
    world.metric_is(HANDED_OVER, 3).await;
}

#[tokio::test]
async fn a_login_that_a_dead_connection_swallowed_is_not_handed_over_and_comes_again() {
    let world = GatewayWorld::new().await;
    let proxy = FaultProxy::start(vec![world.address]).await;
    let scene = world.scene().await;
    let mut page = LoginPage::connect(&proxy.address().to_string(), ORIGIN).await.unwrap();
    page.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed");
    proxy.set_mode(Direction::ToClient, ProxyMode::Swallow);
    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    world.metric_is("connections_closed_total{end=\"over\",transport=\"websocket\"}", 1).await;

    let mut back = world.page().await;
    back.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut back).await.kind, "resumed");
    assert_eq!(world.metric(HANDED_OVER), 0);
    assert_eq!(frame(&mut back).await.kind, "confirmed");
    world.metric_is(HANDED_OVER, 1).await;
}

#[tokio::test]
async fn only_the_scenes_own_key_gives_its_events() {
    let world = GatewayWorld::new().await;
    let now = SystemTime::now();
    let (scene, other) = (world.scene().await, world.scene().await);
    let foreign = Scene::issue_under("another deployment's", LIFE, now);
    let long_over = Scene::issue(LIFE, now - Duration::from_secs(3600));
    let just_over = Scene::issue(LIFE, now - LIFE - Duration::from_secs(1));
    for suffix in [STREAM, POLL] {
        let keyless = world.request(Method::GET, &format!("{}{suffix}", scene.path()));
        assert_problem(&send(keyless).await, 401, "key_missing");
        for (scene, key, status, code) in [
            (&scene, &other.key, 403, "key_invalid"),
            (&scene, &foreign.key, 403, "key_invalid"),
            (&foreign, &foreign.key, 403, "key_invalid"),
            (&scene, &"x".repeat(10_000), 403, "key_invalid"),
            (&long_over, &long_over.key, 410, "scene_expired"),
            (&just_over, &just_over.key, 410, "scene_expired"),
        ] {
            let request = world.request(Method::GET, &format!("{}{suffix}", scene.path())).bearer_auth(key);
            assert_problem(&send(request).await, status, code);
        }
    }
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn headers_of_ten_megabytes_are_refused_and_the_gateway_goes_on() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    for header in ["Authorization: Bearer ", "Last-Event-ID: ", "Origin: "] {
        let mut client = TcpStream::connect(world.address).await.unwrap();
        let head = format!("GET {}/events HTTP/1.1\r\nHost: x\r\n{header}", scene.path());
        // The gateway closes before all of it is sent, and then its answer may be lost.
        let _ = client.write_all(&[head.as_bytes(), &vec![b'1'; 10 << 20]].concat()).await;
        let mut answer = vec![];
        let _ = client.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
    }
    EventStream::open(&world, &scene, None).await.event("resumed").await;
}

#[tokio::test]
async fn beyond_the_connection_limit_streams_and_polls_are_told_to_come_back() {
    let world = GatewayWorld::with_one_connection().await;
    let scene = world.scene().await;
    let mut held = EventStream::open(&world, &scene, None).await;
    held.event("resumed").await;
    for suffix in [STREAM, POLL] {
        let response = world.scene_request(&scene, suffix).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"5".parse().unwrap()));
        assert_eq!(
            response.headers()["access-control-expose-headers"],
            "retry-after",
            "the page may read when to come back"
        );
    }
}

#[tokio::test]
async fn while_redis_is_away_watchers_stay_and_new_ones_are_told_to_come_back() {
    let mut redis = RedisServer::start().await;
    let world = GatewayWorld::over_redis(&redis).await;
    let scene = world.scene().await;
    let mut held = EventStream::open(&world, &scene, None).await;
    held.event("resumed").await;
    let mut page = world.page_of(&scene).await;
    redis.stop().await;
    held.event("trouble").await;
    assert_eq!(frame(&mut page).await.kind, "trouble");
    for suffix in [STREAM, POLL] {
        let response = world.scene_request(&scene, suffix).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"2".parse().unwrap()));
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["code"], "bus_unavailable");
    }
    let mut late = world.page().await;
    late.resume(&scene.key, 0).await.unwrap();
    let problem = frame(&mut late).await;
    assert_eq!((problem.code.as_str(), problem.retry_after), ("bus_unavailable", 2));
    reconnect_delay_ms(&mut late, 1013).await;

    redis.restart().await;
    assert_eq!(held.event("resumed").await.frame().state, "open");
    assert_eq!(frame(&mut page).await.kind, "resumed");
    world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    held.event("confirmed").await;
    assert_eq!(frame(&mut page).await.kind, "confirmed");
}

#[tokio::test]
async fn pages_that_never_read_are_cut_off_and_their_scene_can_be_resumed() {
    let world = GatewayWorld::with_limits(GatewayLimits { unread: Seconds::new(3), ..GatewayLimits::default() }).await;
    let scene = world.scene().await;
    let _socket = world.page_of(&scene).await;
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    let mut stream = client.connect(world.address).await.unwrap();
    let head = format!("GET {}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}", scene.path(), scene.key);
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    world.metric_is("connections_open{transport=\"sse\"}", 1).await;

    // More than the kernel buffers.
    let person = ann(&"x".repeat(16 << 20));
    world.settle(&scene, Transition::Scan { account: account(), person, numbers: None }).await;
    world.metric_is("connections_closed_total{end=\"slow\",transport=\"websocket\"}", 1).await;
    // The stream ends when the kernel's timeout for unread bytes is over.
    world.watches(0).await;
    let mut resumed = EventStream::open(&world, &scene, None).await;
    resumed.event("resumed").await;
    resumed.event("scanned").await;
}
