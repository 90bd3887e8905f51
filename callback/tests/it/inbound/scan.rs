//! A person scans, and the page is logged in.

use std::time::Duration;

use scenecast_callback::stores::Users;
use scenecast_scene::EventKind;
use scenecast_simulator::{CallFailure, Faults, PhoneScreen};
use scenecast_testing::RedisServer;

use crate::world::{CallbackWorld, event, event_at, event_from, name, person, reply, signed, unix_now};

const USER_INFO: &str = "/cgi-bin/user/info";

#[tokio::test]
async fn a_follower_and_a_new_follower_log_in_by_scanning() {
    for world in CallbackWorld::each().await {
        for (persona, shown) in [("bo", None), ("chen", None), ("ann", Some("Ann"))] {
            let (scene, qr_url) = world.open().await;
            let outcome = world.scan(persona, &qr_url).await;
            assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
            assert_eq!(outcome.attempts.len(), 1);
            let profile = world.login(scene).await.profile;
            match shown {
                Some(name) => assert_eq!(profile.name, name),
                None => assert!(profile.name.starts_with("WeChat user "), "{}", profile.name),
            }
            assert!(profile.avatar.starts_with("data:image/svg+xml;"), "{}", profile.avatar);
        }
        assert_eq!(world.pod().metric("scenecast_scenes_total{stage=\"opened\"}"), 3);
        assert_eq!(world.pod().metric("scenecast_scenes_total{stage=\"confirmed\"}"), 3);
        assert_eq!(world.pod().metric("scenecast_deliveries_total{outcome=\"logged_in\"}"), 3);
    }
}

#[tokio::test]
async fn a_login_is_one_script_that_also_counts_it() {
    let redis = RedisServer::start().await;
    let world = CallbackWorld::with(Some(redis), |settings| {
        settings.accounts.values_mut().for_each(|account| account.profile_wait_ms = 0);
    })
    .await;
    let redis = world.redis.as_ref().unwrap();
    // The first login brings the script to Redis.
    for logins in 1..=3 {
        let (_, qr_url) = world.open().await;
        let before = redis.usage().await;
        let outcome = world.scan("bo", &qr_url).await;
        assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
        let used = redis.usage().await - before;
        assert_eq!((used.calls("eval"), used.calls("evalsha")), if logins == 1 { (1, 1) } else { (0, 1) });
        assert_eq!(world.user("bo").await.logins, logins);
    }
}

#[tokio::test]
async fn a_person_who_probably_has_no_record_is_looked_up_in_the_step_that_logs_them_in() {
    let world = CallbackWorld::with(Some(RedisServer::start().await), |settings| {
        settings.accounts.values_mut().for_each(|account| account.profile_wait_ms = 0);
    })
    .await;
    let redis = world.redis.as_ref().unwrap();
    let log_in = async |openid: &str| {
        let (scene, _) = world.open().await;
        let before = redis.usage().await;
        let scan = event_from(openid, unix_now().as_secs(), "SCAN", &scene.to_string());
        let answered = world.delivery("demo", &signed(), scan).send().await.unwrap();
        assert!(answered.text().await.unwrap().contains("You are logged in"), "{openid}");
        world.login(scene).await;
        let user =
            Users::new(world.store(), None).find(&name("demo"), &openid.parse().unwrap()).await.unwrap().unwrap();
        let used = redis.usage().await - before;
        assert_eq!(used.calls("spublish"), 1, "{openid}");
        (used.calls("evalsha"), used.calls("get"), user.logins)
    };
    for n in 0..8 {
        log_in(&format!("oNew{n}")).await;
    }
    // One GET is the test's own. What is guessed is read once, in the script.
    let used_and_logins = [log_in("oNew8").await, log_in("oNew0").await, log_in("oNew9").await];
    assert_eq!(used_and_logins, [(1, 2, 1), (2, 4, 2), (1, 2, 1)]);
}

#[tokio::test]
async fn what_wechat_tells_about_a_person_is_kept_in_the_step_that_logs_them_in() {
    let world = CallbackWorld::with(Some(RedisServer::start().await), |_| ()).await;
    let redis = world.redis.as_ref().unwrap();
    // Ann follows, and has followed before; the first login brings the script to Redis.
    for persona in ["bo", "ann"] {
        let (scene, qr_url) = world.open().await;
        let before = redis.usage().await;
        world.scan(persona, &qr_url).await;
        let used = redis.usage().await - before;
        assert_eq!(used.calls("evalsha"), 1, "{persona}");
        let user = world.user(persona).await;
        assert!(user.wechat_profile.is_some() && user.unionid.is_some(), "{user:?}");
        assert_eq!(user.logins, 1);
        world.login(scene).await;
    }
    assert_eq!(world.simulator.calls(USER_INFO).total(), 2);
}

#[tokio::test]
async fn a_login_is_one_readable_line_in_the_log() {
    let world = CallbackWorld::new().await;
    let (scene, qr_url) = world.open().await;
    world.scan("bo", &qr_url).await;
    let (log, openid) = (crate::world::logs::text(), world.openid("bo", "demo"));
    let line = log
        .lines()
        .find(|line| line.contains(&format!("a person acted on a scene account=demo scene={scene} did=\"scanned\"")))
        .unwrap();
    let who = &openid[openid.len() - 4..];
    assert!(line.contains(&format!("who=\"{who}\" outcome=\"logged_in\" ms=")), "{line}");
}

#[tokio::test]
async fn the_page_does_not_learn_the_openid() {
    let world = CallbackWorld::new().await;
    let (scene, qr_url) = world.open().await;
    world.scan("bo", &qr_url).await;
    let told = world.events(scene).await[0].body();
    assert!(!told.contains(&world.openid("bo", "demo")), "{told}");
}

#[tokio::test]
async fn the_first_scan_wins_and_other_phones_are_told_that_somebody_was_first() {
    for mut world in CallbackWorld::each().await {
        world.add_pod().await;
        let (scene, qr_url) = world.open().await;
        world.scan("bo", &qr_url).await;
        assert!(reply(&world.scan("ann", &qr_url).await).starts_with("Somebody else was first"));
        // WeChat's clock counts seconds. Within one second this would be the same delivery.
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert!(reply(&world.scan("bo", &qr_url).await).starts_with("You have already logged in"));
        assert_eq!(world.events(scene).await.len(), 1);
    }
}

#[tokio::test]
async fn the_same_delivery_twice_at_once_is_one_login_and_gets_two_equal_replies() {
    for mut world in CallbackWorld::each().await {
        world.add_pod().await;
        world.simulator.set_faults(Faults { duplicate_deliveries: true, ..Faults::default() });
        let (scene, qr_url) = world.open().await;
        let outcome = world.scan("chen", &qr_url).await;
        assert_eq!(outcome.attempts.len(), 2);
        assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
        assert_eq!(world.events(scene).await.len(), 1);
    }
}

#[tokio::test]
async fn an_expired_or_unknown_code_or_one_of_another_account_logs_nobody_in() {
    for world in CallbackWorld::each().await {
        let says = async |key: &str| {
            let answered = world.delivery("demo", &signed(), event("SCAN", key)).send().await.unwrap();
            answered.text().await.unwrap()
        };
        let (short, _) = world.open_for("demo", Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(says(&short.to_string()).await.contains("This code has expired."));
        let (foreign, _) = world.open_for("other", Duration::from_secs(60)).await;
        for unknown in [&foreign.to_string(), "AAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(says(unknown).await.contains("This code is unknown."), "{unknown}");
        }
        assert!(world.events(foreign).await.is_empty());
    }
}

#[tokio::test]
async fn other_codes_of_the_account_are_no_logins() {
    let world = CallbackWorld::new().await;
    let keys = ["a-poster", "qrscene_", "", "123", "last_trade_no_4", "scanbarcode|ean13|6901", "scanimage|7"];
    for key in keys.into_iter().chain([&*"景".repeat(64)]) {
        let scanned = world.delivery("demo", &signed(), event("SCAN", key)).send().await.unwrap();
        assert_eq!(scanned.text().await.unwrap(), "success", "{key}");
        let followed = world.delivery("demo", &signed(), event("subscribe", &format!("qrscene_{key}"))).send().await;
        assert!(followed.unwrap().text().await.unwrap().contains("Welcome!"), "{key}");
    }
}

#[tokio::test]
async fn a_scan_in_the_same_second_as_another_event_is_a_different_message() {
    let world = CallbackWorld::new().await;
    let ((scene, _), now) = (world.open().await, unix_now().as_secs());
    let at_once = [event_at(now, "LOCATION", ""), event_at(now, "SCAN", &scene.to_string())];
    for (message, answer) in at_once.into_iter().zip(["success", "You are logged in."]) {
        let answered = world.delivery("demo", &signed(), message).send().await.unwrap();
        assert!(answered.text().await.unwrap().contains(answer));
    }
    assert_eq!(world.events(scene).await.len(), 1);
}

#[tokio::test]
async fn a_page_that_was_closed_is_not_logged_in() {
    for world in CallbackWorld::each().await {
        let (scene, qr_url) = world.open().await;
        let body = serde_json::json!({ "scene": scene });
        for _ in 0..2 {
            let cancelled = world.call(world.pod(), scenecast_scene::internal::CANCEL_PATH, &body).await;
            assert_eq!(cancelled.status(), reqwest::StatusCode::NO_CONTENT);
        }
        assert!(reply(&world.scan("bo", &qr_url).await).starts_with("This code has expired."));
        assert_eq!(world.events(scene).await.last().unwrap().what, EventKind::Cancelled);
        assert_eq!(world.pod().metric("scenecast_scenes_total{stage=\"cancelled\"}"), 1);
    }
}

#[tokio::test]
async fn a_follow_without_a_scene_is_welcomed_and_texts_and_unfollows_are_acknowledged() {
    let world = CallbackWorld::new().await;
    for key in ["", "last_trade_no_4"] {
        let welcomed = world.delivery("demo", &signed(), event("subscribe", key)).send().await.unwrap();
        assert!(welcomed.text().await.unwrap().contains("Welcome!"), "{key}");
    }
    let written = world.simulator.say(&person("bo"), &name("demo"), "hi ]]> 你好").await.unwrap();
    assert_eq!(written.shown, PhoneScreen::Nothing);
    let left = world.simulator.unfollow(&person("bo"), &name("demo")).await.unwrap();
    assert_eq!(left.attempts.len(), 1);
}

#[tokio::test]
async fn a_login_does_not_fail_if_wechat_tells_nothing_about_the_person() {
    for failure in
        [CallFailure::Code(48001), CallFailure::Code(-1), CallFailure::Html, CallFailure::Empty, CallFailure::Closed]
    {
        let world = CallbackWorld::new().await;
        world.simulator.fail_calls(USER_INFO, 10, failure);
        let (scene, qr_url) = world.open().await;
        world.scan("ann", &qr_url).await;
        assert!(world.login(scene).await.profile.name.starts_with("WeChat user "), "{failure:?}");
    }
}

#[tokio::test]
async fn a_login_does_not_wait_for_a_slow_profile_and_the_next_login_has_it() {
    let world = CallbackWorld::with(None, |config| {
        config.accounts.get_mut(&name("demo")).unwrap().profile_wait_ms = 50;
    })
    .await;
    world.simulator.fail_calls(USER_INFO, 1, CallFailure::SlowMs(300));
    let (scene, qr_url) = world.open().await;
    world.scan("ann", &qr_url).await;
    assert!(world.login(scene).await.profile.name.starts_with("WeChat user "));
    let answered = "scenecast_wechat_calls_total{call=\"/cgi-bin/user/info\",result=\"ok\"}";
    while world.pod().metric(answered) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (scene, qr_url) = world.open().await;
    world.scan("ann", &qr_url).await;
    assert_eq!(world.login(scene).await.profile.name, "Ann");
    assert_eq!(world.simulator.calls(USER_INFO).total(), 1);
}

#[tokio::test]
async fn an_account_may_never_ask_for_profiles() {
    let world = CallbackWorld::with(None, |config| {
        config.accounts.get_mut(&name("demo")).unwrap().profile_wait_ms = 0;
    })
    .await;
    let (_, qr_url) = world.open().await;
    world.scan("ann", &qr_url).await;
    assert_eq!(world.simulator.calls(USER_INFO).total(), 0);
}
