//! A scene's events one answer at a time.

use std::time::Instant;

use scenecast_shared::scene::Transition;
use serde_json::Value;

use super::*;

/// What a poll with this query is answered.
async fn poll(world: &World, scene: &Scene, query: &str) -> Value {
    let request = world.request(Method::GET, &format!("{}?{query}", scene.path())).bearer_auth(&scene.key);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.json().await.unwrap()
}

fn kinds(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_has_happened_is_answered_at_once_by_any_gateway() {
    let world = World::new().await;
    let (other, scene) = (world.neighbour().await, world.scene().await);
    world.settle(&scene, scan(number())).await;
    let scanned = poll(&world, &scene, "").await;
    assert_eq!((scanned["scene"].as_str(), scanned["state"].as_str()), (Some(&*scene.id.to_string()), Some("scanned")));
    assert_eq!((kinds(&scanned), scanned["events"][0]["number"].as_u64()), (vec!["scanned"], Some(42)));
    assert!((118..=120).contains(&scanned["expires_in"].as_u64().unwrap()), "{scanned}");

    world.settle(&scene, confirm(&scene, number())).await;
    let confirmed = poll(&other, &scene, &format!("after={}", scanned["events"][0]["seq"])).await;
    assert_eq!((kinds(&confirmed), confirmed["state"].as_str()), (vec!["confirmed"], Some("confirmed")));
    assert_eq!(confirmed["events"][0]["grant"].as_str().unwrap().len(), 43);
    assert_eq!(kinds(&poll(&other, &scene, "after=0").await), ["scanned", "confirmed"]);

    let seen = &confirmed["events"][0]["seq"];
    let over = poll(&other, &scene, &format!("after={seen}&wait=30")).await;
    assert_eq!((kinds(&over).len(), over["state"].as_str()), (0, Some("confirmed")), "nothing more is waited for");
    assert_eq!(world.bus.held(), 0);
}

#[tokio::test]
async fn what_has_yet_to_happen_is_waited_for() {
    let world = World::new().await;
    let scene = world.scene().await;
    let polling = poll(&world, &scene, "wait=30");
    let settling = async {
        until("it waits", async || world.metric("connections_open{transport=\"poll\"}") == 1).await;
        world.settle(&scene, log_in(&scene)).await;
    };
    let (answer, ()) = tokio::join!(polling, settling);
    assert_eq!((kinds(&answer), answer["state"].as_str()), (vec!["confirmed"], Some("confirmed")));
    assert_eq!(answer["expires_in"], Value::Null, "a grant's time isn't the scene's");
}

#[tokio::test]
async fn where_nothing_happens_the_state_is_answered_in_time() {
    let world = World::new().await;
    let scene = world.scene().await;
    for (wait, seconds) in [("0", 0), ("1", 1)] {
        let since = Instant::now();
        let answer = poll(&world, &scene, &format!("after=0&wait={wait}")).await;
        assert_eq!((kinds(&answer).len(), answer["state"].as_str()), (0, Some("open")));
        assert!((seconds..=seconds + 1).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    }
    assert_eq!(world.metric("connections_closed_total{end=\"answered\",transport=\"poll\"}"), 2);
}

#[tokio::test]
async fn a_scene_that_ends_meanwhile_is_answered_so() {
    let world = World::new().await;
    let scene = world.scene_for(Duration::from_secs(1)).await;
    let answer = poll(&world, &scene, "wait=30").await;
    assert_eq!((kinds(&answer).len(), answer["state"].as_str()), (0, Some("expired")));

    let scene = world.scene().await;
    world.settle(&scene, Transition::Cancel).await;
    let answer = poll(&world, &scene, "wait=30").await;
    assert_eq!((kinds(&answer), answer["state"].as_str()), (vec!["cancelled"], Some("cancelled")));
}

#[tokio::test]
async fn numbers_that_are_none_are_refused() {
    let world = World::new().await;
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
        let request = world.request(Method::GET, &format!("{}?{query}", scene.path())).bearer_auth(&scene.key);
        http::problem(&http::ask(request).await, 400, "bad_request");
    }
    assert_eq!(world.bus.held(), 0);
}
