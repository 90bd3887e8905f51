//! Follows, unfollows and logins are stored and told to the site before WeChat is answered.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_callback::{config::Confirmation, stores::Users};
use scenecast_scene::{PageInfo, Profile, time::unix_now_ms};
use scenecast_simulator::{CallbackAnswer, PhoneAction};
use scenecast_testing::{RedisServer, until};
use serde_json::json;

use crate::{
    webhooks::Backend,
    world::{API_KEY, CallbackWorld, STATE, answer, demo, event_from, name, person, reply, said, signed, unix_now},
};

const USER_INFO: &str = "/cgi-bin/user/info";
const DAY: u64 = 24 * 60 * 60 * 1000;

#[tokio::test]
async fn a_site_is_told_who_follows_logs_in_and_unfollows() {
    for redis in [None, Some(RedisServer::start().await)] {
        let mut site = Backend::good().await;
        let world = CallbackWorld::with(redis, |settings| demo(settings).webhooks = Some(site.json())).await;
        let chosen = PageInfo { chosen_id: Some("1489132234".parse().unwrap()), ..PageInfo::default() };
        let (_, qr_url) = world.open_page(&chosen).await;
        world.scan("dora", &qr_url).await;
        world.simulator.unfollow(&person("dora"), &name("demo")).await.unwrap();
        let mut told = vec![];
        for _ in 0..3 {
            told.push(site.next().await.json());
        }
        told.sort_by_key(|told| told["type"].to_string());
        let [followed, logged_in, unfollowed] = &told[..] else { panic!("{told:?}") };
        for (told, kind) in
            [(followed, "user.followed"), (logged_in, "user.logged_in"), (unfollowed, "user.unfollowed")]
        {
            assert_eq!((&told["type"], &told["data"]["openid"]), (&kind.into(), &world.openid("dora", "demo").into()));
        }
        assert_eq!((&followed["data"]["scene"], &followed["data"]["following"]), (&"1489132234".into(), &true.into()));
        assert_eq!((&logged_in["data"]["scene"], &logged_in["data"]["logins"]), (&"1489132234".into(), &1.into()));
        assert_eq!((&unfollowed["data"]["scene"], &unfollowed["data"]["profile"]), (&().into(), &().into()));
    }
}

#[tokio::test]
async fn the_webhook_of_a_login_says_the_same_as_its_redeem() {
    for redis in [None, Some(RedisServer::start().await)] {
        let mut site = Backend::good().await;
        let world = CallbackWorld::with(redis, |settings| demo(settings).webhooks = Some(site.json())).await;
        let grant = world.log_in("ann").await;
        let redeemed = world.redeem(API_KEY, &json!({ "grant": grant, "state": STATE })).send().await.unwrap();
        let redeemed = answer(redeemed, StatusCode::OK).await;
        let told = &site.next().await.json()["data"];
        for fact in ["account", "openid", "unionid", "profile", "registered", "logins"] {
            assert_eq!(told[fact], redeemed[fact], "{fact}");
        }
        assert!(told["unionid"].is_string());
    }
}

#[tokio::test]
async fn a_hand_made_backend_gets_the_form_that_it_knows() {
    let mut site = Backend::good().await;
    let world = CallbackWorld::with(None, |settings| {
        demo(settings).webhooks = Some(site.form());
        demo(settings).confirmation = Confirmation::Tap;
    })
    .await;
    let followed = PhoneAction::Follow { event_key: None };
    world.simulator.send(&person("chen"), &name("demo"), followed).await.unwrap();
    let form = site.next().await;
    assert_eq!(form.path, "/update");
    assert!(form.text().ends_with("&equipmentType=0"), "{}", form.text());
    world.simulator.unfollow(&person("chen"), &name("demo")).await.unwrap();
    assert_eq!(site.next().await.text(), format!("phoneIme={}&state=0", world.openid("chen", "demo")));
    let (scene, _) = world.scan_new("chen").await;
    assert!(site.next().await.text().ends_with(&format!("&equipmentType={scene}")));
}

#[tokio::test]
async fn the_site_is_told_about_a_login_when_it_is_confirmed_and_with_one_id() {
    for redis in [None, Some(RedisServer::start().await)] {
        let mut site = Backend::good().await;
        let world = CallbackWorld::with(redis, |settings| {
            demo(settings).webhooks = Some(site.json());
            demo(settings).confirmation = Confirmation::Tap;
        })
        .await;
        world.scan_new("bo").await;
        let answered = world.say("bo", "1").await;
        world.again(&answered).await;
        let (first, again) = (site.next().await, site.next().await);
        assert_eq!(first.json()["type"], "user.logged_in");
        assert_eq!(first.id(), again.id(), "so the site knows that it has it");
        assert_eq!(site.more(), 0, "a scan isn't told");
        assert_eq!(world.user("bo").await.logins, 1);
    }
}

#[tokio::test]
async fn while_an_event_can_not_be_stored_wechat_gets_no_answer_and_later_everything_is_done_once() {
    let mut site = Backend::good().await;
    let redis = Some(RedisServer::start().await);
    let mut world = CallbackWorld::with(redis, |settings| demo(settings).webhooks = Some(site.json())).await;
    let (scene, qr_url) = world.open().await;
    let mut attempts = world.simulator.attempts();
    world.redis.as_mut().unwrap().stop().await;
    let simulator = world.simulator.clone();
    let scanning = tokio::spawn(async move { simulator.scan(&person("chen"), &qr_url).await.unwrap() });
    attempts.recv().await.unwrap();
    world.redis.as_mut().unwrap().restart().await;
    assert_eq!(scanning.await.unwrap().attempts.len(), 2);
    let mut told = [site.next().await.json()["type"].to_string(), site.next().await.json()["type"].to_string()];
    told.sort();
    assert_eq!(told, ["\"user.followed\"", "\"user.logged_in\""]);
    assert_eq!(world.history(scene).await, ["confirmed"]);
    assert_eq!(world.user("chen").await.logins, 1);
}

#[tokio::test]
async fn a_login_whose_event_can_not_be_stored_is_redelivered_and_the_last_reply_says_that_it_worked() {
    let mut site = Backend::good().await;
    let redis = Some(RedisServer::start().await);
    let world = CallbackWorld::with(redis, |settings| demo(settings).webhooks = Some(site.json())).await;
    let server = world.redis.as_ref().unwrap();
    let (scene, qr_url) = world.open().await;
    let mut attempts = world.simulator.attempts();
    server.cli(&["ACL", "SETUSER", "admin", "-xadd"]).await.unwrap();
    let simulator = world.simulator.clone();
    let scanning = tokio::spawn(async move { simulator.scan(&person("bo"), &qr_url).await.unwrap() });
    assert_eq!(attempts.recv().await.unwrap().answer, CallbackAnswer::Late);
    assert_eq!(world.history(scene).await, ["confirmed"], "the page doesn't wait for it");

    let (last, _) = world.open().await;
    let event = event_from(&world.openid("ann", "demo"), unix_now().as_secs() - 10, "SCAN", &last.to_string());
    let answered = world.delivery("demo", &signed(), event).send().await.unwrap().text().await.unwrap();
    assert_eq!(said(&answered), "You are logged in. Please go back to the page.");

    server.cli(&["ACL", "SETUSER", "admin", "+xadd"]).await.unwrap();
    let outcome = scanning.await.unwrap();
    assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
    assert_eq!(site.next().await.json()["data"]["openid"], world.openid("bo", "demo"));
    assert_eq!(world.user("bo").await.logins, 1);
}

#[tokio::test]
async fn a_message_that_arrives_after_a_newer_one_changes_nothing() {
    for world in CallbackWorld::each().await {
        let now = unix_now().as_secs();
        let hears = async |kind, created| {
            let event = event_from(&world.openid("dora", "demo"), created, kind, "");
            world.delivery("demo", &signed(), event).send().await.unwrap();
            world.user("dora").await.follow.unwrap().follows
        };
        assert!(!hears("unsubscribe", now).await, "it came first");
        assert!(!hears("subscribe", now - 5).await, "the follow that it ended");
        assert!(hears("subscribe", now + 1).await);
        assert!(hears("unsubscribe", now).await, "a redelivery");
    }
}

#[tokio::test]
async fn what_wechat_tells_about_a_person_is_used_for_a_day_on_every_pod() {
    for world in CallbackWorld::each_with(|_| ()).await {
        world.scan_new("ann").await;
        until("what WeChat told is on record", async || world.user("ann").await.wechat_profile.is_some()).await;
        let (scene, _) = world.scan_new("ann").await;
        assert_eq!(world.login(scene).await.profile.name, "Ann");
        assert_eq!(world.simulator.calls(USER_INFO).total(), 1);

        let users = Users::new(world.store(), None);
        let (account, openid) = (name("demo"), world.openid("ann", "demo").parse().unwrap());
        let old = Profile { name: "Ann of old".into(), avatar: String::new() };
        let aged = users.change(&account, &openid, |user| {
            user.set_profile(None, old.clone(), unix_now_ms() - DAY - 1000);
        });
        aged.await.unwrap();
        let (scene, _) = world.scan_new("ann").await;
        assert_eq!(world.login(scene).await.profile.name, "Ann");
        assert_eq!(world.simulator.calls(USER_INFO).total(), 2);
    }
}

#[tokio::test]
async fn an_unfollow_deletes_the_profile_and_keeps_what_the_site_needs() {
    for world in CallbackWorld::each_with(|_| ()).await {
        world.scan_new("ann").await;
        until("what WeChat told is on record", async || world.user("ann").await.wechat_profile.is_some()).await;
        assert!(world.user("ann").await.unionid.is_some());
        world.simulator.unfollow(&person("ann"), &name("demo")).await.unwrap();
        let user = world.user("ann").await;
        assert_eq!((&user.wechat_profile, &user.unionid, user.logins), (&None, &None, 1));

        // If WeChat's clock gives several messages the same second, the unfollow counts as the last.
        tokio::time::sleep(Duration::from_millis(1001)).await;
        world.scan_new("ann").await;
        until("what WeChat told is on record", async || world.user("ann").await.wechat_profile.is_some()).await;
        assert_eq!(world.simulator.calls(USER_INFO).total(), 2, "nothing was kept that could be used");
        assert_eq!(world.user("ann").await.logins, 2);
    }
}

#[tokio::test]
async fn a_page_is_told_whether_the_person_is_registered() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        for registered in [false, true] {
            let (scene, asked) = world.scan_new("bo").await;
            world.touch("bo", &asked, "Confirm").await;
            assert_eq!(world.login(scene).await.registered, registered);
            let openid = world.openid("bo", "demo").parse().unwrap();
            let users = Users::new(world.store(), None);
            users.change(&name("demo"), &openid, |user| user.set_registered(true)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_unreadable_record_stops_no_login() {
    let world = CallbackWorld::over_redis().await;
    let key = format!("user:demo:{}", world.openid("bo", "demo"));
    world.redis.as_ref().unwrap().cli(&["SET", &key, "nonsense"]).await.unwrap();
    let (_, outcome) = world.scan_new("bo").await;
    assert_eq!(reply(&outcome), "You are logged in. Please go back to the page.");
}
