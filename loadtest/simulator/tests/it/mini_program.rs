//! A mini program: its codes, and its logins.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use scenecast_simulator::{ActionError, CallFailure, MiniProgramLaunch, SimulatedAccount, read_code};
use serde_json::{Value, json};

use crate::world::{SECRET, SimulatorWorld, person, text};

const CODE: &str = "/wxa/getwxacodeunlimit";

async fn world() -> SimulatorWorld {
    SimulatorWorld::with_mini_program(|_| ()).await
}

async fn ask_for_code(world: &SimulatorWorld, body: &Value) -> reqwest::Response {
    let url = world.url(&format!("{CODE}?access_token={}", world.access_token().await));
    world.http.post(url).json(body).send().await.unwrap()
}

async fn code_error(world: &SimulatorWorld, body: &Value) -> Value {
    ask_for_code(world, body).await.json::<Value>().await.unwrap()["errcode"].clone()
}

/// The content of a new code for this scene.
async fn code(world: &SimulatorWorld, scene: &str) -> String {
    let picture = ask_for_code(world, &json!({ "scene": scene })).await.bytes().await.unwrap();
    read_code(&picture).unwrap()
}

async fn session(world: &SimulatorWorld, js_code: &str) -> Value {
    let appid = SimulatedAccount::SAMPLE_MINI_APP_ID;
    let query = format!("appid={appid}&secret={SECRET}&js_code={js_code}&grant_type=authorization_code");
    let response = world.get(&format!("/sns/jscode2session?{query}")).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_code_is_a_picture_that_opens_the_page_with_its_scene() {
    let world = world().await;
    for (wanted, content_type) in
        [(json!({ "scene": "a" }), "image/jpeg"), (json!({ "scene": "a", "is_hyaline": true }), "image/png")]
    {
        assert_eq!(ask_for_code(&world, &wanted).await.headers()[CONTENT_TYPE], content_type);
    }
    let url = code(&world, "a=1&b=~").await;
    let launch = world.simulator.scan_code(&url).unwrap();
    assert_eq!(
        launch,
        MiniProgramLaunch {
            account: world.account.clone(),
            page: SimulatedAccount::SAMPLE_PAGE.to_owned(),
            query_scene: "a%3D1%26b%3D~".to_owned(),
            deep_link: format!(
                "weixin://dl/business/?appid={}&path={}&query=scene%3Da%253D1%2526b%253D~&env_version=release",
                SimulatedAccount::SAMPLE_MINI_APP_ID,
                SimulatedAccount::SAMPLE_PAGE
            ),
        }
    );
    assert_eq!(launch.scene(), "a=1&b=~");
    world.simulator.advance(Duration::from_secs(365 * 24 * 3600));
    assert!(world.simulator.scan_code(&url).is_ok(), "these codes don't expire");
}

#[tokio::test]
async fn a_bad_request_is_refused_with_json() {
    let world = world().await;
    for (body, errcode) in [
        (json!({ "scene": "x".repeat(33) }), 40169),
        (json!({ "scene": "100%" }), 40129),
        (json!({ "scene": "a", "page": "/pages/login/login" }), 41030),
        (json!({ "scene": "a", "page": "pages/unknown" }), 41030),
        (json!({ "scene": "a", "env_version": "beta" }), 40097),
        (json!([]), 47001),
    ] {
        assert_eq!(code_error(&world, &body).await, errcode, "{body}");
    }
    let unreleased = ask_for_code(&world, &json!({ "scene": "a", "page": "pages/next", "check_path": false })).await;
    let url = read_code(&unreleased.bytes().await.unwrap()).unwrap();
    assert_eq!(world.simulator.scan_code(&url).unwrap().page, "pages/next");
}

#[tokio::test]
async fn codes_have_a_quota_a_minute() {
    let world = SimulatorWorld::with_mini_program(|account| account.quota.page_codes = 1).await;
    code(&world, "a").await;
    assert_eq!(code_error(&world, &json!({ "scene": "b" })).await, 45011);
    world.simulator.advance(Duration::from_secs(60));
    code(&world, "b").await;
}

#[tokio::test]
async fn a_login_code_is_valid_once_and_for_five_minutes() {
    let world = SimulatorWorld::with_mini_program(|account| account.unionid = true).await;
    let log_in = || world.simulator.wx_login(&person("ann"), &world.account).unwrap();
    let js_code = log_in();
    let session_of_ann = session(&world, &js_code).await;
    assert_eq!(text(&session_of_ann, "openid"), world.openid("ann"));
    assert_eq!((text(&session_of_ann, "unionid").len(), text(&session_of_ann, "session_key").len()), (28, 24));
    assert_eq!(session(&world, &js_code).await["errcode"], 40163);

    let late = log_in();
    world.simulator.advance(Duration::from_secs(300));
    assert_eq!(session(&world, &late).await["errcode"], 40029);
    assert_eq!(session(&world, "made-up").await["errcode"], 40029);
    assert_eq!(session(&world, "").await["errcode"], 41008);
}

#[tokio::test]
async fn wrong_credentials_do_not_use_up_a_login_code() {
    let world = world().await;
    let js_code = world.simulator.wx_login(&person("ann"), &world.account).unwrap();
    let app_id = SimulatedAccount::SAMPLE_MINI_APP_ID;
    for (query, errcode) in [
        (format!("appid={app_id}&secret={}&grant_type=authorization_code", SECRET.to_uppercase()), 40125),
        (format!("appid={app_id}&grant_type=authorization_code"), 41004),
        (format!("appid=wxother&secret={SECRET}&grant_type=authorization_code"), 40013),
        (format!("appid={app_id}&secret={SECRET}&grant_type=client_credential"), 40002),
    ] {
        let answer = world.get(&format!("/sns/jscode2session?{query}&js_code={js_code}")).await;
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(answer["errcode"], errcode, "{query}");
    }
    assert_eq!(text(&session(&world, &js_code).await, "openid"), world.openid("ann"));
}

#[tokio::test]
async fn logins_of_one_person_have_a_quota_a_minute() {
    let world = SimulatorWorld::with_mini_program(|account| account.quota.sessions = 1).await;
    let log_in = |persona: &str| world.simulator.wx_login(&person(persona), &world.account).unwrap();
    assert_eq!(session(&world, &log_in("ann")).await["errcode"], Value::Null);
    assert_eq!(session(&world, &log_in("ann")).await["errcode"], 45011);
    assert_eq!(session(&world, &log_in("bo")).await["errcode"], Value::Null);
}

#[tokio::test]
async fn a_person_may_be_refused_as_too_risky() {
    let world = world().await;
    world.simulator.fail_calls("/sns/jscode2session", 1, CallFailure::Code(40226));
    let js_code = world.simulator.wx_login(&person("ann"), &world.account).unwrap();
    let refused = session(&world, &js_code).await;
    assert_eq!(refused["errcode"], 40226);
    assert!(text(&refused, "errmsg").starts_with("code blocked, rid: "));
}

#[tokio::test]
async fn each_kind_of_account_has_its_own_actions() {
    let official = SimulatorWorld::new().await;
    let mini = world().await;
    assert_eq!(mini.create_qr("a").await["errcode"], 48001);
    assert_eq!(code_error(&official, &json!({ "scene": "a" })).await, 48001);
    let openid = mini.openid("ann");
    let path = format!("/cgi-bin/user/info?access_token={}&openid={openid}", mini.access_token().await);
    assert_eq!(mini.get_json(&path).await["errcode"], 48001);

    let ann = person("ann");
    assert_eq!(official.simulator.wx_login(&ann, &official.account), Err(ActionError::WrongAccountKind));
    let url = text(&official.create_qr("a").await, "url");
    assert_eq!(official.simulator.scan_code(&url), Err(ActionError::WrongAccountKind));
    let url = code(&mini, "a").await;
    assert_eq!(mini.simulator.scan(&ann, &url).await.unwrap_err(), ActionError::WrongAccountKind);
    assert_eq!(mini.simulator.say(&ann, &mini.account, "hi").await.unwrap_err(), ActionError::WrongAccountKind);
}

#[tokio::test]
async fn the_phone_opens_the_page_and_logs_in() {
    let world = world().await;
    let url = code(&world, "a&b").await;
    let look = world.get(&url).await.text().await.unwrap();
    assert!(look.contains("code of this mini program") && look.contains("id=\"persona-chen\""), "{look}");
    let post =
        async |form: &[(&str, &str)]| world.http.post(&url).form(form).send().await.unwrap().text().await.unwrap();
    let page = post(&[("person", "chen")]).await;
    assert!(page.contains("<dd id=\"page\">pages/login/login</dd>"), "{page}");
    assert!(page.contains("<dd id=\"scene\">a&#38;b</dd>") && page.contains("id=\"deep-link\""), "{page}");
    assert!(!page.contains("id=\"js-code\""), "{page}");

    let page = post(&[("person", "chen"), ("log_in", "true")]).await;
    let js_code = page.split_once("id=\"js-code\">").unwrap().1.split_once('<').unwrap().0;
    assert_eq!(text(&session(&world, js_code).await, "openid"), world.openid("chen"));
}
