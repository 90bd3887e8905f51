//! Pages that don't reconnect stay for as long as they can while a gateway drains.

use std::time::{Duration, Instant};

use scenecast_browsers::cookie_browser::{CookieBrowser, SocketMessage};
use scenecast_scene::Transition;
use scenecast_testing::RedisServer;

use super::{cookie_name, next};
use crate::fixtures::{COMPATIBLE_DRAIN, DRAIN_WINDOW, GatewayWorld};

/// The drain of compatible routes has to be over since less than a second.
#[track_caller]
fn assert_leaves_last(began: Instant) {
    let elapsed = began.elapsed();
    let expected = COMPATIBLE_DRAIN.duration()..COMPATIBLE_DRAIN.duration() + Duration::from_secs(1);
    assert!(expected.contains(&elapsed), "{elapsed:?}");
}

#[tokio::test]
async fn when_a_gateway_drains_they_go_last() {
    let world = GatewayWorld::compatible().await;
    let visitor = CookieBrowser::default();
    let mut waiting = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    let confirmed = CookieBrowser::default();
    let mut logged_in = confirmed.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    world.metric_is("scenes_held", 2).await;

    let (began, shutdown) = world.start_shutdown();
    world.shutdown.closing().await;
    world.log_ann_in(&world.open_scene_of(&confirmed).await).await;
    assert_eq!(next(&mut logged_in).await, SocketMessage::Text("Ann".to_owned()), "it could still log in");
    assert_eq!(next(&mut waiting).await, SocketMessage::Closed(1012));
    assert!(began.elapsed() >= COMPATIBLE_DRAIN.duration(), "{:?}", began.elapsed());
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_closes_compatible_pages_while_redis_is_away_too() {
    let mut redis = RedisServer::start().await;
    let world = GatewayWorld::compatible_over_redis(&redis).await;
    redis.stop().await;
    let mut waiting = CookieBrowser::default().connect(&world.ws("/wx/websocket/7")).await.unwrap();
    world.metric_is("connections_open{transport=\"websocket\"}", 1).await;

    let (began, shutdown) = world.start_shutdown();
    assert_eq!(next(&mut waiting).await, SocketMessage::Closed(1012));
    drop(waiting);
    shutdown.await.unwrap();
    assert_leaves_last(began);
}

#[tokio::test]
async fn pages_that_are_left_at_the_end_go_one_by_one() {
    const PAGES: u32 = 10;
    let world = GatewayWorld::compatible().await;
    let mut waiting = vec![];
    for id in 0..PAGES {
        waiting.push(CookieBrowser::default().connect(&world.ws(&format!("/wx/websocket/{id}"))).await.unwrap());
    }
    world.metric_is("scenes_held", PAGES.into()).await;
    let (began, shutdown) = world.start_shutdown();
    for (n, mut socket) in (1..).zip(waiting) {
        assert_eq!(next(&mut socket).await, SocketMessage::Closed(1012));
        let due = COMPATIBLE_DRAIN.duration().saturating_sub(DRAIN_WINDOW.duration() * (PAGES - n) / PAGES);
        let at = began.elapsed();
        assert!((due..due + Duration::from_secs(1)).contains(&at), "page {n} at {at:?} instead of {due:?}");
    }
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_page_that_waits_for_its_qr_code_stays_as_long_as_others() {
    let world = GatewayWorld::compatible().await;
    let waiting = CookieBrowser::default().connect(&format!("ws://{}/", world.qr_on_open.unwrap())).await;
    world.metric_is("connections_open{transport=\"websocket\"}", 1).await;
    let (began, shutdown) = world.start_shutdown();
    assert_eq!(next(&mut waiting.unwrap()).await, SocketMessage::Closed(1012));
    assert_leaves_last(began);
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_page_whose_code_expires_gets_no_new_one_from_a_draining_gateway() {
    let world = GatewayWorld::compatible().await;
    let scene = world.compatible_scene_for(Duration::from_secs(300)).await;
    let visitor = CookieBrowser::with_cookie(&cookie_name("typed_code", ""), &format!("{}.48201937", scene.key));
    let mut events = visitor.subscribe(&world.url("/subscribe?id=48201937")).await.unwrap();
    assert!(events.next().await.unwrap().retry.is_some());
    world.metric_is("scenes_held", 1).await;

    let (began, shutdown) = world.start_shutdown();
    world.shutdown.closing().await;
    world.settle(&scene, Transition::Cancel).await;
    assert_eq!(events.next().await, None, "the stream ends without a new code");
    shutdown.await.unwrap();
    assert!(began.elapsed() < DRAIN_WINDOW.duration(), "{:?}", began.elapsed());
}

#[tokio::test]
async fn beyond_the_connection_limit_a_socket_is_closed_without_a_message() {
    let world = GatewayWorld::compatible_with_one_connection().await;
    let visitor = CookieBrowser::default();
    let held = visitor.connect(&world.ws("/wx/websocket/7")).await.unwrap();
    world.metric_is("scenes_held", 1).await;
    let mut refused = visitor.connect(&world.ws("/wx/websocket/8")).await.unwrap();
    // This page would show any text as a person's name.
    assert_eq!(next(&mut refused).await, SocketMessage::Closed(1013));

    for path in ["/login/code", "/wxLogin?ticket=t"] {
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
