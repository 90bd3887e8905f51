//! Redis is slow, frozen or full: WeChat is answered within its time, by the attempt that knows the result.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use scenecast_callback::config::Confirmation;
use scenecast_scene::internal::OPEN_PATH;
use scenecast_simulator::CallbackAnswer;
use scenecast_testing::{RedisServer, until};

use crate::{
    webhooks::Backend,
    world::{
        CallbackWorld, LIFE, demo, event_at, new_scene, opening, person, problem, reply, said, signed, text_at,
        unix_now,
    },
};

const LOGGED_IN: &str = "You are logged in. Please go back to the page.";
const SCAN_AGAIN: &str = "The login did not go through. Please scan again.";
const SEND_AGAIN: &str = "That did not go through. Please send it again.";
/// How long WeChat waits for an answer.
const WECHATS_PATIENCE: Duration = Duration::from_secs(5);

/// A world over Redis. Its site is told about logins, and `bo` has logged in before.
async fn with_a_site(confirmation: Confirmation) -> CallbackWorld {
    let site = Backend::good().await;
    let mut world = CallbackWorld::with(Some(RedisServer::start().await), |settings| {
        demo(settings).webhooks = Some(site.json());
        demo(settings).confirmation = confirmation;
    })
    .await;
    world.move_away().await;
    world.scan_new("bo").await;
    world.say("bo", "1").await;
    until("what WeChat tells of them is on record", async || world.user("bo").await.wechat_profile.is_some()).await;
    world
}

#[tokio::test]
async fn a_login_waits_for_redis_three_times_at_most() {
    const DELAY: Duration = Duration::from_secs(1);
    for confirmation in [Confirmation::None, Confirmation::Tap] {
        let world = with_a_site(confirmation).await;
        let (scene, qr_url) = world.open().await;
        world.distance().set_delay(DELAY);
        let mut steps = vec![world.scan("bo", &qr_url).await];
        if confirmation == Confirmation::Tap {
            steps.push(world.say("bo", "1").await);
        }
        for step in steps {
            assert!(step.attempts[0].took < DELAY * 4, "{confirmation:?}: {step:?}");
        }
        world.login(scene).await;
        assert_eq!(world.user("bo").await.logins, 2);
    }
}

#[tokio::test]
async fn if_redis_is_too_slow_for_one_attempt_the_next_attempts_go_on_and_the_last_says_the_result() {
    let world = with_a_site(Confirmation::None).await;
    let (scene, qr_url) = world.open().await;
    // Three waits are longer than there is to decide, and two leave time for a slow machine.
    world.distance().set_delay(Duration::from_millis(1550));
    let outcome = world.scan("bo", &qr_url).await;
    let [first, second, last] = &outcome.attempts[..] else { panic!("{outcome:?}") };
    assert_eq!((&first.answer, &second.answer), (&CallbackAnswer::Late, &CallbackAnswer::Late));
    assert!(last.took < WECHATS_PATIENCE, "{last:?}");
    assert_eq!(reply(&outcome), LOGGED_IN);
    assert_eq!(world.history(scene).await, ["confirmed"]);
    assert_eq!(world.user("bo").await.logins, 2);
}

#[tokio::test]
async fn while_redis_is_frozen_the_last_attempt_is_answered_within_wechats_time() {
    let world = CallbackWorld::over_redis().await;
    world.redis.as_ref().unwrap().pause();
    let sent = unix_now().as_secs() - 10;
    let answered = async |message| {
        let started = Instant::now();
        let answered = world.delivery("demo", &signed(), message).send().await.unwrap().text().await.unwrap();
        assert!(started.elapsed() < WECHATS_PATIENCE);
        said(&answered).to_owned()
    };
    let scan = event_at(sent, "SCAN", &new_scene("demo").to_string());
    let (scan, code) = tokio::join!(answered(scan), answered(text_at(sent, "1234 5678")));
    assert_eq!((&*scan, &*code), (SCAN_AGAIN, SEND_AGAIN));
}

#[tokio::test]
async fn while_redis_is_full_nothing_is_told_and_later_the_redelivery_logs_in() {
    let world = CallbackWorld::over_redis().await;
    let redis = world.redis.as_ref().unwrap();
    let (scene, qr_url) = world.open().await;
    let mut attempts = world.simulator.attempts();
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    let simulator = world.simulator.clone();
    let scanning = tokio::spawn(async move { simulator.scan(&person("bo"), &qr_url).await.unwrap() });

    let refused = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "bus_unavailable");
    assert_eq!(attempts.recv().await.unwrap().answer, CallbackAnswer::Late);
    assert!(world.events(scene).await.is_empty(), "the page isn't told of what isn't stored");

    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    let outcome = scanning.await.unwrap();
    assert_eq!((reply(&outcome), outcome.attempts.len()), (LOGGED_IN, 2));
    assert_eq!(world.history(scene).await, ["confirmed"]);
}
