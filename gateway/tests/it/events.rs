//! A scene's events as a stream.

use scenecast_shared::scene::Transition;

use super::*;

#[tokio::test]
async fn a_page_is_told_where_its_scene_stands_and_then_what_happens_to_it() {
    let world = World::new().await;
    let scene = world.scene().await;
    let mut stream = Stream::open(&world, &scene, None).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("cache-control"), "no-store");
    assert_eq!(stream.header("x-accel-buffering"), "no");
    assert_eq!(stream.header("access-control-allow-origin"), ORIGIN);

    let resumed = stream.event("resumed").await;
    assert_eq!((resumed.id, resumed.frame().state.as_str()), (None, "open"));
    assert!((118..=120).contains(&resumed.frame().expires_in));

    world.settle(&scene, scan(number())).await;
    let scanned = stream.event("scanned").await;
    assert_eq!((scanned.id, scanned.frame().number), (Some(scanned.frame().seq), 42));
    world.settle(&scene, confirm(&scene, number())).await;
    let confirmed = stream.event("confirmed").await;
    assert!(confirmed.id > scanned.id && confirmed.id == Some(confirmed.frame().seq));
    assert_eq!((confirmed.frame().name.as_str(), confirmed.frame().grant.len()), ("Ann", 43));
    stream.ends().await;
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn a_stream_goes_on_at_another_gateway_after_the_last_event_that_was_seen() {
    let world = World::new().await;
    let (other, scene) = (world.neighbour().await, world.scene().await);
    let mut stream = Stream::open(&world, &scene, None).await;
    stream.event("resumed").await;
    world.settle(&scene, scan(number())).await;
    let seen = stream.event("scanned").await.id;
    drop(stream);
    world.settle(&scene, confirm(&scene, number())).await;

    let mut stream = Stream::open(&other, &scene, seen).await;
    assert_eq!(stream.event("resumed").await.frame().state, "confirmed");
    stream.event("confirmed").await;
    stream.ends().await;
    let mut from_the_start = Stream::open(&other, &scene, None).await;
    for kind in ["resumed", "scanned", "confirmed"] {
        from_the_start.event(kind).await;
    }
    from_the_start.ends().await;
}

#[tokio::test]
async fn a_page_whose_scene_is_over_is_told_how() {
    let world = World::new().await;
    let scene = world.scene_for(Duration::from_secs(1)).await;
    let mut stream = Stream::open(&world, &scene, None).await;
    stream.event("resumed").await;
    assert_eq!(stream.event("expired").await.id, None);
    stream.ends().await;
    let mut late = Stream::open(&world, &scene, None).await;
    assert_eq!(late.event("resumed").await.frame().state, "expired");
    late.event("expired").await;
    late.ends().await;

    let scene = world.scene().await;
    world.settle(&scene, Transition::Cancel).await;
    let mut stream = Stream::open(&world, &scene, None).await;
    let seen = [stream.event("resumed").await.id, stream.event("cancelled").await.id];
    stream.ends().await;
    let mut again = Stream::open(&world, &scene, seen[1]).await;
    assert_eq!(again.event("resumed").await.frame().state, "cancelled");
    again.ends().await;
}

#[tokio::test]
async fn a_last_event_id_that_is_none_is_refused() {
    let world = World::new().await;
    let scene = world.scene().await;
    let with = |id: String| {
        let events = world.request(Method::GET, &format!("{}/events", scene.path())).bearer_auth(&scene.key);
        http::ask(events.header("last-event-id", id))
    };
    for id in ["", "x", "-1", "1.5", "99999999999999999999", "1 2"] {
        http::problem(&with(id.to_owned()).await, 400, "bad_request");
    }
    http::problem(&with("1".repeat(10_000)).await, 400, "bad_request");
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn an_idle_stream_shows_that_it_is_alive() {
    let world = World::new().await;
    let mut stream = Stream::open(&world, &world.scene().await, None).await;
    stream.event("resumed").await;
    let next = stream.next_within(Duration::from_secs(26)).await;
    assert!(matches!(next, Next::Heartbeat), "{next:?}");
}

#[tokio::test]
async fn a_page_that_leaves_is_let_go_of() {
    let world = World::new().await;
    let mut stream = Stream::open(&world, &world.scene().await, None).await;
    stream.event("resumed").await;
    assert_eq!((world.metric("connections_open{transport=\"sse\"}"), world.bus.held()), (1, 1));
    drop(stream);
    until("it is let go of", async || world.bus.held() == 0).await;
    assert_eq!(world.metric("connections_closed_total{end=\"gone\",transport=\"sse\"}"), 1);
}
