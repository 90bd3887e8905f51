//! A gateway that shuts down while pages wait.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use scenecast_scene::Transition;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::fixtures::{
    DRAIN_WINDOW, EventStream, GatewayWorld, ORIGIN, close_code, confirm_with_number, frame, number,
    reconnect_delay_ms, scan_with_number,
};

#[tokio::test]
async fn closes_are_spread_evenly_and_each_has_its_own_delay() {
    const PAGES: usize = 200;
    let world = GatewayWorld::new().await;
    let scenes = join_all((0..PAGES).map(|_| world.scene())).await;
    let pages = join_all(scenes.iter().map(|scene| world.page_of(scene))).await;

    let (began, shutdown) = world.start_shutdown();
    let closes = join_all(pages.into_iter().map(async |mut page| {
        let delay = reconnect_delay_ms(&mut page, 1012).await;
        (began.elapsed(), delay)
    }));
    let closes = closes.await;
    shutdown.await.unwrap();
    for fifth in 1..=5_u32 {
        let until = DRAIN_WINDOW.duration() * fifth / 5;
        let closed = closes.iter().filter(|(at, _)| *at <= until + Duration::from_millis(100)).count();
        let share = PAGES / 5 * usize::try_from(fifth).unwrap();
        assert!(
            (share.saturating_sub(40)..share + 13).contains(&closed),
            "{closed} instead of {share} after {until:?}"
        );
    }
    let delays: BTreeSet<u64> = closes.iter().map(|(_, delay)| *delay).collect();
    assert!(delays.len() > PAGES / 2 && delays.last() < Some(&1000), "{delays:?}");
    let restarts = "connections_closed_total{end=\"restart\",transport=\"websocket\"}";
    assert_eq!(world.metric(restarts), PAGES as u64);
}

#[tokio::test]
async fn a_scanned_page_goes_last_and_a_page_whose_scene_ends_is_closed_normally() {
    let world = GatewayWorld::new().await;
    let (busy, over) = (world.scene().await, world.scene().await);
    let idle = join_all((0..8).map(async |_| world.page_of(&world.scene().await).await)).await;
    let mut scanned = world.page_of(&busy).await;
    let mut cancelled = world.page_of(&over).await;

    let (began, shutdown) = world.start_shutdown();
    world.shutdown.closing().await;
    world.settle(&busy, scan_with_number("Ann", number())).await;
    world.settle(&over, Transition::Cancel).await;
    assert_eq!(frame(&mut scanned).await.kind, "scanned");
    assert_eq!(frame(&mut cancelled).await.kind, "cancelled");
    assert_eq!(close_code(&mut cancelled).await, 1000);
    for mut page in idle {
        reconnect_delay_ms(&mut page, 1012).await;
    }
    assert!(began.elapsed() < DRAIN_WINDOW.duration(), "{:?}", began.elapsed());
    reconnect_delay_ms(&mut scanned, 1012).await;
    assert!(began.elapsed() >= DRAIN_WINDOW.duration(), "{:?}", began.elapsed());
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_page_that_has_just_connected_gets_its_scene_before_it_is_drained() {
    let world = GatewayWorld::new().await;
    let mut page = world.page().await;
    let (_, shutdown) = world.start_shutdown();
    world.shutdown.closing().await;
    page.resume(&world.scene().await.key, 0).await.unwrap();
    assert_eq!(frame(&mut page).await.kind, "resumed");
    reconnect_delay_ms(&mut page, 1012).await;
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_scanned_page_goes_after_pages_that_came_later() {
    let world = GatewayWorld::new().await;
    let busy = world.scene().await;
    let mut scanned = world.page_of(&busy).await;
    world.settle(&busy, scan_with_number("Ann", number())).await;
    assert_eq!(frame(&mut scanned).await.kind, "scanned");
    let later = join_all((0..5).map(async |_| world.page_of(&world.scene().await).await)).await;

    let (began, shutdown) = world.start_shutdown();
    let leave = async |mut page| {
        reconnect_delay_ms(&mut page, 1012).await;
        began.elapsed()
    };
    let (scanned_left, later_left) = join(leave(scanned), join_all(later.into_iter().map(leave))).await;
    assert!(later_left.iter().all(|left| *left < scanned_left), "{scanned_left:?}, the others: {later_left:?}");
    shutdown.await.unwrap();
}

#[tokio::test]
async fn a_page_that_comes_back_after_the_window_is_told_what_it_missed_before_it_is_drained() {
    let world = GatewayWorld::new().await;
    let busy = world.scene().await;
    world.settle(&busy, scan_with_number("Ann", number())).await;
    let mut socket = world.page().await;
    let mut polling = TcpStream::connect(world.address).await.unwrap();
    let line = format!("GET {}?after=0&wait=30 HTTP/1.1\r\n", busy.path());
    polling.write_all(line.as_bytes()).await.unwrap();
    // Connections are accepted in order. So the gateway has accepted the one above when this page is there.
    let mut last = world.page_of(&world.scene().await).await;

    let (_, shutdown) = world.start_shutdown();
    reconnect_delay_ms(&mut last, 1012).await;
    socket.resume(&busy.key, 0).await.unwrap();
    assert_eq!(frame(&mut socket).await.kind, "resumed");
    assert_eq!(frame(&mut socket).await.kind, "scanned");
    reconnect_delay_ms(&mut socket, 1012).await;
    let headers = format!("Host: {}\r\nOrigin: {ORIGIN}\r\nAuthorization: Bearer {}\r\n\r\n", world.address, busy.key);
    polling.write_all(headers.as_bytes()).await.unwrap();
    let mut answer = String::new();
    polling.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(r#""events":[{"type":"scanned""#), "{answer}");
    shutdown.await.unwrap();
}

#[tokio::test]
async fn streams_are_told_to_reconnect_and_scanned_ones_last() {
    let world = GatewayWorld::new().await;
    let (scene, busy) = (world.scene().await, world.scene().await);
    let mut scanned = EventStream::open(&world, &busy, None).await;
    scanned.event("resumed").await;
    world.settle(&busy, scan_with_number("Ann", number())).await;
    let seen = scanned.event("scanned").await.id;
    let mut idle = vec![];
    for _ in 0..5 {
        let mut stream = EventStream::open(&world, &scene, None).await;
        stream.event("resumed").await;
        idle.push(stream);
    }

    let (began, shutdown) = world.start_shutdown();
    for mut stream in idle {
        let restart = stream.event("restart").await;
        assert!(restart.retry.unwrap() < 1000, "{restart:?}");
        assert_eq!((restart.id, restart.retry), (None, Some(restart.frame().retry_after_ms)));
        stream.ends().await;
    }
    scanned.event("restart").await;
    assert!(began.elapsed() >= DRAIN_WINDOW.duration().mul_f32(0.8), "{:?}", began.elapsed());
    shutdown.await.unwrap();
    assert!(
        began.elapsed() < DRAIN_WINDOW.duration() + Duration::from_secs(1),
        "all pages are gone: {:?}",
        began.elapsed()
    );

    let other = world.neighbour().await;
    let mut scanned = EventStream::open(&other, &busy, seen).await;
    assert_eq!(scanned.event("resumed").await.frame().state, "scanned");
    world.settle(&busy, confirm_with_number(&busy.grant(), "Ann", number())).await;
    scanned.event("confirmed").await;
}

#[tokio::test]
async fn a_waiting_poll_is_answered_within_the_window() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let polling = tokio::spawn(world.scene_request(&scene, "?wait=30").send());
    world.watches(1).await;

    let began = Instant::now();
    world.shutdown.shut_down().await;
    assert!(
        began.elapsed() < DRAIN_WINDOW.duration() + Duration::from_secs(1),
        "all pages are gone: {:?}",
        began.elapsed()
    );
    let answer = polling.await.unwrap().unwrap();
    assert_eq!(answer.headers()["connection"], "close");
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((answer["state"].as_str(), answer["events"].as_array().unwrap().len()), (Some("open"), 0));
    assert!(answer["retry_after_ms"].as_u64().unwrap() < 1000, "{answer}");
}
