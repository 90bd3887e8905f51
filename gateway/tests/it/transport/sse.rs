//! Server-sent events.

use std::time::Duration;

use scenecast_scene::Transition;

use crate::fixtures::{
    EventStream, GatewayWorld, ORIGIN, StreamItem, assert_problem, confirm_with_number, number, scan_with_number, send,
};

#[tokio::test]
async fn a_stream_begins_with_the_state_and_goes_on_with_the_events() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let mut stream = EventStream::open(&world, &scene, None).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("cache-control"), "no-cache, no-store, no-transform");
    assert_eq!(stream.header("x-accel-buffering"), "no");
    assert_eq!(stream.header("access-control-allow-origin"), ORIGIN);

    let resumed = stream.event("resumed").await;
    assert_eq!((resumed.id, resumed.frame().state.as_str()), (None, "open"));
    assert!((118..=120).contains(&resumed.frame().expires_in));

    world.settle(&scene, scan_with_number("Ann", number())).await;
    let scanned = stream.event("scanned").await;
    assert_eq!((scanned.id, scanned.frame().number), (Some(scanned.frame().seq), 42));
    world.settle(&scene, confirm_with_number(&scene.grant(), "Ann", number())).await;
    let confirmed = stream.event("confirmed").await;
    assert!(confirmed.id > scanned.id && confirmed.id == Some(confirmed.frame().seq));
    assert_eq!((confirmed.frame().name.as_str(), confirmed.frame().grant.len()), ("Ann", 43));
    stream.ends().await;
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn a_stream_goes_on_at_another_gateway_after_the_last_event_id() {
    let world = GatewayWorld::new().await;
    let (other, scene) = (world.neighbour().await, world.scene().await);
    let mut stream = EventStream::open(&world, &scene, None).await;
    stream.event("resumed").await;
    world.settle(&scene, scan_with_number("Ann", number())).await;
    let seen = stream.event("scanned").await.id;
    drop(stream);
    world.settle(&scene, confirm_with_number(&scene.grant(), "Ann", number())).await;

    let mut stream = EventStream::open(&other, &scene, seen).await;
    assert_eq!(stream.event("resumed").await.frame().state, "confirmed");
    stream.event("confirmed").await;
    stream.ends().await;
    let mut from_the_start = EventStream::open(&other, &scene, None).await;
    for kind in ["resumed", "scanned", "confirmed"] {
        from_the_start.event(kind).await;
    }
    from_the_start.ends().await;
}

#[tokio::test]
async fn a_stream_of_a_scene_that_is_over_says_how_it_ended() {
    let world = GatewayWorld::new().await;
    let scene = world.scene_for(Duration::from_secs(1)).await;
    let mut stream = EventStream::open(&world, &scene, None).await;
    stream.event("resumed").await;
    assert_eq!(stream.event("expired").await.id, None);
    stream.ends().await;
    let mut late = EventStream::open(&world, &scene, None).await;
    assert_eq!(late.event("resumed").await.frame().state, "expired");
    late.event("expired").await;
    late.ends().await;

    let scene = world.scene().await;
    world.settle(&scene, Transition::Cancel).await;
    let mut stream = EventStream::open(&world, &scene, None).await;
    let seen = [stream.event("resumed").await.id, stream.event("cancelled").await.id];
    stream.ends().await;
    let mut again = EventStream::open(&world, &scene, seen[1]).await;
    assert_eq!(again.event("resumed").await.frame().state, "cancelled");
    again.ends().await;
}

#[tokio::test]
async fn an_invalid_last_event_id_is_refused() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let with = |id: String| send(world.scene_request(&scene, "/events").header("last-event-id", id));
    for id in ["", "x", "-1", "1.5", "99999999999999999999", "1 2"] {
        assert_problem(&with(id.to_owned()).await, 400, "bad_request");
    }
    assert_problem(&with("1".repeat(10_000)).await, 400, "bad_request");
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn an_idle_stream_sends_heartbeats() {
    let world = GatewayWorld::new().await;
    let mut stream = EventStream::open(&world, &world.scene().await, None).await;
    stream.event("resumed").await;
    for _ in 0..2 {
        let next = stream.next_within(Duration::from_secs(6)).await;
        assert!(matches!(next, StreamItem::Heartbeat), "{next:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_page_leaves() {
    let world = GatewayWorld::new().await;
    let mut stream = EventStream::open(&world, &world.scene().await, None).await;
    stream.event("resumed").await;
    assert_eq!((world.metric("connections_open{transport=\"sse\"}"), world.reader.watched_scenes()), (1, 1));
    drop(stream);
    world.watches(0).await;
    assert_eq!(world.metric("connections_closed_total{end=\"gone\",transport=\"sse\"}"), 1);
}
