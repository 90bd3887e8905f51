//! Pages that don't come back: they are kept while there is anything to keep them for.

use std::time::Instant;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use scenecast_shared::{bus::Role, telemetry::Metrics, testing::RedisServer};
use sha2::{Digest, Sha256};

use super::*;
use crate::world::STAY;

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
    assert!(began.elapsed() >= STAY, "{:?}", began.elapsed());
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
    assert!((STAY..STAY + Duration::from_secs(1)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn whoever_is_left_at_their_limit_goes_one_by_one() {
    const PAGES: u32 = 10;
    let world = world().await;
    let mut waiting = vec![];
    for id in 0..PAGES {
        waiting.push(Visitor::default().connect(&world.ws(&format!("/wx/websocket/{id}"))).await.unwrap());
    }
    world.metric_is("scenes_held", PAGES.into()).await;
    let (began, shutdown) = (Instant::now(), world.shutdown.clone());
    let left = tokio::spawn(async move { shutdown.leave().await });
    for (n, mut socket) in (1..).zip(waiting) {
        assert_eq!(said(&mut socket).await, Said::Closed(1012));
        let turn = STAY.saturating_sub(WINDOW.duration() * (PAGES - n) / PAGES);
        let at = began.elapsed();
        assert!((turn..turn + Duration::from_secs(1)).contains(&at), "page {n} at {at:?} instead of {turn:?}");
    }
    left.await.unwrap();
}

#[tokio::test]
async fn a_page_that_waits_for_its_qr_code_stays_as_long_as_those_that_have_one() {
    let world = world().await;
    let waiting = Visitor::default().connect(&format!("ws://{}/", world.on_open.unwrap())).await;
    world.metric_is("connections_open{transport=\"websocket\"}", 1).await;
    let (began, shutdown) = (Instant::now(), world.shutdown.clone());
    let left = tokio::spawn(async move { shutdown.leave().await });
    assert_eq!(said(&mut waiting.unwrap()).await, Said::Closed(1012));
    assert!((STAY..STAY + Duration::from_secs(1)).contains(&began.elapsed()), "{:?}", began.elapsed());
    left.await.unwrap();
}

#[tokio::test]
async fn a_page_whose_code_is_over_gets_its_next_one_elsewhere() {
    let world = world().await;
    let scene = world.scene_for(Duration::from_secs(300)).await;
    let digest = Sha256::new().chain_update("typed_code").chain_update([0]).finalize();
    let name = format!("scenecast.typed_code.{}", URL_SAFE_NO_PAD.encode(&digest[..16]));
    let visitor = Visitor::with_cookie(&name, &format!("{}.48201937", scene.key));
    let mut events = visitor.subscribe(&world.url("/subscribe?id=48201937")).await.unwrap();
    assert!(events.next().await.unwrap().retry.is_some());
    world.metric_is("scenes_held", 1).await;

    let (began, shutdown) = (Instant::now(), world.shutdown.clone());
    let left = tokio::spawn(async move { shutdown.leave().await });
    world.shutdown.closing().await;
    world.settle(&scene, Transition::Cancel).await;
    assert_eq!(events.next().await, None, "and no new code of a pod that leaves");
    left.await.unwrap();
    assert!(began.elapsed() < WINDOW.duration(), "{:?}", began.elapsed());
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
