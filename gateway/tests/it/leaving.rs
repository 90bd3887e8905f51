//! A gateway that leaves while pages wait.

use std::{collections::BTreeSet, time::Instant};

use futures_util::future::join_all;
use scenecast_shared::scene::Transition;

use super::*;

/// A page that shows this scene on a socket.
async fn showing(world: &World, scene: &Scene) -> Page {
    let mut page = world.page().await;
    page.resume(&scene.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed");
    page
}

/// Leaves, and answers at once.
fn leave(world: &World) -> (Instant, tokio::task::JoinHandle<()>) {
    let shutdown = world.shutdown.clone();
    (Instant::now(), tokio::spawn(async move { shutdown.leave().await }))
}

/// The delay in ms with which a page is sent elsewhere.
async fn elsewhere(page: &mut Page) -> u64 {
    match hear(page).await {
        Heard::Closed(1012, reason) => reason.strip_prefix("retry_after_ms=").unwrap().parse().unwrap(),
        other => panic!("instead of a restart: {other:?}"),
    }
}

#[tokio::test]
async fn closes_are_spread_evenly_and_each_has_its_own_delay() {
    const PAGES: usize = 200;
    let world = World::new().await;
    let scenes = join_all((0..PAGES).map(|_| world.scene())).await;
    let pages = join_all(scenes.iter().map(|scene| showing(&world, scene))).await;

    let (since, leaving) = leave(&world);
    let closes = join_all(pages.into_iter().map(async |mut page| {
        let delay = elsewhere(&mut page).await;
        (since.elapsed(), delay)
    }));
    let closes = closes.await;
    leaving.await.unwrap();
    for fifth in 1..=5_u32 {
        let until = WINDOW.duration() * fifth / 5;
        let gone = closes.iter().filter(|(at, _)| *at <= until + Duration::from_millis(100)).count();
        let share = PAGES / 5 * usize::try_from(fifth).unwrap();
        assert!((share.saturating_sub(40)..share + 13).contains(&gone), "{gone} instead of {share} after {until:?}");
    }
    let delays: BTreeSet<u64> = closes.iter().map(|(_, delay)| *delay).collect();
    assert!(delays.len() > PAGES / 2 && delays.last() < Some(&1000), "{delays:?}");
    let restarts = "connections_closed_total{end=\"restart\",transport=\"websocket\"}";
    assert_eq!(world.metric(restarts), PAGES as u64);
}

#[tokio::test]
async fn a_page_that_is_scanned_before_its_turn_goes_last_and_one_whose_scene_ends_just_ends() {
    let world = World::new().await;
    let (busy, over) = (world.scene().await, world.scene().await);
    let idle = join_all((0..8).map(async |_| showing(&world, &world.scene().await).await)).await;
    let (mut scanned, mut given_up) = (showing(&world, &busy).await, showing(&world, &over).await);

    let (since, leaving) = leave(&world);
    world.shutdown.closing().await;
    world.settle(&busy, scan(number())).await;
    world.settle(&over, Transition::Cancel).await;
    assert_eq!(frame(&mut scanned).await.kind, "scanned");
    assert_eq!(frame(&mut given_up).await.kind, "cancelled");
    assert_eq!(close_code(&mut given_up).await, 1000);
    for mut page in idle {
        elsewhere(&mut page).await;
    }
    assert!(since.elapsed() < WINDOW.duration(), "{:?}", since.elapsed());
    elsewhere(&mut scanned).await;
    assert!(since.elapsed() >= WINDOW.duration(), "{:?}", since.elapsed());
    leaving.await.unwrap();
}

#[tokio::test]
async fn a_page_that_has_just_connected_gets_its_scene_and_its_turn() {
    let world = World::new().await;
    let mut page = world.page().await;
    let (_, leaving) = leave(&world);
    world.shutdown.closing().await;
    page.resume(&world.scene().await.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed");
    elsewhere(&mut page).await;
    leaving.await.unwrap();
}

#[tokio::test]
async fn streams_are_told_to_go_on_elsewhere_scanned_ones_last() {
    let world = World::new().await;
    let (scene, busy) = (world.scene().await, world.scene().await);
    let mut scanned = Stream::open(&world, &busy, None).await;
    scanned.event("resumed").await;
    world.settle(&busy, scan(number())).await;
    let seen = scanned.event("scanned").await.id;
    let mut idle = vec![];
    for _ in 0..5 {
        let mut stream = Stream::open(&world, &scene, None).await;
        stream.event("resumed").await;
        idle.push(stream);
    }

    let (since, leaving) = leave(&world);
    for mut stream in idle {
        let restart = stream.event("restart").await;
        assert!(restart.retry.unwrap() < 1000, "{restart:?}");
        assert_eq!((restart.id, restart.retry), (None, Some(restart.frame().retry_after_ms)));
        stream.ends().await;
    }
    scanned.event("restart").await;
    assert!(since.elapsed() >= WINDOW.duration().mul_f32(0.8), "{:?}", since.elapsed());
    leaving.await.unwrap();
    assert!(since.elapsed() < WINDOW.duration() + Duration::from_secs(1), "nothing is left: {:?}", since.elapsed());

    let other = world.neighbour().await;
    let mut scanned = Stream::open(&other, &busy, seen).await;
    assert_eq!(scanned.event("resumed").await.frame().state, "scanned");
    world.settle(&busy, confirm(&busy, number())).await;
    scanned.event("confirmed").await;
}

#[tokio::test]
async fn a_poll_that_waits_is_answered_within_the_window() {
    let world = World::new().await;
    let scene = world.scene().await;
    let poll = world.request(Method::GET, &format!("{}?wait=30", scene.path())).bearer_auth(&scene.key).send();
    let polling = tokio::spawn(poll);
    until("it waits", async || world.bus.held() == 1).await;

    let since = Instant::now();
    world.shutdown.leave().await;
    assert!(since.elapsed() < WINDOW.duration() + Duration::from_secs(1), "nothing is left: {:?}", since.elapsed());
    let answer = polling.await.unwrap().unwrap();
    assert_eq!(answer.headers()["connection"], "close");
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((answer["state"].as_str(), answer["events"].as_array().unwrap().len()), (Some("open"), 0));
    assert!(answer["retry_after_ms"].as_u64().unwrap() < 1000, "{answer}");
}
