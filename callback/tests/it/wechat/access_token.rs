//! One access token for all pods.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use scenecast_scene::internal::OPEN_PATH;
use scenecast_simulator::{CallFailure, Faults};

use crate::world::{CallbackWorld, LIFE, Pod, answer, name, new_scene, opening, problem};

const STABLE_TOKEN: &str = "/cgi-bin/stable_token";

async fn open_on_all(world: &CallbackWorld, pods: &[Pod]) {
    let opened = pods.iter().map(|pod| async {
        let opened = world.call(pod, OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
        answer(opened, StatusCode::OK).await
    });
    join_all(opened).await;
}

#[tokio::test]
async fn eight_pods_fetch_a_token_once_and_replace_a_dead_one_once() {
    let mut world = CallbackWorld::over_redis().await;
    let mut pods = vec![world.pod().clone()];
    for _ in 1..8 {
        pods.push(world.add_pod().await);
    }
    open_on_all(&world, &pods).await;
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 1);

    world.simulator.expire_tokens();
    open_on_all(&world, &pods).await;
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 2);
    assert_eq!(world.simulator.calls("/cgi-bin/qrcode/create").with("42001"), 8, "each found out, and tried once more");
    open_on_all(&world, &pods).await;
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 2);
}

#[tokio::test]
async fn many_calls_of_one_pod_fetch_a_token_once() {
    let world = CallbackWorld::new().await;
    open_on_all(&world, &vec![world.pod().clone(); 20]).await;
    world.simulator.expire_tokens();
    open_on_all(&world, &vec![world.pod().clone(); 20]).await;
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 2);
}

#[tokio::test]
async fn each_error_code_for_a_dead_token_gets_one_retry() {
    let world = CallbackWorld::new().await;
    for code in [40001, 40014, 42001] {
        world.simulator.fail_calls("/cgi-bin/qrcode/create", 1, CallFailure::Code(code));
        world.open().await;
    }
    world.simulator.fail_calls("/cgi-bin/qrcode/create", 2, CallFailure::Code(40001));
    assert!(open_typed(&world).await, "a second refusal lasts");
}

/// Opens a scene of `demo`. Whether its page got a code to type.
async fn open_typed(world: &CallbackWorld) -> bool {
    let opened = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
    answer(opened, StatusCode::OK).await["typed"].is_object()
}

#[tokio::test]
async fn wrong_credentials_are_an_error_in_the_log_and_pause_the_call() {
    let world = CallbackWorld::with(None, |config| {
        config.accounts.get_mut(&name("demo")).unwrap().secret = "0123456789abcdef0123456789abcdef".into();
    })
    .await;
    for _ in 0..3 {
        assert!(open_typed(&world).await);
    }
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 1);
    world.open_for("other", LIFE).await;
    assert!(crate::world::logs::text().contains("fix the configuration, here or at WeChat"));
}

#[tokio::test]
async fn while_wechat_gives_no_token_pages_get_typed_codes_and_it_is_asked_less_and_less_often() {
    // A call whose connection is closed is repeated at once.
    for (failure, attempts) in [(CallFailure::Html, 1), (CallFailure::Status(502), 1), (CallFailure::Closed, 2)] {
        let world = CallbackWorld::new().await;
        world.simulator.fail_calls(STABLE_TOKEN, 1000, failure);
        for hiccup in 0..2 {
            let refused = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
            let code = problem(refused, StatusCode::SERVICE_UNAVAILABLE).await;
            assert_eq!(code, "wechat_unavailable", "{failure:?} {hiccup}");
        }
        for _ in 0..20 {
            assert!(open_typed(&world).await, "{failure:?}");
        }
        assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 3 * attempts, "{failure:?}");
        world.pass(Duration::from_secs(2));
        assert!(open_typed(&world).await, "{failure:?}: its call is tried");
        world.pass(Duration::from_secs(3));
        assert!(open_typed(&world).await, "{failure:?}: the second pause is longer");
        assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 4 * attempts, "{failure:?}");
        world.simulator.set_faults(Faults::default());
        world.pass(Duration::from_secs(1));
        world.open().await;
    }
}

#[tokio::test]
async fn a_dead_token_costs_one_call_while_wechat_refuses_another() {
    let create = "/cgi-bin/qrcode/create";
    let mut world = CallbackWorld::over_redis().await;
    world.open().await;
    world.simulator.expire_tokens();
    world.simulator.fail_calls(STABLE_TOKEN, 1000, CallFailure::Code(40164));
    let (calls, asked) = (world.simulator.calls(create).total(), world.simulator.calls(STABLE_TOKEN).total());
    for _ in 0..10 {
        assert!(open_typed(&world).await);
    }
    assert_eq!(world.simulator.calls(create).total() - calls, 1, "it found out");
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total() - asked, 1);
    world.simulator.set_faults(Faults::default());
    let other_pod = world.add_pod().await;
    open_on_all(&world, &[other_pod]).await;
    assert!(!open_typed(&world).await, "another pod has got a token, so the pause is over");
}

#[tokio::test]
async fn while_neither_redis_nor_wechat_gives_a_token_calls_go_on_with_the_old_token() {
    let mut world = CallbackWorld::over_redis().await;
    let open = async |world: &CallbackWorld| {
        world.call(world.pod(), OPEN_PATH, &opening(new_scene("mini"), "mini", LIFE)).await
    };
    answer(open(&world).await, StatusCode::OK).await;
    world.simulator.fail_calls(STABLE_TOKEN, 1000, CallFailure::Closed);
    world.redis.as_mut().unwrap().stop().await;
    assert_eq!(problem(open(&world).await, StatusCode::SERVICE_UNAVAILABLE).await, "bus_unavailable");
    assert_eq!(world.simulator.calls("/wxa/getwxacodeunlimit").with("ok"), 2, "WeChat made its code");
}

#[tokio::test]
async fn a_token_that_wechat_gives_and_refuses_pauses_the_call() {
    let create = "/cgi-bin/qrcode/create";
    let world = CallbackWorld::new().await;
    world.open().await;
    for code in [40001, 40014, 42001] {
        world.simulator.fail_calls(create, 1000, CallFailure::Code(code));
        let before = world.simulator.calls(create).total();
        for _ in 0..20 {
            assert!(open_typed(&world).await, "{code}");
        }
        assert_eq!(world.simulator.calls(create).total() - before, 2, "{code}: with the old token and with a new one");
        world.simulator.set_faults(Faults::default());
        world.pass(Duration::from_secs(60));
        world.open().await;
    }
    assert!(world.simulator.calls(STABLE_TOKEN).total() <= 4);
    assert!(crate::world::logs::text().contains("refuses even a new access token"));
}

#[tokio::test]
async fn an_answer_that_is_not_wechats_is_told_with_its_status_and_kind() {
    let world = CallbackWorld::new().await;
    for (failure, told) in [
        (CallFailure::Html, "HTTP status 200 with 50 bytes of text/html"),
        (CallFailure::Empty, "HTTP status 200 with 0 bytes of application/json"),
        (CallFailure::Status(502), "HTTP status 502 with 50 bytes of text/html"),
        (CallFailure::Status(403), "HTTP status 403 with 50 bytes of text/html"),
    ] {
        world.simulator.fail_calls("/cgi-bin/qrcode/create", 1, failure);
        let refused = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
        assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "wechat_unavailable", "{failure:?}");
        let log = crate::world::logs::text();
        assert!(log.contains(&format!("the answer is not WeChat's, but {told}")), "{failure:?}");
        // More in a row would be a pause.
        world.open().await;
    }
}
