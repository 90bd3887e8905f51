//! Pages that don't come back: they are kept while there is anything to keep them for.

use std::time::Instant;

use scenecast_shared::{bus::Role, telemetry::Metrics, testing::RedisServer};

use super::*;

#[tokio::test]
async fn when_a_pod_leaves_they_are_the_last_to_go() {
    let world = world().await;
    let visitor = Visitor::default();
    let mut waiting = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    let ended = Visitor::default();
    let mut logged_in = ended.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    world.metric_is("scenes_held", 2).await;

    let began = Instant::now();
    let shutdown = world.shutdown.clone();
    let left = tokio::spawn(async move { shutdown.leave().await });
    world.shutdown.closing().await;
    world.log_in(&world.opened_by(&ended).await).await;
    assert_eq!(said(&mut logged_in).await, Said::Text("Ann".to_owned()), "it could still log in");
    assert_eq!(said(&mut waiting).await, Said::Closed(1012));
    assert!(began.elapsed() >= world.shutdown.window(), "{:?}", began.elapsed());
    left.await.unwrap();
}

#[tokio::test]
async fn they_are_told_so_while_redis_is_away_too() {
    let mut redis = RedisServer::start().await;
    let bus = Bus::connect(&redis.url().parse().unwrap(), Role::Watches, &Metrics::new()).0;
    let world = World::compatible(bus, Limits::default(), all()).await;
    redis.stop().await;
    let mut waiting = Visitor::default().connect(&world.ws("/wx/websocket/7")).await.unwrap();
    world.metric_is("connections_open{transport=\"websocket\"}", 1).await;

    let (began, shutdown) = (Instant::now(), world.shutdown.clone());
    let left = tokio::spawn(async move { shutdown.leave().await });
    assert_eq!(said(&mut waiting).await, Said::Closed(1012));
    drop(waiting);
    left.await.unwrap();
    let took = began.elapsed();
    assert!((WINDOW.duration()..WINDOW.duration() + Duration::from_secs(1)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn beyond_the_ceiling_a_socket_is_closed_without_a_word() {
    let world = World::compatible(Bus::memory(), Limits::new(1.try_into().unwrap()), all()).await;
    let visitor = Visitor::default();
    let held = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    world.metric_is("scenes_held", 1).await;
    let mut crowded = visitor.connect(&world.ws("/wx/websocket/8")).await.unwrap();
    // This page would show any text as somebody's name.
    assert_eq!(said(&mut crowded).await, Said::Closed(1013));

    let (code, ticket) = ("/login/code", "/wxLogin?ticket=t");
    for path in [code, ticket] {
        let answer = reqwest::get(world.url(path)).await.unwrap();
        assert_eq!(answer.status(), 503, "{path}");
        assert!(answer.text().await.unwrap().contains("this server has no room left"), "in the page's own envelope");
    }
    let before = Instant::now();
    let subscribed = visitor.subscribe(&world.url("/subscribe?id=1234")).await;
    assert_eq!(subscribed.map(drop), Err(reqwest::StatusCode::NO_CONTENT));
    assert!(before.elapsed() >= Duration::from_secs(3), "{:?}", before.elapsed());
    drop(held);
}
