//! Long poll.

use std::time::{Duration, Instant};

use scenecast_scene::Transition;
use serde_json::Value;

use crate::fixtures::{
    GatewayWorld, Scene, assert_problem, confirm_with_number, log_in, number, scan_with_number, send,
};

/// The answer to a poll with this query.
async fn poll(world: &GatewayWorld, scene: &Scene, query: &str) -> Value {
    let response = world.scene_request(scene, &format!("?{query}")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

fn kinds(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn any_gateway_answers_at_once_with_events_that_have_happened() {
    let world = GatewayWorld::new().await;
    let (other, scene) = (world.neighbour().await, world.scene().await);
    world.settle(&scene, scan_with_number("Ann", number())).await;
    let scanned = poll(&world, &scene, "").await;
    assert_eq!((scanned["scene"].as_str(), scanned["state"].as_str()), (Some(&*scene.id.to_string()), Some("scanned")));
    assert_eq!((kinds(&scanned), scanned["events"][0]["number"].as_u64()), (vec!["scanned"], Some(42)));
    assert!((118..=120).contains(&scanned["expires_in"].as_u64().unwrap()), "{scanned}");

    world.settle(&scene, confirm_with_number(&scene.grant(), "Ann", number())).await;
    let confirmed = poll(&other, &scene, &format!("after={}", scanned["events"][0]["seq"])).await;
    assert_eq!((kinds(&confirmed), confirmed["state"].as_str()), (vec!["confirmed"], Some("confirmed")));
    assert_eq!(confirmed["events"][0]["grant"].as_str().unwrap().len(), 43);
    assert_eq!(kinds(&poll(&other, &scene, "after=0").await), ["scanned", "confirmed"]);

    let seen = &confirmed["events"][0]["seq"];
    let over = poll(&other, &scene, &format!("after={seen}&wait=30")).await;
    assert_eq!((kinds(&over).len(), over["state"].as_str()), (0, Some("confirmed")), "the answer comes at once");
    assert_eq!(world.reader.watched_scenes(), 0);
}

#[tokio::test]
async fn a_poll_waits_for_the_next_event() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let polling = poll(&world, &scene, "wait=30");
    let settling = async {
        world.metric_is("connections_open{transport=\"poll\"}", 1).await;
        world.settle(&scene, log_in(&scene.grant(), "Ann")).await;
    };
    let (answer, ()) = tokio::join!(polling, settling);
    assert_eq!((kinds(&answer), answer["state"].as_str()), (vec!["confirmed"], Some("confirmed")));
    assert_eq!(answer["expires_in"], Value::Null, "what is left is the life of the grant, not of the scene");
}

#[tokio::test]
async fn without_an_event_the_answer_comes_when_the_wait_is_over() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    for (wait, seconds) in [("0", 0), ("1", 1)] {
        let since = Instant::now();
        let answer = poll(&world, &scene, &format!("after=0&wait={wait}")).await;
        assert_eq!((kinds(&answer).len(), answer["state"].as_str()), (0, Some("open")));
        assert!((seconds..=seconds + 1).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    }
    assert_eq!(world.metric("connections_closed_total{end=\"answered\",transport=\"poll\"}"), 2);
    assert_eq!(world.metric("connections_opened_total{transport=\"poll\"}"), 2);
}

#[tokio::test]
async fn a_poll_is_answered_when_its_scene_ends() {
    let world = GatewayWorld::new().await;
    let scene = world.scene_for(Duration::from_secs(1)).await;
    let answer = poll(&world, &scene, "wait=30").await;
    assert_eq!((kinds(&answer).len(), answer["state"].as_str()), (0, Some("expired")));

    let scene = world.scene().await;
    world.settle(&scene, Transition::Cancel).await;
    let answer = poll(&world, &scene, "wait=30").await;
    assert_eq!((kinds(&answer), answer["state"].as_str()), (vec!["cancelled"], Some("cancelled")));
}

#[tokio::test]
async fn invalid_parameters_are_refused() {
    let world = GatewayWorld::new().await;
    let scene = world.scene().await;
    let huge = format!("after={}", "9".repeat(10_000));
    for query in [
        "after=-1",
        "after=x",
        "after=",
        "after=1.5",
        "after=99999999999999999999",
        "wait=31",
        "wait=-1",
        "wait=0.5",
        "wait=",
        "wait=1&wait=2",
        "key=secret",
        "after=%ff",
        &huge,
    ] {
        let request = world.scene_request(&scene, &format!("?{query}"));
        assert_problem(&send(request).await, 400, "bad_request");
    }
    assert_eq!(world.reader.watched_scenes(), 0);
}
