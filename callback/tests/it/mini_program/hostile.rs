//! What a foreign or hostile mini program may post.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use scenecast_scene::{
    SceneId,
    internal::{CANCEL_PATH, OPEN_PATH},
};
use serde_json::{Value, json};

use crate::world::{CallbackWorld, LIFE, answer, new_scene, opening, problem};

const SESSION: &str = "/sns/jscode2session";

async fn open(world: &CallbackWorld, account: &str) -> SceneId {
    let scene = new_scene(account);
    answer(world.call(world.pod(), OPEN_PATH, &opening(scene, account, LIFE)).await, StatusCode::OK).await;
    scene
}

async fn refused(world: &CallbackWorld, call: &str, body: &Value, status: StatusCode) -> String {
    problem(world.miniapp(world.pod(), call, body).await, status).await
}

#[tokio::test]
async fn a_malformed_scene_is_unknown_and_costs_no_call_of_wechat() {
    let world = CallbackWorld::new().await;
    let scene = open(&world, "mini").await.to_string();
    for shape in [
        String::new(),
        "0".to_owned(),
        "1700000000".to_owned(),
        format!("0{scene}"),
        format!("00{}", &scene[2..20]),
        format!("{scene}="),
        format!(" {}", &scene[1..]),
        format!("{}+", &scene[1..]),
        format!("{}%", &scene[1..]),
        scene[1..].to_owned(),
        "é".repeat(11),
        "x".repeat(32),
        "x".repeat(3000),
        format!("scene={scene}"),
        "a=1&b=2".to_owned(),
    ] {
        let body = json!({ "account": "mini", "js_code": world.js_code("chen"), "scene": shape });
        assert_eq!(refused(&world, "scan", &body, StatusCode::NOT_FOUND).await, "scene_unknown", "{shape}");
    }
    assert_eq!(world.simulator.calls(SESSION).total(), 0);
}

#[tokio::test]
async fn where_nobody_can_log_in_a_made_up_js_code_costs_no_call_of_wechat() {
    for world in CallbackWorld::each().await {
        let (others, _) = world.open().await;
        let scanned = async |scene: SceneId| {
            let body = json!({ "account": "mini", "js_code": world.js_code("chen"), "scene": scene });
            answer(world.miniapp(world.pod(), "scan", &body).await, StatusCode::OK).await
        };
        let says = async |scene: SceneId, decision: &str| {
            let body = json!({ "ticket": scanned(scene).await["ticket"], "decision": decision });
            answer(world.miniapp(world.pod(), "confirm", &body).await, StatusCode::OK).await;
        };
        let [cancelled, confirmed, declined, brief] = ["mini"; 4].map(new_scene);
        for scene in [cancelled, confirmed, declined] {
            answer(world.call(world.pod(), OPEN_PATH, &opening(scene, "mini", LIFE)).await, StatusCode::OK).await;
        }
        world.call(world.pod(), OPEN_PATH, &opening(brief, "mini", Duration::from_millis(1))).await;
        world.call(world.pod(), CANCEL_PATH, &json!({ "scene": cancelled })).await;
        says(confirmed, "confirm").await;
        says(declined, "decline").await;
        let before = world.simulator.calls(SESSION).total();
        for (scene, status, code) in [
            (new_scene("mini"), StatusCode::NOT_FOUND, "scene_unknown"),
            (others, StatusCode::NOT_FOUND, "scene_unknown"),
            (cancelled, StatusCode::GONE, "scene_expired"),
            (brief, StatusCode::GONE, "scene_expired"),
            (confirmed, StatusCode::CONFLICT, "scene_answered"),
            (declined, StatusCode::CONFLICT, "scene_answered"),
        ] {
            for js_code in ["made-up-1", "made-up-2"] {
                let body = json!({ "account": "mini", "js_code": js_code, "scene": scene });
                assert_eq!(refused(&world, "scan", &body, status).await, code);
            }
        }
        assert_eq!(world.simulator.calls(SESSION).total(), before);
    }
}

#[tokio::test]
async fn wechat_is_asked_about_a_made_up_js_code_once() {
    for mut world in CallbackWorld::each().await {
        let scene = open(&world, "mini").await;
        let other_pod = world.add_pod().await;
        let body = json!({ "account": "mini", "js_code": "made-up", "scene": scene });
        for pod in [world.pod(), &other_pod, &other_pod] {
            let again = world.miniapp(pod, "scan", &body).await;
            assert_eq!(problem(again, StatusCode::BAD_REQUEST).await, "js_code_invalid");
        }
        assert_eq!(world.simulator.calls(SESSION).total(), 1);
    }
}

#[tokio::test]
async fn of_equal_calls_at_the_same_time_one_asks_wechat_and_all_get_its_answer() {
    for mut world in CallbackWorld::each().await {
        let scene = open(&world, "mini").await;
        let other_pod = world.add_pod().await;
        for (js_code, status) in
            [("made-up".to_owned(), StatusCode::BAD_REQUEST), (world.js_code("chen"), StatusCode::OK)]
        {
            let before = world.simulator.calls(SESSION).total();
            let body = json!({ "account": "mini", "js_code": js_code, "scene": scene });
            let pods = [world.pod(), &other_pod].into_iter().cycle().take(20);
            let answers = join_all(pods.map(|pod| world.miniapp(pod, "scan", &body))).await;
            assert!(answers.iter().all(|answer| answer.status() == status), "{answers:?}");
            assert_eq!(world.simulator.calls(SESSION).total(), before + 1, "{status}");
        }
    }
}

#[tokio::test]
async fn another_accounts_scene_is_unknown_and_stays_as_it_is() {
    for world in CallbackWorld::each().await {
        let (scene, qr_url) = world.open().await;
        let scan = || json!({ "account": "mini", "js_code": world.js_code("chen"), "scene": scene });
        assert_eq!(refused(&world, "scan", &scan(), StatusCode::NOT_FOUND).await, "scene_unknown");
        assert!(world.events(scene).await.is_empty());
        world.scan("bo", &qr_url).await;
        assert_eq!(
            refused(&world, "scan", &scan(), StatusCode::NOT_FOUND).await,
            "scene_unknown",
            "nor whether it is taken"
        );
        let nowhere = json!({ "account": "mini", "js_code": world.js_code("chen"), "scene": new_scene("mini") });
        assert_eq!(refused(&world, "scan", &nowhere, StatusCode::NOT_FOUND).await, "scene_unknown");
    }
}

#[tokio::test]
async fn a_js_code_is_good_for_one_scene_of_its_own_mini_program() {
    for world in CallbackWorld::each().await {
        let (scene, another) = (open(&world, "mini").await, open(&world, "mini").await);
        let scan = |scene: SceneId, js_code: &str| json!({ "account": "mini", "js_code": js_code, "scene": scene });
        for (js_code, code) in [
            ("made-up-0123456789abcdef01234567", "js_code_invalid"),
            ("", "js_code_invalid"),
            ("with space", "js_code_invalid"),
            ("a&secret=b", "js_code_invalid"),
            (&"x".repeat(129), "js_code_invalid"),
        ] {
            assert_eq!(
                refused(&world, "scan", &scan(scene, js_code), StatusCode::BAD_REQUEST).await,
                code,
                "{js_code}"
            );
        }
        let used = world.js_code("chen");
        answer(world.miniapp(world.pod(), "scan", &scan(scene, &used)).await, StatusCode::OK).await;
        let elsewhere = refused(&world, "scan", &scan(another, &used), StatusCode::BAD_REQUEST).await;
        assert_eq!(elsewhere, "js_code_invalid");
        assert!(world.events(another).await.is_empty());
    }
}

#[tokio::test]
async fn a_malformed_call_is_refused() {
    let world = CallbackWorld::new().await;
    let scene = open(&world, "mini").await;
    let scan = json!({ "account": "mini", "js_code": world.js_code("chen"), "scene": scene });
    let with = |field: &str, value: Value| {
        let mut scan = scan.clone();
        scan[field] = value;
        scan
    };
    for (body, status, code) in [
        (json!([]), StatusCode::BAD_REQUEST, "bad_request"),
        (json!({}), StatusCode::BAD_REQUEST, "bad_request"),
        (with("account", json!("Mini")), StatusCode::BAD_REQUEST, "bad_request"),
        (with("account", json!("demo")), StatusCode::NOT_FOUND, "account_unknown"),
        (with("account", json!("nobody")), StatusCode::NOT_FOUND, "account_unknown"),
        (with("scene", json!(1)), StatusCode::BAD_REQUEST, "bad_request"),
        (with("js_code", Value::Null), StatusCode::BAD_REQUEST, "bad_request"),
        (with("openid", json!("oSomebody")), StatusCode::BAD_REQUEST, "bad_request"),
        (with("js_code", json!("x".repeat(4096))), StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
    ] {
        assert_eq!(refused(&world, "scan", &body, status).await, code, "{body:.80}");
    }
    for call in ["scan", "confirm"] {
        let url = format!("http://{}/v1/miniapp/{call}", world.pod().public);
        let got = world.http.get(url).send().await.unwrap();
        assert_eq!(problem(got, StatusCode::METHOD_NOT_ALLOWED).await, "method_not_allowed");
    }
    assert_eq!(world.simulator.calls(SESSION).total(), 0);
    answer(world.miniapp(world.pod(), "scan", &scan).await, StatusCode::OK).await;
}

#[tokio::test]
async fn a_ticket_is_good_for_its_own_scan_only() {
    for world in CallbackWorld::each().await {
        let (scene, another) = (open(&world, "mini").await, open(&world, "mini").await);
        let scan = async |persona: &str, scene: SceneId| {
            let body = json!({ "account": "mini", "js_code": world.js_code(persona), "scene": scene });
            let scanned = answer(world.miniapp(world.pod(), "scan", &body).await, StatusCode::OK).await;
            scanned["ticket"].as_str().unwrap().to_owned()
        };
        let (chens, doras) = (scan("chen", scene).await, scan("dora", another).await);
        let unscanned = open(&world, "mini").await;
        let with_scene = |ticket: &str, from: SceneId, to: SceneId| ticket.replace(&from.to_string(), &to.to_string());
        for (ticket, status, code) in [
            (String::new(), StatusCode::FORBIDDEN, "ticket_invalid"),
            ("made up".to_owned(), StatusCode::FORBIDDEN, "ticket_invalid"),
            (chens.replace("mini.", "demo."), StatusCode::FORBIDDEN, "ticket_invalid"),
            (with_scene(&chens, scene, another), StatusCode::FORBIDDEN, "ticket_invalid"),
            (with_scene(&doras, another, scene), StatusCode::FORBIDDEN, "ticket_invalid"),
            (with_scene(&chens, scene, unscanned), StatusCode::NOT_FOUND, "scene_unknown"),
            (with_scene(&chens, scene, new_scene("mini")), StatusCode::NOT_FOUND, "scene_unknown"),
            (chens[..chens.len() - 1].to_owned(), StatusCode::FORBIDDEN, "ticket_invalid"),
        ] {
            let body = json!({ "ticket": ticket, "decision": "confirm" });
            assert_eq!(refused(&world, "confirm", &body, status).await, code, "{ticket}");
        }
        for body in [
            json!({ "ticket": chens, "decision": "maybe" }),
            json!({ "ticket": chens, "decision": "confirm", "number": 42 }),
            json!({ "ticket": chens, "decision": "decline", "number": 42 }),
            json!({ "ticket": chens, "decision": "confirm", "number": "42" }),
            json!({ "ticket": chens, "decision": "confirm", "number": 420 }),
            json!({ "ticket": chens }),
        ] {
            assert_eq!(refused(&world, "confirm", &body, StatusCode::BAD_REQUEST).await, "bad_request", "{body}");
        }
        for scene in [scene, another] {
            assert_eq!(world.events(scene).await.len(), 1, "still to be answered");
        }
        assert!(!chens.contains(&world.openid("chen", "mini")));
    }
}
