//! One access token for all pods.

use futures_util::future::join_all;
use reqwest::StatusCode;
use scenecast_loadtest::simulator::{Failure, Faults};
use scenecast_shared::internal::OPEN_PATH;

use crate::world::{LIFE, Pod, World, answer, name, new_scene, opening, problem};

const STABLE_TOKEN: &str = "/cgi-bin/stable_token";

async fn open_on_all(world: &World, pods: &[Pod]) {
    let opened = pods.iter().map(|pod| async {
        let opened = world.call(pod, OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
        answer(opened, StatusCode::OK).await
    });
    join_all(opened).await;
}

#[tokio::test]
async fn eight_pods_fetch_a_token_once_and_replace_a_dead_one_once() {
    let mut world = World::over_redis().await;
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
    let world = World::new().await;
    open_on_all(&world, &vec![world.pod().clone(); 20]).await;
    world.simulator.expire_tokens();
    open_on_all(&world, &vec![world.pod().clone(); 20]).await;
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 2);
}

#[tokio::test]
async fn any_word_for_a_dead_token_gets_one_retry() {
    let world = World::new().await;
    for code in [40001, 40014, 42001] {
        world.simulator.fail_calls("/cgi-bin/qrcode/create", 1, Failure::Code(code));
        world.open().await;
    }
    world.simulator.fail_calls("/cgi-bin/qrcode/create", 2, Failure::Code(40001));
    let refused = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
    assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "wechat_unavailable");
}

#[tokio::test]
async fn wrong_credentials_are_an_alarm_and_wechat_is_left_alone_for_a_while() {
    let world = World::with(None, |config| {
        config.accounts.get_mut(&name("demo")).unwrap().secret = "0123456789abcdef0123456789abcdef".into();
    })
    .await;
    for _ in 0..3 {
        let refused = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
        assert_eq!(problem(refused, StatusCode::BAD_GATEWAY).await, "wechat_refused");
    }
    assert_eq!(world.simulator.calls(STABLE_TOKEN).total(), 1);
    world.open_for("other", LIFE).await;
    assert!(crate::logs::text().contains("its configuration has to be mended"));
}

#[tokio::test]
async fn a_token_call_that_fails_fails_the_open_and_not_the_next() {
    let world = World::new().await;
    for failure in [Failure::Html, Failure::Empty, Failure::Closed, Failure::Code(-1)] {
        world.simulator.fail_calls(STABLE_TOKEN, 10, failure);
        let refused = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
        let code = problem(refused, StatusCode::SERVICE_UNAVAILABLE).await;
        assert_eq!(code, "wechat_unavailable", "{failure:?}");
        world.simulator.set_faults(Faults::default());
    }
    world.open().await;
}
