//! A gateway that leaves while pages wait.

use std::time::Instant;

use super::*;

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

    let (since, shutdown) = (Instant::now(), world.shutdown.clone());
    let leaving = tokio::spawn(async move { shutdown.leave().await });
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
    let answer: serde_json::Value = polling.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!((answer["state"].as_str(), answer["events"].as_array().unwrap().len()), (Some("open"), 0));
}
