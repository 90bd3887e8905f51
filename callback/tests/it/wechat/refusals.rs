//! Each of WeChat's refusals has its action: the call is repeated, or paused, or an operator has to fix something.

use std::time::Duration;

use scenecast_scene::internal::OPEN_PATH;
use scenecast_simulator::{CallFailure, Faults};
use serde_json::Value;

use crate::world::{CallbackWorld, LIFE, Pod, new_scene, opening};

const CREATE: &str = "/cgi-bin/qrcode/create";
const STABLE_TOKEN: &str = "/cgi-bin/stable_token";
const USER_INFO: &str = "/cgi-bin/user/info";

async fn open(world: &CallbackWorld) -> Value {
    world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await.json().await.unwrap()
}

/// Whether the metric says that this call isn't made for this reason.
fn shows(world: &CallbackWorld, call: &str, why: &str) -> bool {
    let metric = format!("scenecast_wechat_circuit_open{{account=\"demo\",call=\"{call}\",why=\"{why}\"}}");
    world.pod().metric(&metric) == 1
}

#[tokio::test]
async fn a_refused_call_is_made_again_after_its_pause_and_not_before() {
    for (number, why, pause) in [
        (45011, "minute_quota", 60),
        (45009, "day_quota", 60 * 60),
        (48001, "forbidden", 60 * 60),
        (48004, "forbidden", 60 * 60),
        (50001, "forbidden", 60 * 60),
        (61007, "forbidden", 60 * 60),
        (50002, "restricted", 60 * 60),
        (50007, "restricted", 60 * 60),
        (40164, "address", 60),
        (45035, "address", 60),
        (61004, "address", 60),
        (40125, "credentials", 60),
        (89503, "address_unconfirmed", 60 * 60),
        (43004, "no_such_person", 60),
        (47001, "mistake", 60),
        (45029, "mistake", 60),
        (65535, "other", 60),
    ] {
        let world = CallbackWorld::new().await;
        world.simulator.fail_calls(CREATE, 1, CallFailure::Code(number));
        for _ in 0..3 {
            let opened = open(&world).await;
            assert!(opened["typed"].is_object(), "a code to type needs no API: {number}: {opened}");
        }
        assert_eq!(world.simulator.calls(CREATE).total(), 1, "{number}");
        assert!(shows(&world, CREATE, why), "{number}");
        world.pass(Duration::from_secs(pause - 1));
        assert!(open(&world).await["typed"].is_object(), "{number}");
        world.pass(Duration::from_secs(1));
        assert!(open(&world).await["qr"].is_object(), "{number}");
        assert!(!shows(&world, CREATE, why), "{number}");
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_stops_its_own_call_only_and_is_tried_again_within_the_hour() {
    const CODE: &str = "/wxa/getwxacodeunlimit";
    let mut world = CallbackWorld::over_redis().await;
    let other_pod = world.add_pod().await;
    let page = async |pod: &Pod, account: &str| -> Value {
        world.call(pod, OPEN_PATH, &opening(new_scene(account), account, LIFE)).await.json().await.unwrap()
    };
    let minute = Duration::from_secs(60);

    world.simulator.fail_calls(CODE, 1, CallFailure::Code(45009));
    assert_eq!(page(world.pod(), "mini").await["code"], "wechat_unavailable");
    assert!(page(world.pod(), "demo").await["qr"].is_object(), "another account and call");
    world.pass(minute);
    assert!(page(world.pod(), "mini").await["mini_program"].is_object(), "it is a quota by the minute");

    world.simulator.fail_calls(CREATE, 1, CallFailure::Code(45009));
    assert!(page(world.pod(), "demo").await["typed"].is_object());
    assert!(page(&other_pod, "demo").await["qr"].is_object(), "WeChat gives codes again, as another pod finds out");
    let left = "scenecast_wechat_quota_left{account=\"demo\",call=\"/cgi-bin/qrcode/create\"}";
    // Three codes were asked for, and the first pod has counted 15 more, for itself.
    assert_eq!(other_pod.metric(left), 100_000 - 3 - 15, "the day isn't used up");
    world.pass(60 * minute);
    assert!(page(world.pod(), "demo").await["qr"].is_object());

    world.simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::Code(45009));
    assert!(page(world.pod(), "other").await["typed"].is_object());
    let left = left.replace("demo", "other");
    assert_eq!(world.pod().metric(&left), 0, "a code that wasn't asked for isn't counted");
    world.pass(minute);
    assert!(page(world.pod(), "other").await["qr"].is_object(), "WeChat gives tokens again");
    assert_eq!(world.pod().metric(&left), 99_999);
}

#[tokio::test]
async fn a_refusal_about_one_person_stops_no_call_for_the_next() {
    for (number, calls) in [(65535, 2), (50002, 2), (45011, 2), (61007, 1)] {
        let world = CallbackWorld::new().await;
        world.simulator.fail_calls(USER_INFO, 2, CallFailure::Code(number));
        for persona in ["ann", "bo"] {
            let (_, qr_url) = world.open().await;
            world.scan(persona, &qr_url).await;
        }
        assert_eq!(world.simulator.calls(USER_INFO).total(), calls, "{number}");
    }
}

#[tokio::test]
async fn a_refusal_that_an_operator_has_to_fix_is_an_error_in_the_log_and_pauses_the_call() {
    for (number, why, pause) in [
        (40013, "credentials", 60),
        (40125, "credentials", 60),
        (40243, "credentials", 60),
        (41002, "credentials", 60),
        (41004, "credentials", 60),
        (40001, "credentials", 60),
        (40164, "address", 60),
        (89503, "address_unconfirmed", 60 * 60),
        (50002, "restricted", 60 * 60),
        (65535, "other", 60),
    ] {
        let world = CallbackWorld::new().await;
        world.simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::Code(number));
        for _ in 0..3 {
            assert!(open(&world).await["typed"].is_object(), "{number}");
        }
        assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 1, "{number}");
        assert!(shows(&world, STABLE_TOKEN, why), "{number}");
        world.pass(Duration::from_secs(pause));
        assert!(open(&world).await["qr"].is_object(), "{number} stays");
        assert!(!shows(&world, STABLE_TOKEN, why), "{number}");
    }
    let log = crate::world::logs::text();
    assert!(log.contains("fix the configuration, here or at WeChat"));
    assert!(log.contains("invalid ip 127.0.0.1"), "an operator has to know which address");
}

#[tokio::test]
async fn a_mistake_of_ours_is_logged_and_not_repeated() {
    let world = CallbackWorld::new().await;
    for number in [47001, 40053, 40097] {
        world.simulator.fail_calls(CREATE, 1, CallFailure::Code(number));
        let asked = world.simulator.calls(CREATE).total();
        assert!(open(&world).await["typed"].is_object());
        assert_eq!(world.simulator.calls(CREATE).total(), asked + 1, "{number}");
        world.pass(Duration::from_secs(60));
        let line = format!("WeChat answered {number}");
        let log = crate::world::logs::text();
        assert!(log.lines().any(|it| it.contains("our call is wrong") && it.contains(&line)), "{number}");
    }
    assert!(open(&world).await["qr"].is_object());
}

#[tokio::test]
async fn a_person_whom_wechat_does_not_know_logs_in_all_the_same() {
    for number in [40003, 43004, 46004, 45009, 48001] {
        let world = CallbackWorld::new().await;
        world.simulator.fail_calls(USER_INFO, 1, CallFailure::Code(number));
        let (scene, qr_url) = world.open().await;
        world.scan("ann", &qr_url).await;
        assert!(world.login(scene).await.profile.name.starts_with("WeChat user "), "{number}");
        world.simulator.set_faults(Faults::default());
    }
}

#[tokio::test]
async fn a_missing_right_to_profiles_is_tried_once_an_hour() {
    let world = CallbackWorld::new().await;
    world.simulator.fail_calls(USER_INFO, 1000, CallFailure::Code(48001));
    for persona in ["ann", "bo", "chen"] {
        let (_, qr_url) = world.open().await;
        world.scan(persona, &qr_url).await;
    }
    assert_eq!(world.simulator.calls(USER_INFO).total(), 1);
    assert!(shows(&world, USER_INFO, "forbidden"));
}
