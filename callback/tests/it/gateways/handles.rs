//! What a page shows: a QR code, or its fallback.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_callback::config::Confirmation;
use scenecast_scene::{SceneId, internal::OPEN_PATH};
use scenecast_simulator::{CallFailure, Rights, read_code};
use scenecast_testing::RedisServer;
use serde_json::Value;

use crate::world::{CallbackWorld, LIFE, Pod, answer, name, new_scene, opening, problem, reply};

const CREATE: &str = "/cgi-bin/qrcode/create";
const CODE: &str = "/wxa/getwxacodeunlimit";
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn opened_at(world: &CallbackWorld, pod: &Pod, account: &str) -> (SceneId, Value) {
    let scene = new_scene(account);
    let opened = world.call(pod, OPEN_PATH, &opening(scene, account, LIFE)).await;
    (scene, answer(opened, StatusCode::OK).await)
}

async fn opened(world: &CallbackWorld, account: &str) -> Value {
    opened_at(world, world.pod(), account).await.1
}

/// The kind of handle that a page got.
fn kind(opened: &Value) -> &str {
    opened.as_object().unwrap().keys().next().unwrap()
}

/// A world in which `mini` is the fallback of `demo`.
async fn with_fallback(redis: Option<RedisServer>, qr_codes: u32) -> CallbackWorld {
    CallbackWorld::with_wechat(
        redis,
        |accounts| accounts.get_mut(&name("demo")).unwrap().quota.qr_codes = qr_codes,
        |settings| settings.accounts.get_mut(&name("demo")).unwrap().fallback_mini_program = Some(name("mini")),
    )
    .await
}

/// The picture that a page got, as a phone reads it.
fn read(opened: &Value) -> String {
    let image = opened["mini_program"]["image"].as_str().unwrap();
    let picture = image.strip_prefix("data:image/jpeg;base64,").unwrap();
    let picture = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture).unwrap();
    read_code(&picture).unwrap()
}

#[tokio::test]
async fn a_mini_programs_page_gets_its_code_which_opens_the_login_page_with_the_scene() {
    let world = CallbackWorld::new().await;
    let (scene, shown) = opened_at(&world, world.pod(), "mini").await;
    let launch = world.simulator.scan_code(&read(&shown)).unwrap();
    assert_eq!((&launch.account, launch.page.as_str()), (&name("mini"), "pages/login/login"));
    assert_eq!(launch.scene(), scene.to_string());
    assert!(shown["mini_program"]["image"].as_str().unwrap().len() < 100_000, "it travels in a frame");
    assert_eq!(world.pod().metric("scenecast_handles_total{account=\"mini\",kind=\"mini_program\"}"), 1);
}

#[tokio::test]
async fn a_mini_program_without_codes_has_no_other_handle() {
    let world = CallbackWorld::new().await;
    for (failure, status, code) in [
        (CallFailure::Code(45009), StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable"),
        (CallFailure::Html, StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable"),
        (CallFailure::Code(41030), StatusCode::BAD_GATEWAY, "wechat_refused"),
    ] {
        world.simulator.fail_calls(CODE, 1, failure);
        let refused = world.call(world.pod(), OPEN_PATH, &opening(new_scene("mini"), "mini", LIFE)).await;
        assert_eq!(problem(refused, status).await, code, "{failure:?}");
        world.pass(DAY);
    }
    assert!(crate::world::logs::text().contains("WeChat says that our call is wrong"));
}

#[tokio::test]
async fn a_page_that_asks_for_a_typed_code_gets_one() {
    for world in CallbackWorld::each().await {
        let ask = async |account: &str| {
            let mut asked = opening(new_scene(account), account, LIFE);
            asked["handle"] = "typed".into();
            world.call(world.pod(), OPEN_PATH, &asked).await
        };
        let typed = answer(ask("demo").await, StatusCode::OK).await;
        assert_eq!(typed["typed"]["code"].as_str().unwrap().len(), 8);
        assert_eq!(problem(ask("mini").await, StatusCode::BAD_REQUEST).await, "bad_request");
        assert_eq!(world.simulator.calls(CREATE).total(), 0);
    }
}

#[tokio::test]
async fn after_the_days_qr_codes_pages_on_every_pod_get_the_mini_programs_codes() {
    let mut world = with_fallback(Some(RedisServer::start().await), 2).await;
    let other_pod = world.add_pod().await;
    for expected in ["qr", "qr", "mini_program", "mini_program"] {
        assert_eq!(kind(&opened(&world, "demo").await), expected);
    }
    assert_eq!(kind(&opened_at(&world, &other_pod, "demo").await.1), "mini_program");
    assert_eq!(kind(&opened_at(&world, &other_pod, "demo").await.1), "mini_program");
    assert_eq!(world.simulator.calls(CREATE).with("45009"), 2, "each pod found out once");
    for (metric, value) in [
        ("scenecast_handles_total{account=\"demo\",kind=\"qr\"}", 2),
        ("scenecast_handles_total{account=\"demo\",kind=\"mini_program\"}", 2),
        ("scenecast_handle_fallbacks_total{account=\"demo\",why=\"day_quota\"}", 2),
        ("scenecast_wechat_quota_left{account=\"demo\",call=\"/cgi-bin/qrcode/create\"}", 0),
        ("scenecast_wechat_circuit_open{account=\"demo\",call=\"/cgi-bin/qrcode/create\",why=\"day_quota\"}", 1),
    ] {
        assert_eq!(world.pod().metric(metric), value, "{metric}");
    }
    world.pass(HOUR);
    assert_eq!(kind(&opened(&world, "demo").await), "mini_program", "WeChat was asked again, and refused again");
    assert_eq!(world.simulator.calls(CREATE).with("45009"), 3);
    world.pass(DAY);
    for pod in [world.pod(), &other_pod] {
        assert_eq!(kind(&opened_at(&world, pod, "demo").await.1), "qr");
    }
    assert!(!world.pod().metrics.text().contains("wechat_circuit_open{"));
}

#[tokio::test]
async fn beyond_the_configured_quota_wechat_is_not_asked_for_a_qr_code() {
    let world =
        CallbackWorld::with(None, |settings| settings.accounts.get_mut(&name("demo")).unwrap().qr_quota = 1).await;
    assert_eq!([kind(&opened(&world, "demo").await), kind(&opened(&world, "demo").await)], ["qr", "typed"]);
    assert_eq!(world.simulator.calls(CREATE).total(), 1);
    assert_eq!(world.pod().metric("scenecast_handle_fallbacks_total{account=\"demo\",why=\"budget\"}"), 1);
    world.pass(DAY);
    assert_eq!(kind(&opened(&world, "demo").await), "qr");
}

/// The kinds of handles that pages of this address get, one after another.
async fn kinds_for(world: &CallbackWorld, pod: &Pod, client: &str, pages: usize) -> Vec<String> {
    let mut kinds = vec![];
    for _ in 0..pages {
        let mut page = opening(new_scene("demo"), "demo", LIFE);
        page["page"]["address"] = client.into();
        let opened = answer(world.call(pod, OPEN_PATH, &page).await, StatusCode::OK).await;
        kinds.push(kind(&opened).to_owned());
    }
    kinds
}

fn qr_codes(kinds: &[String]) -> usize {
    kinds.iter().filter(|kind| *kind == "qr").count()
}

#[tokio::test]
async fn an_address_gets_a_fifth_of_the_days_qr_codes() {
    let world =
        CallbackWorld::with(None, |settings| settings.accounts.get_mut(&name("demo")).unwrap().qr_quota = 20).await;
    let [ann, bob, office] = ["203.0.113.1", "203.0.113.2", "10.0.0.1"];
    assert_eq!(kinds_for(&world, world.pod(), ann, 6).await, ["qr", "qr", "qr", "qr", "typed", "typed"]);
    assert_eq!(qr_codes(&kinds_for(&world, world.pod(), office, 5).await), 5, "a private address is a proxy");
    assert_eq!(kinds_for(&world, world.pod(), bob, 1).await, ["qr"]);
    let mut of_a_48 = 0;
    for subnet in 0..10 {
        of_a_48 += qr_codes(&kinds_for(&world, world.pod(), &format!("2001:db8:1:{subnet}00::1"), 1).await);
    }
    assert_eq!(of_a_48, 8, "twice as many as an address");
    assert_eq!(world.pod().metric("scenecast_handle_fallbacks_total{account=\"demo\",why=\"address\"}"), 4);
    let log = crate::world::logs::text();
    let said = |address: &str| log.lines().filter(|line| line.contains(&format!("address={address} limit="))).count();
    assert_eq!([said(ann), said("2001:db8:1::/48"), said(bob)], [1, 1, 0], "once, however many pages");
    world.pass(DAY);
    assert_eq!(kinds_for(&world, world.pod(), ann, 1).await, ["qr"]);
}

#[tokio::test]
async fn clients_whose_address_is_unknown_share_one_share() {
    let world =
        CallbackWorld::with(None, |settings| settings.accounts.get_mut(&name("demo")).unwrap().qr_quota = 20).await;
    let mut kinds = vec![];
    for _ in 0..6 {
        let mut call = opening(new_scene("demo"), "demo", LIFE);
        call["limited_as"] = "100:a00:1::".into();
        kinds.push(kind(&answer(world.call(world.pod(), OPEN_PATH, &call).await, StatusCode::OK).await).to_owned());
    }
    assert_eq!(kinds, ["qr", "qr", "qr", "qr", "typed", "typed"]);
}

#[tokio::test]
async fn all_pods_count_an_address_together() {
    let mut world = CallbackWorld::with(Some(RedisServer::start().await), |settings| {
        settings.accounts.get_mut(&name("demo")).unwrap().qr_quota = 100;
    })
    .await;
    let other_pod = world.add_pod().await;
    assert_eq!(qr_codes(&kinds_for(&world, world.pod(), "198.51.100.1", 25).await), 20);
    assert_eq!(qr_codes(&kinds_for(&world, &other_pod, "198.51.100.1", 25).await), 10, "it hears of them by then");
}

#[tokio::test]
async fn a_page_that_asks_again_gets_the_same_code() {
    for mut world in CallbackWorld::each().await {
        let other_pod = world.add_pod().await;
        let scene = new_scene("demo");
        let mut again = opening(scene, "demo", LIFE);
        again["may_ask_again"] = true.into();
        let ask = async |pod: &Pod| answer(world.call(pod, OPEN_PATH, &again).await, StatusCode::OK).await;
        let at_once = futures_util::future::join_all((0..8).map(|_| ask(world.pod()))).await;
        let later = [ask(&other_pod).await, ask(world.pod()).await];
        assert_eq!(kind(&later[0]), "qr");
        assert!(at_once.iter().chain(&later).all(|shown| *shown == later[0]), "{at_once:?}");
        assert_eq!(world.simulator.calls(CREATE).total(), 1);
        assert_eq!(world.metric("scenecast_scenes_total{stage=\"opened\"}"), 1);
    }
}

#[tokio::test]
async fn a_typed_code_that_redis_lost_finds_its_scene_once_its_page_has_asked_again() {
    for world in CallbackWorld::each_asking(Confirmation::None).await {
        let scene = new_scene("demo");
        let mut again = opening(scene, "demo", LIFE);
        again["may_ask_again"] = true.into();
        again["handle"] = "typed".into();
        let ask = async || {
            let shown = answer(world.call(world.pod(), OPEN_PATH, &again).await, StatusCode::OK).await;
            shown["typed"]["code"].as_str().unwrap().to_owned()
        };
        let shown = ask().await;
        assert_eq!(ask().await, shown);
        // The code may be at another server than what the page shows.
        let (store, code) = (world.store(), format!("code:demo:{shown}"));
        store.release(&code, &scene.to_string()).await.unwrap();
        assert_eq!(ask().await, shown);
        assert_eq!(store.get(&code).await, Ok(Some(scene.to_string())));
        // Meanwhile another page has got the number.
        store.put(&code, new_scene("demo").to_string(), LIFE).await.unwrap();
        let another = ask().await;
        assert_ne!(another, shown);
        assert_eq!(ask().await, another);
        assert!(reply(&world.say("bo", &another).await).starts_with("You are logged in"));
        assert_eq!(world.history(scene).await, ["confirmed"]);
    }
}

#[tokio::test]
async fn a_page_that_got_no_code_may_ask_again_at_once() {
    let world = CallbackWorld::new().await;
    let mut again = opening(new_scene("demo"), "demo", LIFE);
    again["may_ask_again"] = true.into();
    world.simulator.fail_calls(CREATE, 1, CallFailure::Html);
    let refused = world.call(world.pod(), OPEN_PATH, &again).await;
    assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "wechat_unavailable");
    let shown = answer(world.call(world.pod(), OPEN_PATH, &again).await, StatusCode::OK).await;
    assert_eq!(kind(&shown), "qr");
}

#[tokio::test]
async fn a_page_waits_for_wechat_no_longer_than_its_gateway_does() {
    let world = CallbackWorld::new().await;
    world.simulator.fail_calls("/cgi-bin/stable_token", 2, CallFailure::SlowMs(1900));
    world.simulator.fail_calls(CREATE, 1, CallFailure::Code(40001));
    world.simulator.fail_calls(CREATE, 1, CallFailure::SlowMs(1900));
    let opened = world.call(world.pod(), OPEN_PATH, &opening(new_scene("demo"), "demo", LIFE)).await;
    assert_eq!(problem(opened, StatusCode::SERVICE_UNAVAILABLE).await, "wechat_unavailable");
}

#[tokio::test]
async fn an_account_without_the_right_to_qr_codes_gives_typed_codes_and_asks_again_each_hour() {
    let world = CallbackWorld::with_wechat(
        None,
        |accounts| accounts.get_mut(&name("demo")).unwrap().rights = Rights::UnverifiedSubscription,
        |_| (),
    )
    .await;
    for _ in 0..3 {
        assert_eq!(kind(&opened(&world, "demo").await), "typed");
    }
    assert_eq!(world.simulator.calls(CREATE).with("48001"), 1);
    let left = "scenecast_wechat_quota_left{account=\"demo\",call=\"/cgi-bin/qrcode/create\"}";
    assert_eq!(world.pod().metric(left), 99_999, "what isn't asked for isn't spent");
    world.pass(Duration::from_secs(3600));
    opened(&world, "demo").await;
    assert_eq!(world.simulator.calls(CREATE).with("48001"), 2);
    assert_eq!(world.pod().metric("scenecast_handle_fallbacks_total{account=\"demo\",why=\"forbidden\"}"), 4);
}

#[tokio::test]
async fn if_the_mini_program_fails_too_pages_get_typed_codes() {
    let world = with_fallback(None, 0).await;
    for failure in [CallFailure::Html, CallFailure::Code(48001)] {
        world.simulator.fail_calls(CODE, 1, failure);
        assert_eq!(kind(&opened(&world, "demo").await), "typed", "{failure:?}");
    }
    world.pass(Duration::from_secs(3600));
    assert_eq!(kind(&opened(&world, "demo").await), "mini_program");
}

#[tokio::test]
async fn a_fallback_is_logged_once_and_not_for_each_page() {
    let world = CallbackWorld::with_wechat(
        None,
        |accounts| accounts.get_mut(&name("other")).unwrap().quota.qr_codes = 0,
        |settings| settings.accounts.get_mut(&name("other")).unwrap().fallback_mini_program = Some(name("mini")),
    )
    .await;
    for _ in 0..3 {
        opened(&world, "other").await;
    }
    world.pass(DAY);
    world.simulator.fail_calls(CREATE, 1, CallFailure::Code(48001));
    opened(&world, "other").await;
    let log = crate::world::logs::text();
    let changes: Vec<_> = log.lines().filter(|line| line.contains("since it has no QR codes now")).collect();
    let of_other = |why: &str| {
        let why = format!("account=other why=\"{why}\"");
        changes.iter().filter(|line| line.contains(&why)).count()
    };
    assert_eq!([of_other("day_quota"), of_other("forbidden")], [1, 1], "{changes:?}");
}
