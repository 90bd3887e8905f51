//! A person scans, is asked whether they want to log in, and answers.

use std::time::Duration;

use scenecast_callback::config::Confirmation;
use scenecast_scene::{SceneId, internal::CANCEL_PATH};
use scenecast_simulator::{Faults, MenuLink, PhoneScreen};
use scenecast_testing::RedisServer;
use scenecast_wechat::ACKNOWLEDGED;
use serde_json::json;

use crate::world::{CallbackWorld, Pod, event_at, name, person, reply, said, signed, text_at, unix_now};

const DONE: &str = "You are logged in. Please go back to the page.";
const NO: &str = "You said no. The page is not logged in.";
const BEFORE: &str = "You have already logged in with this code.";
const OVER: &str = "This code has expired.";
const UNKNOWN: &str = "This code is unknown.";

#[tokio::test]
async fn a_follower_and_a_new_follower_are_asked_and_log_in_by_touching_a_link() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        for persona in ["ann", "chen"] {
            let (scene, asked) = world.scan_new(persona).await;
            assert!(reply(&asked).starts_with("Please confirm this login:\n"), "{asked:?}");
            assert_eq!(world.history(scene).await, ["scanned"]);
            assert_eq!(reply(&world.touch(persona, &asked, "Confirm").await), DONE);
            assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
            assert!(!world.login(scene).await.typed);
        }
        for (stage, count) in [("opened", 2), ("scanned", 2), ("confirmed", 2), ("declined", 0)] {
            assert_eq!(world.metric(&format!("scenecast_scenes_total{{stage=\"{stage}\"}}")), count, "{stage}");
        }
        assert_eq!(world.metric("scenecast_deliveries_total{outcome=\"confirm\"}"), 2);
    }
}

/// Waits for the next second of WeChat's clock.
async fn next_second() {
    tokio::time::sleep(Duration::from_millis(1001)).await;
}

#[tokio::test]
async fn an_answer_may_be_typed() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        for (typed, said, history) in [
            ("1", DONE, ["scanned", "confirmed"]),
            ("是", DONE, ["scanned", "confirmed"]),
            (" Yes! ", DONE, ["scanned", "confirmed"]),
            ("确认", DONE, ["scanned", "confirmed"]),
            ("0", NO, ["scanned", "declined"]),
            ("２", NO, ["scanned", "declined"]),
            ("不是我", NO, ["scanned", "declined"]),
            ("no", NO, ["scanned", "declined"]),
        ] {
            let (scene, _) = world.scan_new("bo").await;
            assert_eq!(reply(&world.say("bo", typed).await), said, "{typed}");
            assert_eq!(world.history(scene).await, history, "{typed}");
        }
    }
}

#[tokio::test]
async fn a_person_who_says_no_is_not_logged_in_whatever_they_say_later() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, asked) = world.scan_new("bo").await;
        assert_eq!(reply(&world.touch("bo", &asked, "Decline").await), NO);
        assert_eq!(reply(&world.touch("bo", &asked, "Confirm").await), NO);
        assert_eq!(reply(&world.say("bo", "1").await), NO);
        assert_eq!(world.history(scene).await, ["scanned", "declined"]);
        assert_eq!(world.metric("scenecast_scenes_total{stage=\"declined\"}"), 1);
    }
}

#[tokio::test]
async fn a_second_answer_changes_nothing_and_the_reply_says_that_it_is_the_second() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, asked) = world.scan_new("bo").await;
        world.touch("bo", &asked, "Confirm").await;
        for label in ["Confirm", "Decline"] {
            assert_eq!(reply(&world.touch("bo", &asked, label).await), BEFORE);
        }
        assert_eq!(reply(&world.say("bo", "1").await), BEFORE);
        assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
    }
}

#[tokio::test]
async fn a_late_answer_logs_nobody_in() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, qr_url) = world.open_for("demo", Duration::from_millis(800)).await;
        let asked = world.scan("bo", &qr_url).await;
        tokio::time::sleep(Duration::from_millis(801)).await;
        assert!(reply(&world.touch("bo", &asked, "Confirm").await).starts_with(OVER));
        assert!(reply(&world.say("bo", "1").await).starts_with(OVER));
        assert_eq!(world.history(scene).await, ["scanned"]);
    }
}

#[tokio::test]
async fn a_page_that_was_closed_after_the_question_is_not_logged_in() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, asked) = world.scan_new("bo").await;
        world.call(world.pod(), CANCEL_PATH, &json!({ "scene": scene })).await;
        assert!(reply(&world.touch("bo", &asked, "Confirm").await).starts_with(OVER));
        assert_eq!(world.history(scene).await, ["scanned", "cancelled"]);
    }
}

#[tokio::test]
async fn a_typed_answer_is_about_the_last_scan_and_a_link_about_its_own_scan() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (first, asked_first) = world.scan_new("bo").await;
        let (second, _) = world.scan_new("bo").await;
        // Within the second of the scan it would be in doubt.
        next_second().await;
        assert_eq!(reply(&world.say("bo", "1").await), DONE);
        assert_eq!(world.history(second).await, ["scanned", "confirmed"]);
        assert_eq!(world.history(first).await, ["scanned"]);
        assert_eq!(reply(&world.touch("bo", &asked_first, "Confirm").await), DONE);
        assert!(!world.login(second).await.typed);
        assert!(world.login(first).await.typed, "how they came to it isn't known any more, so the page asks");
    }
}

#[tokio::test]
async fn a_person_who_scans_a_code_again_is_asked_again() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, qr_url) = world.open().await;
        world.scan("bo", &qr_url).await;
        world.scan_new("bo").await;
        // WeChat's clock counts seconds. Within one second this would be the same delivery, and the answer in doubt.
        next_second().await;
        assert!(reply(&world.scan("bo", &qr_url).await).starts_with("Please confirm"));
        next_second().await;
        assert_eq!(reply(&world.say("bo", "1").await), DONE);
        assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
    }
}

#[tokio::test]
async fn while_one_person_is_asked_other_people_can_neither_scan_nor_answer() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, qr_url) = world.open().await;
        let asked = world.scan("bo", &qr_url).await;
        let other = world.scan("ann", &qr_url).await;
        assert!(reply(&other).starts_with("Somebody else was first with this code."), "{other:?}");
        for text in ["1", "0"] {
            assert_eq!(world.say("ann", text).await.shown, PhoneScreen::Nothing, "{text}");
        }
        for label in ["Confirm", "Decline"] {
            assert!(reply(&world.touch("ann", &asked, label).await).starts_with(UNKNOWN), "{label}");
        }
        assert_eq!(world.history(scene).await, ["scanned"]);
        assert_eq!(reply(&world.touch("bo", &asked, "Confirm").await), DONE);
        assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
    }
}

#[tokio::test]
async fn a_redelivery_gets_the_same_reply_and_changes_nothing() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, asked) = world.scan_new("bo").await;
        assert_eq!(world.again(&asked).await, reply(&asked));
        let answered = world.say("bo", "1").await;
        for _ in 0..2 {
            assert_eq!(world.again(&answered).await, DONE);
            assert_eq!(world.again(&asked).await, reply(&asked), "its answer may not have arrived");
        }
        assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
        assert_eq!(world.user("bo").await.logins, 1);

        let (scene, asked) = world.scan_new("bo").await;
        let answered = world.touch("bo", &asked, "Decline").await;
        assert_eq!((world.again(&answered).await, world.again(&asked).await), (NO.into(), reply(&asked).into()));
        assert_eq!(world.history(scene).await, ["scanned", "declined"]);
        assert_eq!(world.metric("scenecast_scenes_total{stage=\"scanned\"}"), 2);
    }
}

#[tokio::test]
async fn a_redelivered_scan_does_not_replace_the_question_of_a_later_scan() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (first, asked) = world.scan_new("bo").await;
        world.touch("bo", &asked, "Confirm").await;
        let (second, _) = world.scan_new("bo").await;
        world.again(&asked).await;
        assert_eq!(reply(&world.say("bo", "1").await), DONE);
        assert_eq!(world.history(second).await, ["scanned", "confirmed"]);
        assert_eq!(world.history(first).await.len(), 2);
    }
}

/// The whole answer to a message that is delivered once.
async fn answer_to(world: &CallbackWorld, body: String) -> String {
    world.delivery("demo", &signed(), body).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn with_two_open_questions_a_typed_answer_is_about_the_later_scan_also_after_redeliveries() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let ((first, _), (second, _)) = (world.open().await, world.open().await);
        let now = unix_now().as_secs();
        let hears = async |body: String| answer_to(&world, body).await;
        let scan = |scene: SceneId, created| event_at(created, "SCAN", &scene.to_string());
        let answer = text_at(now - 3, "1");
        hears(scan(first, now - 4)).await;
        hears(scan(second, now - 2)).await;
        assert_eq!(hears(answer).await, ACKNOWLEDGED, "an answer to the first, overtaken by the second");
        assert_eq!(world.history(second).await, ["scanned"], "nobody has said yes to it");
        hears(scan(first, now - 4)).await;
        assert_eq!(said(&hears(text_at(now, "1")).await), DONE);
        assert_eq!(world.history(second).await, ["scanned", "confirmed"]);
        assert_eq!(world.history(first).await, ["scanned"]);
    }
}

#[tokio::test]
async fn an_answer_that_is_delivered_again_after_another_scan_in_the_same_second_answers_its_own_question() {
    for (typed, done, history) in [("1", DONE, ["scanned", "confirmed"]), ("0", NO, ["scanned", "declined"])] {
        for mut world in CallbackWorld::each_asking(Confirmation::Tap).await {
            let other_pod = world.add_pod().await;
            let ((first, _), (second, _)) = (world.open().await, world.open().await);
            let now = unix_now().as_secs();
            let hears = async |pod: &Pod, body: &str| {
                let url = format!("http://{}/wechat/demo?{}", pod.public, signed());
                let answered = world.http.post(url).body(body.to_owned()).send().await.unwrap();
                said(&answered.text().await.unwrap()).to_owned()
            };
            let scan = |scene: SceneId| event_at(now, "SCAN", &scene.to_string());
            let (early, answer, another) = (text_at(now, typed), text_at(now, typed), text_at(now, typed));
            assert_eq!(hears(world.pod(), &early).await, "", "there is no question yet");
            hears(world.pod(), &scan(first)).await;
            assert_eq!(hears(world.pod(), &answer).await, done);
            hears(world.pod(), &scan(second)).await;
            for pod in [world.pod(), &other_pod] {
                assert_eq!(hears(pod, &answer).await, done, "the same reply");
                assert_eq!(hears(pod, &early).await, "");
            }
            assert_eq!(world.history(first).await, history);
            assert_eq!(world.history(second).await, ["scanned"], "nobody has answered it");
            assert_eq!(hears(&other_pod, &another).await, done, "another message of the same second");
            assert_eq!(world.history(second).await, history);
        }
    }
}

#[tokio::test]
async fn a_redelivered_scan_does_not_replace_the_question_of_a_later_scan_of_the_same_second() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let ((first, _), (second, _)) = (world.open().await, world.open().await);
        let now = unix_now().as_secs();
        let hears = async |body: String| said(&answer_to(&world, body).await).to_owned();
        let scan = |scene: SceneId| event_at(now, "SCAN", &scene.to_string());
        hears(scan(first)).await;
        hears(scan(second)).await;
        assert!(hears(scan(first)).await.starts_with("Please confirm"), "the first reply may not have arrived");
        assert_eq!(hears(text_at(now + 1, "1")).await, DONE);
        assert_eq!(world.history(first).await, ["scanned"]);
        assert_eq!(world.history(second).await, ["scanned", "confirmed"]);
    }
}

#[tokio::test]
async fn an_answer_whose_first_delivery_never_arrived_answers_no_later_scan_of_the_same_second() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let ((first, _), (second, _)) = (world.open().await, world.open().await);
        let now = unix_now().as_secs();
        let hears = async |body: String| said(&answer_to(&world, body).await).to_owned();
        hears(event_at(now - 5, "SCAN", &first.to_string())).await;
        let answers = ["1", "0", "57"].map(|typed| text_at(now, typed));
        hears(event_at(now, "SCAN", &second.to_string())).await;
        for answer in answers.iter().chain(&answers) {
            let asked = hears(answer.clone()).await;
            assert!(asked.starts_with("Please confirm"), "{answer}: {asked}");
        }
        for scene in [first, second] {
            assert_eq!(world.history(scene).await, ["scanned"]);
        }
        assert_eq!(hears(text_at(now + 1, "1")).await, DONE);
        assert_eq!(world.history(second).await, ["scanned", "confirmed"]);
        assert_eq!(hears(text_at(now, "1")).await, BEFORE, "there is nothing to ask any more");
    }
}

#[tokio::test]
async fn a_person_is_asked_even_if_nothing_is_known_of_the_scene_before() {
    let world = CallbackWorld::asking(Some(RedisServer::start().await), Confirmation::Tap).await;
    let (first, _) = world.scan_new("bo").await;
    world.redis.as_ref().unwrap().cli(&["SET", &format!("wx:{first}"), "not a scene"]).await.unwrap();
    let (second, asked) = world.scan_new("bo").await;
    assert!(reply(&asked).starts_with("Please confirm"), "{asked:?}");
    assert_eq!(world.history(second).await, ["scanned"]);
    assert_eq!(reply(&world.touch("bo", &asked, "Confirm").await), DONE);
}

#[tokio::test]
async fn the_same_delivery_twice_at_once_is_one_change_and_gets_two_equal_replies() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        world.simulator.set_faults(Faults { duplicate_deliveries: true, ..Faults::default() });
        let (scene, asked) = world.scan_new("chen").await;
        let answered = world.touch("chen", &asked, "Confirm").await;
        assert_eq!((asked.attempts.len(), answered.attempts.len()), (2, 2));
        assert_eq!(reply(&answered), DONE);
        assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
        assert_eq!(world.user("chen").await.logins, 1);
    }
}

#[tokio::test]
async fn the_first_of_a_yes_and_a_no_at_the_same_time_on_two_pods_wins() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        for _ in 0..10 {
            let (scene, asked) = world.scan_new("bo").await;
            let (yes, no) = tokio::join!(world.touch("bo", &asked, "Confirm"), world.touch("bo", &asked, "Decline"));
            let told = (reply(&yes), reply(&no));
            match world.history(scene).await[..] {
                ["scanned", "confirmed"] => assert_eq!(told, (DONE, BEFORE)),
                ["scanned", "declined"] => assert_eq!(told, (NO, NO)),
                ref other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_question_is_a_text_like_any_other() {
    let world = CallbackWorld::asking(None, Confirmation::Tap).await;
    for text in ["1", "不", "57"] {
        assert_eq!(world.say("bo", text).await.shown, PhoneScreen::Nothing, "{text}");
    }
    world.scan_new("bo").await;
    let theirs = MenuLink { content: "1".into(), id: "another-menu".into(), label: "1".into() };
    let touched = world.simulator.tap(&person("bo"), &name("demo"), &theirs).await.unwrap();
    assert_eq!(touched.shown, PhoneScreen::Nothing, "a link of the site's own menus");
    let nobodys = MenuLink { content: "Confirm".into(), id: "AAAAAAAAAAAAAAAAAAAAAA".into(), label: String::new() };
    let touched = world.simulator.tap(&person("bo"), &name("demo"), &nobodys).await.unwrap();
    assert!(reply(&touched).starts_with(UNKNOWN), "{touched:?}");
}

#[tokio::test]
async fn a_link_of_another_account_is_no_answer() {
    for world in CallbackWorld::each().await {
        let (scene, qr_url) = world.open_for("other", Duration::from_secs(60)).await;
        world.scan("bo", &qr_url).await;
        let link = MenuLink { content: "Decline".into(), id: scene.to_string(), label: String::new() };
        let touched = world.simulator.tap(&person("bo"), &name("demo"), &link).await.unwrap();
        assert!(reply(&touched).starts_with(UNKNOWN), "{touched:?}");
        assert_eq!(world.history(scene).await, ["confirmed"]);
    }
}

#[tokio::test]
async fn while_redis_is_away_wechat_gets_no_answer_and_the_redelivered_answer_logs_in() {
    let mut world = CallbackWorld::asking(Some(RedisServer::start().await), Confirmation::Tap).await;
    let (scene, _) = world.scan_new("bo").await;
    let mut attempts = world.simulator.attempts();
    world.redis.as_mut().unwrap().stop().await;
    let simulator = world.simulator.clone();
    let answering = tokio::spawn(async move { simulator.say(&person("bo"), &name("demo"), "1").await.unwrap() });
    attempts.recv().await.unwrap();
    world.redis.as_mut().unwrap().restart().await;
    let answered = answering.await.unwrap();
    assert_eq!((reply(&answered), answered.attempts.len()), (DONE, 2));
    assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
}
