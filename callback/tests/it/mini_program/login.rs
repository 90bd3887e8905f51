//! A mini program's login page: a code opens it, it shows the login, and it asks the person.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_callback::config::Confirmation;
use scenecast_scene::{
    EventKind, SceneId, SceneState,
    internal::{CANCEL_PATH, OPEN_PATH},
};
use scenecast_simulator::CallFailure;
use scenecast_testing::RedisServer;
use serde_json::{Value, json};

use crate::world::{CallbackWorld, LIFE, OTHER_KEY, STATE, answer, name, new_scene, opening, problem};

const SESSION: &str = "/sns/jscode2session";

/// A world whose mini program has this confirmation.
async fn that_asks(confirmation: Confirmation) -> CallbackWorld {
    with(None, confirmation).await
}

async fn with(redis: Option<RedisServer>, confirmation: Confirmation) -> CallbackWorld {
    CallbackWorld::with(redis, |settings| {
        settings.mini_programs.get_mut(&name("mini")).unwrap().confirmation = confirmation;
        settings.accounts.get_mut(&name("demo")).unwrap().fallback_mini_program = Some(name("mini"));
        settings.api_keys.get_mut("another").unwrap().accounts = [name("mini")].into();
    })
    .await
}

/// A page that shows a code of `mini`.
async fn open(world: &CallbackWorld) -> SceneId {
    let scene = new_scene("mini");
    let mut asked = opening(scene, "mini", LIFE);
    asked["page"] = json!({ "host": "shop.example.com", "address": "203.0.113.7", "browser": "Chrome, Windows" });
    answer(world.call(world.pod(), OPEN_PATH, &asked).await, StatusCode::OK).await;
    scene
}

#[tokio::test]
async fn what_the_phone_shows_of_the_page_hides_nothing() {
    let world = with(None, Confirmation::Tap).await;
    let scene = new_scene("mini");
    let mut asked = opening(scene, "mini", LIFE);
    asked["page"] = json!({ "host": "shop\u{202e}\u{200b}.example\n", "browser": "\u{2066}\u{200b}" });
    answer(world.call(world.pod(), OPEN_PATH, &asked).await, StatusCode::OK).await;
    let scanned = scan(&world, "chen", scene).await;
    assert_eq!((&scanned["host"], &scanned["browser"]), (&json!("shop.example"), &Value::Null));
}

fn scan_of(scene: SceneId, js_code: &str) -> Value {
    json!({ "account": "mini", "js_code": js_code, "scene": scene })
}

/// A person opens the code; answers what the phone gets.
async fn scan(world: &CallbackWorld, persona: &str, scene: SceneId) -> Value {
    let scanned = world.miniapp(world.pod(), "scan", &scan_of(scene, &world.js_code(persona))).await;
    answer(scanned, StatusCode::OK).await
}

async fn say(world: &CallbackWorld, scanned: &Value, decision: &str) -> Value {
    let body = json!({ "ticket": scanned["ticket"], "decision": decision });
    answer(world.miniapp(world.pod(), "confirm", &body).await, StatusCode::OK).await
}

async fn state(world: &CallbackWorld, scene: SceneId) -> SceneState {
    world.reader().read(scene).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_person_who_opens_a_code_is_told_about_the_login_and_says_yes() {
    for redis in [None, Some(RedisServer::start().await)] {
        let mut world = with(redis, Confirmation::Tap).await;
        let other_pod = world.add_pod().await;
        let scene = open(&world).await;
        let scanned = scan(&world, "chen", scene).await;
        for (field, told) in [
            ("state", json!("scanned")),
            ("site", json!("Example Shop")),
            ("host", json!("shop.example.com")),
            ("address", json!("203.0.113.7")),
            ("browser", json!("Chrome, Windows")),
            ("choices", Value::Null),
        ] {
            assert_eq!(scanned[field], told, "{field}");
        }
        let yes = json!({ "ticket": scanned["ticket"], "decision": "confirm" });
        let confirmed = world.miniapp(&other_pod, "confirm", &yes).await;
        assert_eq!(answer(confirmed, StatusCode::OK).await, json!({ "state": "confirmed" }));

        let events = world.events(scene).await;
        let [EventKind::Scanned(shown), EventKind::Confirmed(login)] = [&events[0].what, &events[1].what] else {
            panic!("{events:?}")
        };
        assert!(shown.profile.name.starts_with("WeChat user "), "{}", shown.profile.name);
        assert_eq!(login.profile, shown.profile);
        let body = json!({ "grant": login.grant, "state": STATE });
        let who = answer(world.redeem(OTHER_KEY, &body).send().await.unwrap(), StatusCode::OK).await;
        assert_eq!(
            (who["account"].as_str(), who["openid"].as_str()),
            (Some("mini"), Some(&*world.openid("chen", "mini")))
        );
        assert_eq!(who["unionid"].as_str().unwrap().len(), 28);
        for (call, outcome, pod) in [("scan", "scanned", world.pod()), ("confirm", "confirmed", &other_pod)] {
            let metric = format!("scenecast_miniapp_requests_total{{call=\"{call}\",outcome=\"{outcome}\"}}");
            assert_eq!(pod.metric(&metric), 1, "{metric}");
            assert_eq!(pod.metric(&format!("scenecast_scenes_total{{stage=\"{outcome}\"}}")), 1);
        }
    }
}

#[tokio::test]
async fn a_site_reads_the_records_of_a_mini_programs_people_and_registers_them() {
    let world = that_asks(Confirmation::None).await;
    scan(&world, "chen", open(&world).await).await;
    let users = format!("http://{}/v1/accounts/mini/users/{}", world.pod().internal, world.openid("chen", "mini"));
    let said = world.http.put(format!("{users}/registration")).bearer_auth(OTHER_KEY).body("{\"registered\":true}");
    assert_eq!(said.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let known = answer(world.http.get(users).bearer_auth(OTHER_KEY).send().await.unwrap(), StatusCode::OK).await;
    assert_eq!((&known["registered"], &known["logins"]), (&json!(true), &json!(1)));
    let scene = open(&world).await;
    scan(&world, "chen", scene).await;
    assert!(world.login(scene).await.registered);
}

#[tokio::test]
async fn a_person_who_says_no_is_not_logged_in() {
    let world = that_asks(Confirmation::Tap).await;
    let scene = open(&world).await;
    let scanned = scan(&world, "chen", scene).await;
    assert_eq!(say(&world, &scanned, "decline").await, json!({ "state": "declined" }));
    assert_eq!(state(&world, scene).await, SceneState::Declined);
    let too_late = json!({ "ticket": scanned["ticket"], "decision": "confirm" });
    let refused = world.miniapp(world.pod(), "confirm", &too_late).await;
    assert_eq!(problem(refused, StatusCode::CONFLICT).await, "scene_answered");
}

#[tokio::test]
async fn without_confirmation_opening_the_code_is_the_login() {
    let world = that_asks(Confirmation::None).await;
    let scene = open(&world).await;
    assert_eq!(scan(&world, "chen", scene).await["state"], "confirmed");
    assert!(world.login(scene).await.profile.name.starts_with("WeChat user "));
}

#[tokio::test]
async fn the_number_that_the_page_shows_has_to_be_picked_and_there_is_one_pick() {
    for (right, state) in [(true, "confirmed"), (false, "declined")] {
        let world = that_asks(Confirmation::Number).await;
        let scene = open(&world).await;
        let scanned = scan(&world, "chen", scene).await;
        let EventKind::Scanned(told) = &world.events(scene).await[0].what.clone() else { panic!("no scan") };
        let shown = u8::from(told.number.unwrap());
        let choices: Vec<u8> = serde_json::from_value(scanned["choices"].clone()).unwrap();
        assert!(choices.len() == 3 && choices.contains(&shown), "{choices:?}");
        let pick = choices.iter().find(|choice| (**choice == shown) == right).unwrap();

        let nothing = json!({ "ticket": scanned["ticket"], "decision": "confirm" });
        let refused = world.miniapp(world.pod(), "confirm", &nothing).await;
        assert_eq!(problem(refused, StatusCode::BAD_REQUEST).await, "bad_request", "nothing is no pick");
        for _ in ["once", "again, since the answer was lost"] {
            let picked = json!({ "ticket": scanned["ticket"], "decision": "confirm", "number": pick });
            let told = world.miniapp(world.pod(), "confirm", &picked).await;
            assert_eq!(answer(told, StatusCode::OK).await["state"], state);
        }
        assert_eq!(world.events(scene).await.len(), 2);
        let other = choices.iter().find(|choice| *choice != pick).unwrap();
        let second = json!({ "ticket": scanned["ticket"], "decision": "confirm", "number": other });
        let refused = world.miniapp(world.pod(), "confirm", &second).await;
        assert_eq!(problem(refused, StatusCode::CONFLICT).await, "scene_answered");
    }
}

#[tokio::test]
async fn a_repeated_call_changes_nothing_and_gets_the_same_answer() {
    for redis in [None, Some(RedisServer::start().await)] {
        let mut world = with(redis, Confirmation::Number).await;
        let other_pod = world.add_pod().await;
        let scene = open(&world).await;
        let scan = scan_of(scene, &world.js_code("chen"));
        // WeChat trades a js_code once, so only one of them gets its answer from WeChat.
        let (first, second) =
            tokio::join!(world.miniapp(world.pod(), "scan", &scan), world.miniapp(&other_pod, "scan", &scan));
        let first = answer(first, StatusCode::OK).await;
        assert_eq!(answer(second, StatusCode::OK).await["choices"], first["choices"]);
        let later = answer(world.miniapp(&other_pod, "scan", &scan).await, StatusCode::OK).await;
        assert_eq!(later["choices"], first["choices"]);
        assert!(world.simulator.calls(SESSION).total() <= 2, "of the later call WeChat hears nothing");

        let no = json!({ "ticket": first["ticket"], "decision": "decline" });
        for pod in [world.pod(), &other_pod] {
            assert_eq!(answer(world.miniapp(pod, "confirm", &no).await, StatusCode::OK).await["state"], "declined");
        }
        assert_eq!(world.events(scene).await.len(), 2);
    }
}

#[tokio::test]
async fn a_scan_that_is_repeated_after_the_answer_is_no_second_login() {
    let world = that_asks(Confirmation::Tap).await;
    let scene = open(&world).await;
    let scan = scan_of(scene, &world.js_code("chen"));
    let scanned = answer(world.miniapp(world.pod(), "scan", &scan).await, StatusCode::OK).await;
    assert_eq!(say(&world, &scanned, "confirm").await["state"], "confirmed");
    let again = answer(world.miniapp(world.pod(), "scan", &scan).await, StatusCode::OK).await;
    assert_eq!(again["state"], "confirmed");
    let body = json!({ "grant": world.login(scene).await.grant, "state": STATE });
    let who = answer(world.redeem(OTHER_KEY, &body).send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(who["logins"], 1);
}

#[tokio::test]
async fn only_the_person_who_opened_the_code_may_open_it_again_and_only_until_they_answer() {
    let world = that_asks(Confirmation::Tap).await;
    let scene = open(&world).await;
    scan(&world, "chen", scene).await;
    let again = scan(&world, "chen", scene).await;
    let somebody_else = world.miniapp(world.pod(), "scan", &scan_of(scene, &world.js_code("dora"))).await;
    assert_eq!(problem(somebody_else, StatusCode::CONFLICT).await, "scene_taken");
    assert_eq!(say(&world, &again, "confirm").await["state"], "confirmed");
    let answered = world.miniapp(world.pod(), "scan", &scan_of(scene, &world.js_code("chen"))).await;
    assert_eq!(problem(answered, StatusCode::CONFLICT).await, "scene_answered");
    assert_eq!(world.events(scene).await.len(), 2);
}

#[tokio::test]
async fn an_expired_scene_says_so() {
    let world = that_asks(Confirmation::Tap).await;
    let (given_up, waiting) = (open(&world).await, open(&world).await);
    let held = scan(&world, "chen", waiting).await;
    for scene in [given_up, waiting] {
        world.call(world.pod(), CANCEL_PATH, &json!({ "scene": scene })).await;
    }
    let brief = new_scene("mini");
    world.call(world.pod(), OPEN_PATH, &opening(brief, "mini", Duration::from_millis(1))).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    for scene in [given_up, brief] {
        let late = world.miniapp(world.pod(), "scan", &scan_of(scene, &world.js_code("chen"))).await;
        assert_eq!(problem(late, StatusCode::GONE).await, "scene_expired");
    }
    let yes = json!({ "ticket": held["ticket"], "decision": "confirm" });
    assert_eq!(problem(world.miniapp(world.pod(), "confirm", &yes).await, StatusCode::GONE).await, "scene_expired");
}

#[tokio::test]
async fn a_mini_program_logs_in_on_the_scenes_of_the_account_whose_fallback_it_is() {
    let world = that_asks(Confirmation::Tap).await;
    let (scene, _) = world.open().await;
    let scanned = scan(&world, "chen", scene).await;
    say(&world, &scanned, "confirm").await;
    let EventKind::Confirmed(login) = &world.events(scene).await[1].what.clone() else { panic!("no login") };
    let body = json!({ "grant": login.grant, "state": STATE });
    let who = answer(world.redeem(crate::world::API_KEY, &body).send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(who["account"], "mini", "whose openid it is");
    assert_eq!(who["openid"], world.openid("chen", "mini"));
}

#[tokio::test]
async fn on_a_stand_in_for_a_qr_code_the_stricter_confirmation_counts() {
    use Confirmation::{None as Nothing, Number, Tap};
    for (account, mini_program, is_asked, has_choices) in [
        (Number, Nothing, true, true),
        (Number, Tap, true, true),
        (Tap, Nothing, true, false),
        (Tap, Number, true, true),
        (Nothing, Tap, true, false),
        (Nothing, Nothing, false, false),
    ] {
        let world = CallbackWorld::with(Option::None, |settings| {
            settings.mini_programs.get_mut(&name("mini")).unwrap().confirmation = mini_program;
            let demo = settings.accounts.get_mut(&name("demo")).unwrap();
            demo.confirmation = account;
            demo.fallback_mini_program = Some(name("mini"));
            demo.qr_quota = 0;
        })
        .await;
        let scene = new_scene("demo");
        let opened = world.call(world.pod(), OPEN_PATH, &opening(scene, "demo", LIFE)).await;
        assert!(answer(opened, StatusCode::OK).await["mini_program"].is_object(), "the stand-in");
        let scanned = scan(&world, "chen", scene).await;
        assert_eq!(scanned["state"], if is_asked { "scanned" } else { "confirmed" }, "{account} and {mini_program}");
        assert_eq!(scanned["choices"].is_array(), has_choices, "{account} and {mini_program}");
        let own = open(&world).await;
        let on_own = scan(&world, "chen", own).await;
        let as_set = if mini_program == Nothing { "confirmed" } else { "scanned" };
        assert_eq!(on_own["state"], as_set, "its own scenes are as strict as itself");
    }
}

#[tokio::test]
async fn each_refusal_of_a_js_code_has_its_own_problem() {
    let world = that_asks(Confirmation::Tap).await;
    let scene = open(&world).await;
    for (failure, times, status, code, retry_after) in [
        (CallFailure::Code(40029), 1, StatusCode::BAD_REQUEST, "js_code_invalid", None),
        (CallFailure::Code(40163), 1, StatusCode::BAD_REQUEST, "js_code_invalid", None),
        (CallFailure::Code(40226), 1, StatusCode::FORBIDDEN, "person_blocked", None),
        (CallFailure::Code(45011), 1, StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", Some("60")),
        (CallFailure::Code(-1), 10, StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", Some("3")),
        (CallFailure::Html, 1, StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", Some("3")),
        (CallFailure::Closed, 10, StatusCode::SERVICE_UNAVAILABLE, "wechat_unavailable", Some("3")),
        (CallFailure::Code(40125), 1, StatusCode::BAD_GATEWAY, "wechat_refused", None),
    ] {
        world.simulator.fail_calls(SESSION, times, failure);
        let refused = world.miniapp(world.pod(), "scan", &scan_of(scene, &world.js_code("chen"))).await;
        let told = refused.headers().get("retry-after").map(|after| after.to_str().unwrap().to_owned());
        assert_eq!(told.as_deref(), retry_after, "{failure:?}");
        assert_eq!(problem(refused, status).await, code, "{failure:?}");
        world.simulator.set_faults(scenecast_simulator::Faults::default());
    }
    assert!(world.events(scene).await.is_empty());
}

#[tokio::test]
async fn js_codes_cost_no_calls_while_wechat_gives_no_answers_and_odd_answers_stop_nobody() {
    let world = that_asks(Confirmation::Tap).await;
    let scene = open(&world).await;
    let refused = async || {
        let refused = world.miniapp(world.pod(), "scan", &scan_of(scene, &world.js_code("chen"))).await;
        problem(refused, StatusCode::SERVICE_UNAVAILABLE).await
    };
    // Html and 403 may be a firewall's answers to what a stranger made up.
    for (failure, calls) in [(CallFailure::Html, 6), (CallFailure::Status(403), 6), (CallFailure::Status(502), 3)] {
        let before = world.simulator.calls(SESSION).total();
        world.simulator.fail_calls(SESSION, 1000, failure);
        for _ in 0..6 {
            assert_eq!(refused().await, "wechat_unavailable", "{failure:?}");
        }
        assert_eq!(world.simulator.calls(SESSION).total() - before, calls, "{failure:?}");
        world.simulator.set_faults(scenecast_simulator::Faults::default());
    }
    world.pass(Duration::from_secs(2));
    assert_eq!(scan(&world, "chen", scene).await["state"], "scanned");
}

#[tokio::test]
async fn while_redis_is_away_the_phone_is_told_to_come_back_and_the_repeated_call_works() {
    let mut world = with(Some(RedisServer::start().await), Confirmation::Tap).await;
    let scene = open(&world).await;
    world.redis.as_mut().unwrap().stop().await;
    let refused = world.miniapp(world.pod(), "scan", &scan_of(scene, &world.js_code("chen"))).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused, StatusCode::SERVICE_UNAVAILABLE).await, "bus_unavailable");
    world.redis.as_mut().unwrap().restart().await;
    let scanned = scan(&world, "chen", scene).await;
    assert_eq!(say(&world, &scanned, "confirm").await["state"], "confirmed");
}
