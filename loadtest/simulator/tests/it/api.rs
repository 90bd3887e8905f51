//! WeChat's API as callback pods call it.

use std::time::{Duration, Instant};

use reqwest::{Body, StatusCode, header::CONTENT_TYPE};
use scenecast_simulator::{CallFailure, Rights, SimulatedAccount, WeChatUser};
use serde_json::{Value, json};

use crate::world::{SECRET, SimulatorWorld, person, text};

const APP_ID: &str = SimulatedAccount::SAMPLE_APP_ID;
const STABLE_TOKEN: &str = "/cgi-bin/stable_token";

fn credentials(appid: &str, secret: &str) -> Value {
    json!({ "grant_type": "client_credential", "appid": appid, "secret": secret })
}

fn code(answer: &Value) -> i64 {
    answer["errcode"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn a_stable_token_stays_the_same_until_shortly_before_its_end() {
    let world = SimulatorWorld::new().await;
    let first = world.stable_token().await;
    assert_eq!(first["expires_in"], 7200);
    assert_eq!(text(&world.stable_token().await, "access_token"), text(&first, "access_token"));
    world.simulator.advance(Duration::from_secs(6900));
    assert_ne!(text(&world.stable_token().await, "access_token"), text(&first, "access_token"));
}

#[tokio::test]
async fn each_plain_token_is_new_and_leaves_the_stable_one_valid() {
    let world = SimulatorWorld::new().await;
    let path = format!("/cgi-bin/token?grant_type=client_credential&appid={APP_ID}&secret={SECRET}");
    let stable = world.access_token().await;
    let [one, two] = [world.get_json(&path).await, world.get_json(&path).await];
    assert_ne!(text(&one, "access_token"), text(&two, "access_token"));
    assert_eq!(world.access_token().await, stable);
}

#[tokio::test]
async fn each_wrong_credential_has_its_own_error() {
    let world = SimulatorWorld::new().await;
    for (body, errcode) in [
        (credentials(APP_ID, &SECRET.to_uppercase()), 40001),
        (credentials(APP_ID, "short"), 40125),
        (credentials(APP_ID, ""), 41004),
        (credentials("wxother", SECRET), 40013),
        (credentials("", SECRET), 41002),
        (json!({ "appid": APP_ID, "secret": SECRET }), 40002),
        (json!([]), 47001),
    ] {
        assert_eq!(code(&world.post_json(STABLE_TOKEN, &body).await), errcode, "{body}");
    }
}

#[tokio::test]
async fn a_call_needs_a_known_and_unexpired_token() {
    let world = SimulatorWorld::new().await;
    let call = async |token: &str| {
        let openid = world.openid("ann");
        code(&world.get_json(&format!("/cgi-bin/user/info?access_token={token}&openid={openid}")).await)
    };
    let token = world.access_token().await;
    assert_eq!(call(&token).await, 0);
    assert_eq!(call("").await, 41001);
    assert_eq!(call("made-up").await, 40001);
    world.simulator.advance(Duration::from_secs(7200));
    assert_eq!(call(&token).await, 42001);
}

#[tokio::test]
async fn tokens_can_be_made_to_expire_early() {
    let world = SimulatorWorld::new().await;
    let token = world.access_token().await;
    world.simulator.expire_tokens();
    let answer = world.get_json(&format!("/cgi-bin/user/info?access_token={token}&openid=o1")).await;
    assert_eq!(code(&answer), 42001);
    assert_ne!(world.access_token().await, token);
}

#[tokio::test]
async fn a_qr_code_has_an_address_and_a_picture_until_it_expires() {
    let world = SimulatorWorld::new().await;
    let made = world.create_qr("abc").await;
    assert_eq!(made["expire_seconds"], 60);
    assert!(text(&made, "url").starts_with(world.url("q/").as_str()));

    let mut picture = world.url("/cgi-bin/showqrcode");
    picture.query_pairs_mut().append_pair("ticket", &text(&made, "ticket"));
    let shown = world.get(picture.as_str()).await;
    assert_eq!(shown.headers()[CONTENT_TYPE], "image/svg+xml");
    assert!(shown.text().await.unwrap().starts_with("<svg"));

    world.simulator.advance(Duration::from_secs(60));
    assert_eq!(world.get(picture.as_str()).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(world.get("/cgi-bin/showqrcode?ticket=made-up").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn qr_codes_have_a_daily_quota() {
    let world = SimulatorWorld::with(|account| account.quota.qr_codes = 1).await;
    assert_eq!(code(&world.create_qr("a").await), 0);
    assert_eq!(code(&world.create_qr("b").await), 45009);
    world.simulator.advance(Duration::from_secs(24 * 3600));
    assert_eq!(code(&world.create_qr("c").await), 0);
}

#[tokio::test]
async fn an_account_without_the_right_to_a_call_is_refused() {
    for (rights, qr_codes, users) in [
        (Rights::VerifiedService, 0, 0),
        (Rights::VerifiedSubscription, 48001, 0),
        (Rights::UnverifiedService, 48001, 48001),
        (Rights::UnverifiedSubscription, 48001, 48001),
    ] {
        let world = SimulatorWorld::with(|account| account.rights = rights).await;
        assert_eq!(code(&world.create_qr("a").await), qr_codes, "{rights:?}");
        let path =
            format!("/cgi-bin/user/info?access_token={}&openid={}", world.access_token().await, world.openid("ann"));
        assert_eq!(code(&world.get_json(&path).await), users, "{rights:?}");
    }
}

#[tokio::test]
async fn wechat_tells_where_its_deliveries_come_from() {
    let networks = ["127.0.0.1", "101.226.103.0/25"].map(ToOwned::to_owned);
    let world = SimulatorWorld::with(|account| account.callback_ips = networks.to_vec()).await;
    let path = format!("/cgi-bin/getcallbackip?access_token={}", world.access_token().await);
    assert_eq!(world.get_json(&path).await, json!({ "ip_list": networks }));
    assert_eq!(code(&world.get_json("/cgi-bin/getcallbackip?access_token=made-up").await), 40001);
}

#[tokio::test]
async fn user_info_contains_what_wechat_still_tells() {
    let world = SimulatorWorld::with(|account| account.unionid = true).await;
    let token = world.access_token().await;
    let info = async |openid: &str| {
        world.get_json(&format!("/cgi-bin/user/info?access_token={token}&openid={openid}&lang=zh_CN")).await
    };
    let ann = info(&world.openid("ann")).await;
    assert_eq!((ann["subscribe"].as_i64(), text(&ann, "nickname")), (Some(1), "Ann".to_owned()));
    let avatar = world.get(&text(&ann, "headimgurl")).await;
    assert_eq!(avatar.headers()[CONTENT_TYPE], "image/svg+xml");

    let bo = info(&world.openid("bo")).await;
    assert_eq!((text(&bo, "nickname"), text(&bo, "headimgurl")), (String::new(), String::new()));
    assert_eq!(text(&bo, "unionid").len(), 28);

    assert_eq!(code(&info(&world.openid("chen")).await), 40003, "this person has had no contact with the account");
    world.scan("chen", "abc").await;
    assert_eq!(text(&info(&world.openid("chen")).await, "qr_scene_str"), "abc");

    world.simulator.unfollow(&person("bo"), &world.account).await.unwrap();
    assert_eq!(info(&world.openid("bo")).await, json!({ "subscribe": 0, "openid": world.openid("bo") }));
}

#[tokio::test]
async fn there_are_any_number_of_people() {
    let world = SimulatorWorld::new().await;
    let follows = |n| world.simulator.follows(&WeChatUser::nth(n), &world.account).unwrap();
    assert_eq!((follows(1), follows(2)), (true, false));
    let url = text(&world.create_qr("abc").await, "url");
    world.simulator.scan(&WeChatUser::nth(2), &url).await.unwrap();
    assert!(follows(2));
}

#[tokio::test]
async fn requests_have_to_follow_the_documentation() {
    let world = SimulatorWorld::new().await;
    assert_eq!(code(&world.get_json(STABLE_TOKEN).await), 43002);
    assert_eq!(code(&world.post_json("/cgi-bin/token", &json!({})).await), 43001);
    assert_eq!(world.get("/cgi-bin/no-such-call").await.status(), StatusCode::NOT_FOUND);

    let body = credentials(APP_ID, SECRET).to_string();
    let chunked = Body::wrap_stream(futures_util::stream::once(async { Ok::<_, std::io::Error>(body) }));
    let refused = world.http.post(world.url(STABLE_TOKEN)).body(chunked).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::PRECONDITION_FAILED, "WeChat's front end takes no chunked body");
}

#[tokio::test]
async fn calls_fail_as_often_as_set_and_are_counted_by_result() {
    let world = SimulatorWorld::new().await;
    world.simulator.fail_calls(STABLE_TOKEN, 2, CallFailure::Code(-1));
    world.simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::Html);
    world.simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::Empty);
    world.simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::Closed);

    assert_eq!([code(&world.stable_token().await), code(&world.stable_token().await)], [-1, -1]);
    let call = || world.http.post(world.url(STABLE_TOKEN)).json(&credentials(APP_ID, SECRET)).send();
    assert!(call().await.unwrap().text().await.unwrap().contains("<html>"));
    assert_eq!(call().await.unwrap().text().await.unwrap(), "");
    assert!(call().await.unwrap_err().is_request());
    assert_eq!(code(&world.stable_token().await), 0);

    let calls = world.simulator.calls(STABLE_TOKEN);
    assert_eq!(["-1", "html", "empty", "closed", "ok"].map(|result| calls.with(result)), [2, 1, 1, 1, 1]);
    assert_eq!(calls.total(), 6);
}

#[tokio::test]
async fn every_documented_error_can_happen_on_every_call() {
    let world = SimulatorWorld::new().await;
    let http = &world.http;
    for path in [
        "/cgi-bin/token",
        "/cgi-bin/getcallbackip",
        "/cgi-bin/user/info",
        STABLE_TOKEN,
        "/cgi-bin/qrcode/create",
        "/wxa/getwxacodeunlimit",
        "/sns/jscode2session",
    ] {
        for errcode in [
            -1, 40001, 40002, 40003, 40013, 40014, 40029, 40033, 40053, 40097, 40125, 40129, 40159, 40163, 40164,
            40169, 40226, 40243, 41001, 41002, 41004, 41030, 42001, 43004, 45009, 45011, 45015, 45029, 45047, 46004,
            47001, 48001, 48004, 50001, 89501, 89503, 89506, 89507,
        ] {
            world.simulator.fail_calls(path, 1, CallFailure::Code(errcode));
            let answer: Value = http.get(world.url(path)).send().await.unwrap().json().await.unwrap();
            assert_eq!(code(&answer), errcode, "{path}");
            let message = text(&answer, "errmsg");
            assert!(!message.starts_with("refused") && message.contains(" rid: "), "{message}");
            assert_eq!(world.simulator.calls(path).with(&errcode.to_string()), 1);
        }
    }
    world.simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::Code(40164));
    let refused = text(&world.stable_token().await, "errmsg");
    assert!(refused.starts_with("invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid: "), "{refused}");
}

#[tokio::test]
async fn each_call_is_logged_with_its_result_and_its_token_but_not_the_tokens_text() {
    let world = SimulatorWorld::new().await;
    let info = async |token: &str| {
        world.get(&format!("/cgi-bin/user/info?access_token={token}&openid={}", world.openid("ann"))).await
    };
    let first = world.access_token().await;
    info(&first).await;
    world.simulator.expire_tokens();
    info(&first).await;
    world.simulator.advance(Duration::from_secs(3600));
    let second = world.access_token().await;
    info(&second).await;
    info("made-up").await;

    let log = world.simulator.call_log();
    let lines: Vec<_> = log
        .iter()
        .map(|call| {
            let generation = call.token.as_ref().map(|token| token.generation);
            (call.path.as_str(), call.result.as_str(), generation)
        })
        .collect();
    let user_info = "/cgi-bin/user/info";
    assert_eq!(
        lines,
        [
            (STABLE_TOKEN, "ok", Some(1)),
            (user_info, "ok", Some(1)),
            (user_info, "42001", Some(1)),
            (STABLE_TOKEN, "ok", Some(2)),
            (user_info, "ok", Some(2)),
            (user_info, "40001", None),
        ]
    );
    assert!(log.iter().flat_map(|call| &call.token).all(|token| token.account == world.account));
    assert!(log[3].at_ms - log[2].at_ms >= 3_600_000, "by WeChat's clock");
    let shown = world.get("/sim/call-log").await.text().await.unwrap();
    assert!(!shown.contains(&first) && shown.contains(r#""token":{"account":"demo","generation":2}"#), "{shown}");
}

#[tokio::test]
async fn two_forced_refreshes_half_a_minute_apart_invalidate_the_token_before_them() {
    let world = SimulatorWorld::new().await;
    let old = world.access_token().await;
    let mut forced = credentials(APP_ID, SECRET);
    forced["force_refresh"] = true.into();
    let force = async || text(&world.post_json(STABLE_TOKEN, &forced).await, "access_token");
    let first = force().await;
    assert_eq!(force().await, first, "not within half a minute");
    world.simulator.advance(Duration::from_secs(30));
    assert_ne!(force().await, first);
    let dead = world.get_json(&format!("/cgi-bin/getcallbackip?access_token={old}")).await;
    assert_eq!(code(&dead), 40001);
}

#[tokio::test]
async fn a_call_can_be_slow() {
    let world = SimulatorWorld::new().await;
    world.simulator.fail_calls(STABLE_TOKEN, 1, CallFailure::SlowMs(50));
    let asked = Instant::now();
    world.access_token().await;
    assert!(asked.elapsed() >= Duration::from_millis(50));
}
