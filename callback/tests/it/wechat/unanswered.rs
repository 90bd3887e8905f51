//! WeChat that gives no answers of its own is left alone for seconds, and pages get what stands in for its codes.

use std::time::Duration;

use scenecast_scene::internal::OPEN_PATH;
use scenecast_simulator::{CallFailure, Faults};
use serde_json::Value;

use crate::world::{CallbackWorld, LIFE, logs, new_scene, opening};

const CREATE: &str = "/cgi-bin/qrcode/create";
const MINI_PROGRAM_CODE: &str = "/wxa/getwxacodeunlimit";
const USER_INFO: &str = "/cgi-bin/user/info";

async fn page(world: &CallbackWorld, account: &str) -> Value {
    world.call(world.pod(), OPEN_PATH, &opening(new_scene(account), account, LIFE)).await.json().await.unwrap()
}

/// How many lines say this of the codes of mini programs. The log is that of all tests.
fn lines(text: &str) -> usize {
    logs::text().lines().filter(|line| line.contains(text) && line.contains(MINI_PROGRAM_CODE)).count()
}

#[tokio::test]
async fn after_a_few_calls_without_an_answer_pages_get_typed_codes_at_once() {
    let failures = [
        CallFailure::Html,
        CallFailure::Status(502),
        CallFailure::Status(403),
        CallFailure::Empty,
        CallFailure::Closed,
        CallFailure::Code(-1),
    ];
    for failure in failures {
        let world = CallbackWorld::new().await;
        world.open().await;
        world.simulator.fail_calls(CREATE, 1, failure);
        if failure != CallFailure::Closed && failure != CallFailure::Code(-1) {
            // These are repeated at once.
            assert_eq!(page(&world, "demo").await["code"], "wechat_unavailable", "{failure:?}");
        }
        assert!(page(&world, "demo").await["qr"].is_object(), "{failure:?}: a hiccup is no pause");

        world.simulator.fail_calls(CREATE, 1000, failure);
        for _ in 0..2 {
            assert_eq!(page(&world, "demo").await["code"], "wechat_unavailable", "{failure:?}");
        }
        assert!(page(&world, "demo").await["typed"].is_object(), "{failure:?}: its call began the pause");
        let asked = world.simulator.calls(CREATE).total();
        for _ in 0..10 {
            assert!(page(&world, "demo").await["typed"].is_object(), "{failure:?}");
        }
        assert_eq!(world.simulator.calls(CREATE).total(), asked, "{failure:?}");
        let metric = format!("scenecast_wechat_circuit_open{{account=\"demo\",call=\"{CREATE}\",why=\"unanswered\"}}");
        assert_eq!(world.pod().metric(&metric), 1, "{failure:?}");

        world.simulator.set_faults(Faults::default());
        world.pass(Duration::from_secs(2));
        assert!(page(&world, "demo").await["qr"].is_object(), "{failure:?}");
        assert!(page(&world, "demo").await["qr"].is_object(), "{failure:?}");
    }
}

#[tokio::test]
async fn a_pause_has_one_line_and_its_end_another() {
    let world = CallbackWorld::new().await;
    world.open().await;
    let began = lines("WeChat gives no answer to this call");
    let ended = lines("WeChat answers this call again");
    world.simulator.fail_calls(MINI_PROGRAM_CODE, 1000, CallFailure::Html);
    for _ in 0..20 {
        assert_eq!(page(&world, "mini").await["code"], "wechat_unavailable");
    }
    assert_eq!(world.simulator.calls(MINI_PROGRAM_CODE).total(), 3);
    assert_eq!(lines("WeChat gives no answer to this call") - began, 1);
    world.simulator.set_faults(Faults::default());
    world.pass(Duration::from_secs(2));
    for _ in 0..2 {
        assert!(page(&world, "mini").await["mini_program"].is_object());
    }
    assert_eq!(lines("WeChat answers this call again") - ended, 1);
}

#[tokio::test]
async fn slow_answers_are_none_and_logins_stop_waiting_for_them() {
    let world = CallbackWorld::new().await;
    world.simulator.fail_calls(CREATE, 1000, CallFailure::SlowMs(60_000));
    world.simulator.fail_calls(USER_INFO, 1000, CallFailure::Status(502));
    let pages = async { tokio::join!(page(&world, "demo"), page(&world, "demo"), page(&world, "demo")) };
    let (first, second, third) = pages.await;
    let typed = [first, second, third].iter().filter(|page| page["typed"].is_object()).count();
    assert_eq!(typed, 1, "the third began the pause");
    assert!(page(&world, "demo").await["typed"].is_object());
    assert_eq!(world.simulator.calls(CREATE).total(), 3);

    world.simulator.set_faults(Faults::default());
    world.pass(Duration::from_secs(2));
    world.simulator.fail_calls(USER_INFO, 1000, CallFailure::Status(502));
    for persona in ["ann", "bo", "chen", "ann", "bo"] {
        let (scene, qr_url) = world.open().await;
        world.scan(persona, &qr_url).await;
        world.login(scene).await;
    }
    assert_eq!(world.simulator.calls(USER_INFO).total(), 3, "people get generated names meanwhile");
}
