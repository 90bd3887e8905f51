//! Gateways open scenes, and get a QR code for each.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use scenecast_scene::{
    Rotating, SceneState, internal,
    internal::{CANCEL_PATH, MAX_BODY_BYTES, MAX_REOPEN_BATCH, OPEN_PATH, REOPEN_PATH},
};
use scenecast_simulator::{CallFailure, Faults};
use serde_json::{Value, json};

use crate::world::{CallbackWorld, INTERNAL, LIFE, answer, new_scene, opening, problem, unix_now};

const CREATE: &str = "/cgi-bin/qrcode/create";

async fn open(world: &CallbackWorld) -> Response {
    world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await
}

#[tokio::test]
async fn only_a_gateway_may_call() {
    let world = CallbackWorld::new().await;
    let body = opening(new_scene("demo"), "demo", LIFE).to_string();
    let sign = |secret: &str, path, body: &str, ago| {
        let then = unix_now().saturating_sub(Duration::from_secs(ago));
        internal::sign(&Rotating::fixed(secret), then, path, body.as_bytes())
    };
    for path in [OPEN_PATH, REOPEN_PATH, CANCEL_PATH] {
        for signature in [
            String::new(),
            "1,2,3".to_owned(),
            sign("another secret", path, &body, 0),
            sign(INTERNAL, "/elsewhere", &body, 0),
            sign(INTERNAL, path, "another body", 0),
            sign(INTERNAL, path, &body, 62),
        ] {
            let url = format!("http://{}{path}", world.pod().internal);
            let refused = world.http.post(url).header(internal::HEADER, signature).body(body.clone()).send().await;
            assert_eq!(problem(refused.unwrap(), StatusCode::UNAUTHORIZED).await, "signature_invalid");
        }
    }
    assert_eq!(world.simulator.calls(CREATE).total(), 0);
}

#[tokio::test]
async fn a_malformed_call_is_refused() {
    let world = CallbackWorld::new().await;
    let (scene, minute) = (new_scene("demo"), Duration::from_secs(60));
    for (body, status, code) in [
        (opening(scene, "nobody", minute), StatusCode::NOT_FOUND, "account_unknown"),
        (opening(scene, "demo", Duration::ZERO), StatusCode::BAD_REQUEST, "bad_request"),
        (opening(scene, "demo", 60 * minute + Duration::from_millis(1)), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({ "scene": "x" }), StatusCode::BAD_REQUEST, "bad_request"),
        (json!([]), StatusCode::BAD_REQUEST, "bad_request"),
        (Value::String("x".repeat(MAX_BODY_BYTES)), StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
    ] {
        assert_eq!(problem(world.call(world.pod(), OPEN_PATH, &body).await, status).await, code);
    }
    assert_eq!(world.simulator.calls(CREATE).total(), 0);
}

#[tokio::test]
async fn the_days_qr_codes_are_counted_across_pods() {
    for mut world in CallbackWorld::each().await {
        let second = world.add_pod().await;
        world.open().await;
        let opened = world.call(&second, OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
        answer(opened, StatusCode::OK).await;
        let left = "scenecast_wechat_quota_left{account=\"demo\",call=\"/cgi-bin/qrcode/create\"}";
        assert_eq!((world.pod().metric(left), second.metric(left)), (99_999, 99_998));
    }
}

/// WeChat closes idle connections when it likes, also while a call is on its way.
#[tokio::test]
async fn a_call_whose_connection_ends_before_an_answer_is_repeated_at_once() {
    let world = CallbackWorld::new().await;
    world.simulator.fail_calls(CREATE, 1, CallFailure::Closed);
    answer(open(&world).await, StatusCode::OK).await;
    let calls = world.simulator.calls(CREATE);
    assert_eq!((calls.with("closed"), calls.with("ok")), (1, 1));
}

#[tokio::test]
async fn a_page_that_can_get_no_handle_now_is_told_to_come_back() {
    let world = CallbackWorld::new().await;
    for (failure, times) in [
        (CallFailure::Code(-1), 100),
        (CallFailure::SlowMs(5000), 1),
        (CallFailure::Closed, 100),
        (CallFailure::Html, 1),
        (CallFailure::Empty, 1),
    ] {
        world.simulator.fail_calls(CREATE, times, failure);
        let refused = open(&world).await;
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "wechat_unavailable", "{failure:?}");
        world.simulator.set_faults(Faults::default());
        answer(open(&world).await, StatusCode::OK).await;
    }
    assert_eq!(world.pod().metric("scenecast_scenes_total{stage=\"opened\"}"), 5);
}

#[tokio::test]
async fn a_call_is_repeated_while_wechat_is_busy_for_a_moment() {
    let world = CallbackWorld::new().await;
    world.simulator.fail_calls(CREATE, 2, CallFailure::Code(-1));
    answer(open(&world).await, StatusCode::OK).await;
    assert_eq!(world.simulator.calls(CREATE).with("-1"), 2);
}

#[tokio::test]
async fn lost_scenes_are_opened_again_for_the_rest_of_their_life() {
    for world in CallbackWorld::each().await {
        let (there, _) = world.open().await;
        let lost = [new_scene("demo"), new_scene("demo")];
        let reopening = [
            opening(lost[0], "demo", LIFE / 2),
            opening(lost[1], "other", LIFE / 2),
            opening(there, "demo", LIFE / 2),
            opening(new_scene("nobody"), "nobody", LIFE / 2),
            opening(new_scene("demo"), "demo", Duration::ZERO),
        ];
        let opened = world.call(world.pod(), REOPEN_PATH, &json!(reopening)).await;
        assert_eq!(answer(opened, StatusCode::OK).await, 2);
        for scene in lost {
            let mailbox = world.reader().read(scene).await.unwrap().unwrap();
            assert!(mailbox.state == SceneState::Open && mailbox.remaining <= LIFE / 2);
        }
        assert!(
            world.reader().read(there).await.unwrap().unwrap().remaining > LIFE / 2,
            "what is there stays as it is"
        );
        assert_eq!(world.pod().metric("scenecast_scenes_total{stage=\"opened\"}"), 1);
        assert_eq!(world.simulator.calls(CREATE).total(), 1, "their codes are on the pages still");
    }
}

#[tokio::test]
async fn a_full_chunk_of_scenes_is_accepted_and_a_larger_one_is_not() {
    let world = CallbackWorld::over_redis().await;
    let openings = |n| json!((0..n).map(|_| opening(new_scene("demo"), "demo", LIFE)).collect::<Vec<_>>());
    let full = world.call(world.pod(), REOPEN_PATH, &openings(MAX_REOPEN_BATCH)).await;
    assert_eq!(answer(full, StatusCode::OK).await, MAX_REOPEN_BATCH);
    let more = world.call(world.pod(), REOPEN_PATH, &openings(MAX_REOPEN_BATCH + 1)).await;
    assert_eq!(problem(more, StatusCode::BAD_REQUEST).await, "bad_request");
}
