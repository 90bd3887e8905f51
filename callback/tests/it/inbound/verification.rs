//! WeChat verifies that an address belongs to the account.

use reqwest::{Method, Response, StatusCode};
use scenecast_callback::config::Mode;
use scenecast_scene::Rotating;

use crate::world::{CallbackWorld, ORIGINAL_ID, TOKEN, event, name, problem, signed, signed_by, unix_now};

async fn get(world: &CallbackWorld, account: &str, query: &str) -> Response {
    world.http.get(format!("http://{}/wechat/{account}?{query}", world.pod().public)).send().await.unwrap()
}

#[tokio::test]
async fn the_echo_comes_back_as_it_was_sent() {
    let world = CallbackWorld::new().await;
    world.simulator.verify_url(&name("demo")).await.unwrap();
    let echoed = get(&world, "demo", &format!("{}&echostr=%22%3Cb%3E+x%22", signed())).await;
    assert_eq!(echoed.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(echoed.headers()["x-content-type-options"], "nosniff");
    assert_eq!(echoed.text().await.unwrap(), "\"<b> x\"");
}

#[tokio::test]
async fn a_signature_by_the_previous_token_is_accepted_and_counted() {
    let world = CallbackWorld::with(None, |settings| {
        let demo = settings.accounts.get_mut(&name("demo")).unwrap();
        demo.token = Rotating { current: TOKEN.into(), previous: Some("oldToken".into()) };
    })
    .await;
    let now = unix_now().as_secs();
    let line = "scenecast_previous_secrets_used_total{setting=\"accounts.demo.token\"}";
    for (query, uses) in [(signed(), 0), (signed_by("oldToken", now), 1), (signed(), 1)] {
        let echoed = get(&world, "demo", &format!("{query}&echostr=echo")).await;
        assert_eq!((echoed.status(), world.pod().metric(line)), (StatusCode::OK, uses), "{query}");
    }
}

#[tokio::test]
async fn a_verification_that_wechat_did_not_sign_gets_no_echo() {
    let world = CallbackWorld::new().await;
    let without = get(&world, "demo", &signed()).await;
    assert_eq!(problem(without, StatusCode::BAD_REQUEST).await, "bad_request");
    let now = unix_now().as_secs();
    for (account, query, status, code) in [
        ("nobody", signed(), StatusCode::NOT_FOUND, "account_unknown"),
        ("No%20body", signed(), StatusCode::NOT_FOUND, "account_unknown"),
        ("demo", signed_by("wrong", now), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", signed_by(TOKEN, now - 301), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", signed_by(TOKEN, now + 305), StatusCode::FORBIDDEN, "signature_invalid"),
        ("demo", signed().replace("nonce", "once"), StatusCode::BAD_REQUEST, "bad_request"),
        ("demo", format!("{}&nonce=2", signed()), StatusCode::BAD_REQUEST, "bad_request"),
        ("demo", String::new(), StatusCode::BAD_REQUEST, "bad_request"),
    ] {
        let refused = get(&world, account, &format!("{query}&echostr=echo")).await;
        assert_eq!(problem(refused, status).await, code, "{account} {query}");
    }
}

#[tokio::test]
async fn the_log_says_why_a_verification_was_refused() {
    let world = CallbackWorld::with(None, |settings| {
        settings.accounts.get_mut(&name("other")).unwrap().token = Rotating::fixed("anotherToken");
        settings.accounts.get_mut(&name("other")).unwrap().path = Some("/wx/Callback".to_owned().try_into().unwrap());
    })
    .await;
    let now = unix_now().as_secs();
    let of_wecom = signed().replace("signature=", "msg_signature=");
    for (path, query, said) in [
        ("/wechat/demo/", signed(), "path=\"/wechat/demo/\" code=\"account_unknown\""),
        ("/wechat/demo/", signed(), "did you mean /wechat/demo?"),
        ("/wechat/DEMO", signed(), "path=\"/wechat/DEMO\""),
        ("//wechat/demo", signed(), "path=\"//wechat/demo\""),
        ("/wx/callback", signed(), "did you mean /wx/Callback?"),
        ("/wechat/nobody", signed(), "path=\"/wechat/nobody\" code=\"account_unknown\""),
        ("/wechat/demo", signed_by("wrongToken", now), "does not match this account's token"),
        ("/wechat/demo", signed_by("anotherToken", now), "signed with the token of account other"),
        ("/wechat/demo", signed_by(TOKEN, now - 360), "s behind this server's clock"),
        ("/wechat/demo", signed_by(TOKEN, now + 400), "s ahead of this server's clock"),
        ("/wechat/demo", of_wecom, "WeCom"),
        ("/wechat/demo", "timestamp=1&nonce=2".to_owned(), "its query has no signature"),
        ("/wechat/demo", "timestamp=1&nonce=2&encrypt_type=aes".to_owned(), "its query has no signature"),
        ("/wechat/demo", String::new(), "does a proxy before the callbacks cut it off?"),
    ] {
        let query = if query.is_empty() { query } else { format!("?{query}&echostr=echo") };
        let refused = world.http.get(format!("http://{}{path}{query}", world.pod().public)).send().await.unwrap();
        assert!(refused.status().is_client_error(), "{path}");
        let log = crate::world::logs::text();
        assert!(log.lines().any(|line| line.contains("refused to verify an address") && line.contains(said)), "{said}");
    }
    let refused = world.delivery("demo", &signed_by("anotherToken", now), event("SCAN", "x")).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let log = crate::world::logs::text();
    assert!(log.lines().any(|line| line.contains("refused a request to WeChat") && line.contains("of account other")));
}

#[tokio::test]
async fn the_log_says_what_to_do_about_each_refused_message() {
    let world = CallbackWorld::in_mode(None, Mode::Plain).await;
    let now = unix_now().as_secs();
    let query = signed();
    let message = event("SCAN", "a-poster");
    let first = world.delivery("demo", &query, message.clone()).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let encrypted = format!("{}&encrypt_type=aes", signed());
    let of_another = message.replace(ORIGINAL_ID, "gh_another");
    for (query, body, code, said) in [
        (query, event("SCAN", "another-poster"), "signature_reused", "change the token"),
        (signed_by("wrongToken", now), message.clone(), "signature_invalid", "compare the token with"),
        (encrypted, message.clone(), "mode_mismatch", "compare the mode"),
        (signed(), of_another, "wrong_account", "compare original_id"),
    ] {
        let refused = world.delivery("demo", &query, body).send().await.unwrap();
        assert_eq!(problem(refused, StatusCode::FORBIDDEN).await, code);
        let log = crate::world::logs::text();
        let is_said = |line: &str| line.contains(&format!("code=\"{code}\"")) && line.contains(said);
        assert!(log.lines().any(is_said), "{code}");
    }
}

#[tokio::test]
async fn requests_for_another_listener_are_named_at_both_ports() {
    let world = CallbackWorld::new().await;
    let pod = world.pod();
    let (public, internal) = (pod.public, pod.internal);
    let counted = || world.metric("scenecast_bad_requests_total{why=\"misplaced\"}");
    for (address, method, path) in [
        (public, Method::POST, "/v1/redeem"),
        (public, Method::GET, "/v1/accounts/demo/users/o-hush"),
        (public, Method::PUT, "/v1/accounts/demo/users/o-hush/registration"),
        (public, Method::POST, "/internal/scenes/open"),
        (public, Method::POST, "/v1/scenes"),
        (public, Method::GET, "/v1/ws"),
        (public, Method::OPTIONS, "/v1/scenes"),
        (public, Method::GET, "/v1/scenecast.js"),
        (public, Method::GET, "/metrics"),
        (internal, Method::POST, "/wechat/demo"),
        (internal, Method::GET, "/own/path?signature=s&timestamp=1&nonce=2&echostr=e"),
        (internal, Method::POST, "/v1/miniapp/confirm"),
        (internal, Method::POST, "/v1/scenes"),
        (internal, Method::GET, "/metrics"),
    ] {
        let before = counted();
        let refused = world.http.request(method, format!("http://{address}{path}")).send().await.unwrap();
        assert!(matches!(refused.status().as_u16(), 404 | 405), "{path}: {}", refused.status());
        assert!(!refused.text().await.unwrap().contains("listen"), "{path}");
        assert_eq!(counted(), before + 1, "{path}");
    }
    let log = crate::world::logs::text();
    let all_of = |said: &[&str]| log.lines().any(|line| said.iter().all(|said| line.contains(said)));
    assert!(
        all_of(&["belongs to another listener", "/v1/redeem", "belongs to the callbacks' listen.internal"]),
        "{log}"
    );
    assert!(!all_of(&["a request to WeChat's address; if it was WeChat", "path=\"/v1/"]), "named once, and rightly");
    let before = counted();
    for (address, path) in [(public, "/"), (public, "/wechat/nobody"), (internal, "/v1/redeem"), (internal, "/x")] {
        assert!(world.http.get(format!("http://{address}{path}")).send().await.unwrap().status().is_client_error());
    }
    assert_eq!(counted(), before);
}

#[tokio::test]
async fn other_paths_and_methods_get_a_problem() {
    let world = CallbackWorld::new().await;
    let pod = world.pod();
    let nowhere = world.http.get(format!("http://{}/", pod.public)).send().await.unwrap();
    assert_eq!(problem(nowhere, StatusCode::NOT_FOUND).await, "not_found");
    let put = world.http.put(format!("http://{}/wechat/demo", pod.public)).send().await.unwrap();
    assert_eq!(problem(put, StatusCode::METHOD_NOT_ALLOWED).await, "method_not_allowed");
    let redeem = world.http.post(format!("http://{}/v1/redeem", pod.public)).send().await.unwrap();
    assert_eq!(problem(redeem, StatusCode::NOT_FOUND).await, "not_found", "internal calls aren't public");
}

#[tokio::test]
async fn an_account_may_also_have_its_own_path() {
    let path = |path: &str| Some(path.to_owned().try_into().unwrap());
    let world = CallbackWorld::with(None, |settings| {
        settings.accounts.get_mut(&name("demo")).unwrap().path = path("/wx/callback");
        settings.accounts.get_mut(&name("other")).unwrap().path = path("/weChatNotice");
    })
    .await;
    let at = |path: &str| format!("http://{}{path}?{}&echostr=echo", world.pod().public, signed());
    for path in ["/wx/callback", "/wechat/demo", "/weChatNotice"] {
        assert_eq!(world.http.get(at(path)).send().await.unwrap().text().await.unwrap(), "echo", "{path}");
        let scanned = world.http.post(at(path)).body(event("SCAN", "AAAAAAAAAAAAAAAAAAAAAA")).send().await.unwrap();
        if path == "/weChatNotice" {
            assert_eq!(problem(scanned, StatusCode::FORBIDDEN).await, "wrong_account");
        } else {
            assert!(scanned.text().await.unwrap().contains("This code is unknown."), "{path}");
        }
    }
    for path in ["/wx", "/wx/callback/", "/wx/callback/x", "/wxcallback", "/v1/redeem"] {
        let nowhere = world.http.post(at(path)).body(event("SCAN", "x")).send().await.unwrap();
        assert_eq!(problem(nowhere, StatusCode::NOT_FOUND).await, "not_found", "{path}");
    }
    let put = world.http.put(at("/wx/callback")).send().await.unwrap();
    assert_eq!(problem(put, StatusCode::METHOD_NOT_ALLOWED).await, "method_not_allowed");
}
