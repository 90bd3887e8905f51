//! What is so however a page's events are carried to it.

use std::time::SystemTime;

use scenecast_shared::{bus::Role, config::Seconds, scene::Transition, telemetry::Metrics, testing::RedisServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::*;
use crate::world::ann;

/// A request for the scene's events, as a stream or by poll, with this key.
fn request(world: &World, scene: &Scene, suffix: &str, key: &str) -> reqwest::RequestBuilder {
    world.request(Method::GET, &format!("{}{suffix}", scene.path())).bearer_auth(key)
}

const STREAM: &str = "/events";
const POLL: &str = "?wait=30";

#[tokio::test]
async fn one_scene_may_have_watchers_of_every_kind() {
    let world = World::new().await;
    let scene = world.scene().await;
    let mut socket = world.page().await;
    socket.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut socket).await.kind, "resumed");
    let mut stream = Stream::open(&world, &scene, None).await;
    stream.event("resumed").await;
    let polling = tokio::spawn(request(&world, &scene, POLL, &scene.key).send());
    until("it waits", async || world.metric("connections_open{transport=\"poll\"}") == 1).await;
    assert_eq!(world.bus.held(), 1);

    world.settle(&scene, log_in(&scene)).await;
    let by_socket = frame(&mut socket).await;
    let by_stream = stream.event("confirmed").await;
    let polled: serde_json::Value = polling.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(by_stream.frame(), by_socket);
    assert_eq!(polled["events"][0], serde_json::from_str::<serde_json::Value>(&by_stream.data).unwrap());
    assert_eq!(world.metric("scenes_total{stage=\"handed_over\"}"), 3);
}

#[tokio::test]
async fn only_the_scenes_own_key_is_let_in() {
    let world = World::new().await;
    let now = SystemTime::now();
    let (scene, other) = (world.scene().await, world.scene().await);
    let foreign = Scene::issue_under("another deployment's", LIFE, now);
    let long_over = Scene::issue(LIFE, now - Duration::from_secs(3600));
    let forgotten = Scene::issue(LIFE, now - LIFE - Duration::from_secs(1));
    for suffix in [STREAM, POLL] {
        let keyless = world.request(Method::GET, &format!("{}{suffix}", scene.path()));
        http::problem(&http::ask(keyless).await, 401, "key_missing");
        for (scene, key, status, code) in [
            (&scene, &other.key, 403, "key_invalid"),
            (&scene, &foreign.key, 403, "key_invalid"),
            (&foreign, &foreign.key, 403, "key_invalid"),
            (&scene, &"x".repeat(10_000), 403, "key_invalid"),
            (&long_over, &long_over.key, 410, "scene_expired"),
            (&forgotten, &forgotten.key, 410, "scene_expired"),
        ] {
            http::problem(&http::ask(request(&world, scene, suffix, key)).await, status, code);
        }
    }
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn headers_of_ten_megabytes_are_cut_off_and_hurt_nobody() {
    let world = World::new().await;
    let scene = world.scene().await;
    for header in ["Authorization: Bearer ", "Last-Event-ID: ", "Origin: "] {
        let mut client = TcpStream::connect(world.address).await.unwrap();
        let head = format!("GET {}/events HTTP/1.1\r\nHost: x\r\n{header}", scene.path());
        // The gateway closes before all of it is sent, and may have its answer overtaken by that.
        let _ = client.write_all(&[head.as_bytes(), &vec![b'1'; 10 << 20]].concat()).await;
        let mut answer = vec![];
        let _ = client.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{answer:?}");
    }
    Stream::open(&world, &scene, None).await.event("resumed").await;
}

#[tokio::test]
async fn beyond_the_ceiling_streams_and_polls_are_told_to_come_back() {
    let world = World::with(Bus::memory(), Limits::new(1.try_into().unwrap())).await;
    let scene = world.scene().await;
    let mut held = Stream::open(&world, &scene, None).await;
    held.event("resumed").await;
    for suffix in [STREAM, POLL] {
        let response = request(&world, &scene, suffix, &scene.key).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"5".parse().unwrap()));
        assert_eq!(response.headers()["access-control-expose-headers"], "retry-after", "the page may read when");
    }
}

#[tokio::test]
async fn while_redis_is_away_watchers_stay_and_new_ones_are_told_to_come_back() {
    let mut redis = RedisServer::start().await;
    let bus = Bus::connect(&redis.url().parse().unwrap(), Role::Watches, &Metrics::new()).0;
    let world = World::with(bus, Limits::default()).await;
    let scene = world.scene().await;
    let mut held = Stream::open(&world, &scene, None).await;
    held.event("resumed").await;
    let mut page = world.page().await;
    page.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed");
    redis.stop().await;
    held.event("trouble").await;
    assert_eq!(frame(&mut page).await.kind, "trouble");
    for suffix in [STREAM, POLL] {
        let response = request(&world, &scene, suffix, &scene.key).send().await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"2".parse().unwrap()));
        assert_eq!(response.json::<serde_json::Value>().await.unwrap()["code"], "bus_unavailable");
    }
    let mut late = world.page().await;
    late.resume(&scene.key, 0).await.unwrap();
    let problem = frame(&mut late).await;
    assert_eq!((problem.code.as_str(), problem.retry_after), ("bus_unavailable", 2));
    let Heard::Closed(1013, reason) = hear(&mut late).await else { panic!() };
    assert!(reason.starts_with("retry_after_ms="), "{reason}");

    redis.restart().await;
    assert_eq!(held.event("resumed").await.frame().state, "open");
    assert_eq!(frame(&mut page).await.kind, "resumed");
    world.settle(&scene, log_in(&scene)).await;
    held.event("confirmed").await;
    assert_eq!(frame(&mut page).await.kind, "confirmed");
}

#[tokio::test]
async fn pages_that_never_read_are_cut_and_their_scene_can_be_resumed() {
    let world = World::with(Bus::memory(), Limits { unread: Seconds::new(3), ..Limits::default() }).await;
    let scene = world.scene().await;
    let mut socket = world.page().await;
    socket.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut socket).await.kind, "resumed");
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    let mut stream = client.connect(world.address).await.unwrap();
    let head = format!("GET {}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}", scene.path(), scene.key);
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    until("it watches", async || world.metric("connections_open{transport=\"sse\"}") == 1).await;

    // More than the kernel takes.
    let person = ann(&"x".repeat(16 << 20));
    world.settle(&scene, Transition::Scan { account: account(), person, numbers: None }).await;
    let slow = "connections_closed_total{end=\"slow\",transport=\"websocket\"}";
    until("the socket is cut", async || world.metric(slow) == 1).await;
    // The kernel gives up on it.
    until("the stream is cut", async || world.bus.held() == 0).await;
    let mut resumed = Stream::open(&world, &scene, None).await;
    resumed.event("resumed").await;
    resumed.event("scanned").await;
}
