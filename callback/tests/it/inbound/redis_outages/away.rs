//! Redis is away or slow: WeChat is answered when the result is known, and not before.

use std::time::{Duration, Instant};

use scenecast_simulator::CallbackAnswer;

use crate::world::{CallbackWorld, event_at, reply, signed, text_at, unix_now};

#[tokio::test]
async fn while_redis_is_away_wechat_gets_no_answer_and_the_redelivery_logs_in() {
    let mut world = CallbackWorld::over_redis().await;
    let (scene, qr_url) = world.open().await;
    let mut attempts = world.simulator.attempts();
    world.redis.as_mut().unwrap().stop().await;
    let simulator = world.simulator.clone();
    let scanning = tokio::spawn(async move { simulator.scan(&crate::world::person("bo"), &qr_url).await.unwrap() });
    let first = attempts.recv().await.unwrap();
    assert_eq!(first.answer, CallbackAnswer::Late, "WeChat hung up first");
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"undecided\"}"), 1);
    world.redis.as_mut().unwrap().restart().await;
    let outcome = scanning.await.unwrap();
    assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
    assert_eq!(outcome.attempts.len(), 2);
    assert_eq!(world.events(scene).await.len(), 1);
}

#[tokio::test]
async fn a_short_pause_of_redis_is_waited_out() {
    let world = CallbackWorld::over_redis().await;
    let (scene, qr_url) = world.open().await;
    world.redis.as_ref().unwrap().pause();
    let scanning = world.scan("bo", &qr_url);
    let resuming = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.redis.as_ref().unwrap().resume();
    };
    let (outcome, ()) = tokio::join!(scanning, resuming);
    assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
    assert_eq!(outcome.attempts.len(), 1);
    assert_eq!(world.events(scene).await.len(), 1);
}

#[tokio::test]
async fn no_answer_means_that_the_connection_closes_without_a_byte() {
    let mut world = CallbackWorld::over_redis().await;
    world.redis.as_mut().unwrap().stop().await;
    let started = Instant::now();
    let sent = unix_now().as_secs();
    let silence = world.delivery("demo", &signed(), event_at(sent, "SCAN", "AAAAAAAAAAAAAAAAAAAAAA")).send().await;
    assert!(silence.is_err(), "{silence:?}");
    assert!(started.elapsed() > Duration::from_secs(5), "WeChat has hung up by now");
    assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"undecided\"}"), 1);
}

#[tokio::test]
async fn the_last_delivery_asks_to_scan_again_within_wechats_time() {
    let mut world = CallbackWorld::over_redis().await;
    world.redis.as_mut().unwrap().stop().await;
    let sent = unix_now().as_secs() - 10;
    let answered = async |event, key| {
        let request = world.delivery("demo", &signed(), event_at(sent, event, key));
        request.timeout(Duration::from_secs(5)).send().await.unwrap().text().await.unwrap()
    };
    let (scan, other) = tokio::join!(answered("SCAN", "AAAAAAAAAAAAAAAAAAAAAA"), answered("LOCATION", ""));
    assert!(scan.contains("Please scan again."), "{scan}");
    assert_eq!(other, "success");
}

#[tokio::test]
async fn the_last_delivery_of_an_answer_or_a_code_asks_to_send_it_again() {
    let mut world = CallbackWorld::over_redis().await;
    world.redis.as_mut().unwrap().stop().await;
    let sent = unix_now().as_secs() - 10;
    let answered = async |content| {
        let request = world.delivery("demo", &signed(), text_at(sent, content));
        request.timeout(Duration::from_secs(5)).send().await.unwrap().text().await.unwrap()
    };
    let (answer, code, text) = tokio::join!(answered("1"), answered("1234 5678"), answered("hello"));
    for lost in [answer, code] {
        assert!(lost.contains("That did not go through. Please send it again."), "{lost}");
    }
    assert_eq!(text, "success");
}
