//! A person types the code that a page shows.

use std::time::Duration;

use reqwest::StatusCode;
use scenecast_callback::{config::Confirmation, stores::TypedCodes};
use scenecast_scene::{SceneId, internal::REOPEN_PATH};
use scenecast_simulator::{DeliveryOutcome, Faults};
use serde_json::json;

use crate::world::{CallbackWorld, LIFE, answer, event, name, new_scene, opening, reply, signed};

const DONE: &str = "You are logged in. Please go back to the page.";
const UNKNOWN: &str = "This code is wrong or has expired.";

/// A new scene of this account, and its code.
async fn coded(world: &CallbackWorld, account: &str, life: Duration) -> (SceneId, String) {
    let (scene, _) = world.open_for(account, life).await;
    let code = TypedCodes::new(world.store()).issue(&name(account), scene, life).await.unwrap();
    (scene, code.to_string())
}

/// Another number, which is no code.
fn wrong(code: &str) -> String {
    let digit = if code.starts_with('0') { "1" } else { "0" };
    format!("{digit}{}", &code[1..])
}

fn is_unknown(said: &DeliveryOutcome) -> bool {
    reply(said).starts_with(UNKNOWN)
}

fn typed(world: &CallbackWorld, result: &str) -> u64 {
    world.metric(&format!("scenecast_typed_codes_total{{result=\"{result}\"}}"))
}

#[tokio::test]
async fn a_typed_code_logs_in_as_a_scan_does_and_the_page_is_told_that_it_was_typed() {
    for world in CallbackWorld::each_asking(Confirmation::None).await {
        for spell in [
            |code: &str| code.to_owned(),
            |code: &str| format!(" {} {}\n", &code[..4], &code[4..]),
            |code: &str| format!("“\u{200b}{code}”。"),
        ] {
            let (scene, code) = coded(&world, "demo", LIFE).await;
            assert_eq!(reply(&world.say("bo", &spell(&code)).await), DONE);
            assert!(world.login(scene).await.typed);
        }
        assert_eq!((typed(&world, "found"), typed(&world, "unknown")), (3, 0));
    }
}

#[tokio::test]
async fn a_code_that_redis_lost_logs_in_once_its_scene_is_opened_again() {
    for world in CallbackWorld::each_asking(Confirmation::None).await {
        let [lost, other, unreadable] = [(); 3].map(|()| new_scene("demo"));
        let reopening = |scene: SceneId, code: &str| {
            let mut call = json!(opening(scene, "demo", LIFE));
            call["typed_code"] = code.into();
            call
        };
        assert!(is_unknown(&world.say("bo", "48201937").await));
        let calls = [reopening(lost, "48201937"), reopening(unreadable, "4820")];
        assert_eq!(answer(world.call(world.pod(), REOPEN_PATH, &json!(calls)).await, StatusCode::OK).await, 2);
        // A call whose answer was lost is repeated. The code of another page that is open isn't taken from it.
        let calls = [reopening(lost, "48201937"), reopening(other, "48201937")];
        assert_eq!(answer(world.call(world.pod(), REOPEN_PATH, &json!(calls)).await, StatusCode::OK).await, 1);
        assert_eq!(reply(&world.say("bo", "48201937").await), DONE);
        assert!(world.login(lost).await.typed);
        assert!(world.reader().read(other).await.unwrap().unwrap().events.is_empty());
    }
}

#[tokio::test]
async fn a_qr_code_with_the_typed_code_logs_in() {
    for world in CallbackWorld::each_asking(Confirmation::None).await {
        for (kind, before) in [("SCAN", ""), ("subscribe", "qrscene_")] {
            let (scene, code) = coded(&world, "demo", LIFE).await;
            let scanned = world.delivery("demo", &signed(), event(kind, &format!("{before}{code}"))).send().await;
            assert!(scanned.unwrap().text().await.unwrap().contains(DONE), "{kind}");
            assert!(!world.login(scene).await.typed, "nobody can mistake another page's");
        }
        // Other numbers in QR codes are the account's own, and don't count as guesses.
        for (kind, key, answer) in [("SCAN", "20261120", "success"), ("subscribe", "qrscene_20261120", "Welcome!")] {
            let scanned = world.delivery("demo", &signed(), event(kind, key)).send().await.unwrap();
            assert!(scanned.text().await.unwrap().contains(answer), "{kind}");
        }
        assert_eq!((typed(&world, "found"), typed(&world, "unknown")), (0, 0));
    }
}

#[tokio::test]
async fn a_person_who_typed_a_code_is_asked_if_the_account_asks_for_confirmation() {
    for confirmation in [Confirmation::Tap, Confirmation::Number] {
        for world in CallbackWorld::each_asking(confirmation).await {
            let (scene, code) = coded(&world, "demo", LIFE).await;
            let asked = world.say("bo", &code).await;
            assert_eq!(world.history(scene).await, ["scanned"]);
            let events = world.events(scene).await;
            let shown = serde_json::to_value(&events[0].what).unwrap()["scanned"]["number"].as_u64();
            let label = shown.map_or("Confirm".to_owned(), |number| number.to_string());
            assert_eq!(reply(&world.touch("bo", &asked, &label).await), DONE);
            assert!(world.login(scene).await.typed, "by whichever way they answer");
        }
    }
}

#[tokio::test]
async fn wrong_expired_and_used_codes_and_those_of_others_get_the_same_reply() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (_, code) = coded(&world, "demo", LIFE).await;
        let (_, late) = coded(&world, "demo", Duration::from_millis(1)).await;
        let (used, used_code) = coded(&world, "demo", LIFE).await;
        let (elsewhere, elsewheres) = coded(&world, "other", LIFE).await;
        world.say("ann", &used_code).await;
        for code in [wrong(&code), late, used_code, elsewheres] {
            assert!(is_unknown(&world.say("bo", &code).await), "{code}");
        }
        assert_eq!(world.history(used).await, ["scanned"]);
        assert!(world.history(elsewhere).await.is_empty());
        assert_eq!((typed(&world, "found"), typed(&world, "unknown")), (1, 4));
    }
}

#[tokio::test]
async fn a_person_who_guesses_is_slowed_down_and_gets_the_same_reply_even_for_a_right_code() {
    for world in CallbackWorld::each_asking(Confirmation::None).await {
        let (scene, code) = coded(&world, "demo", LIFE).await;
        for _ in 0..5 {
            assert!(is_unknown(&world.say("bo", &wrong(&code)).await));
        }
        assert!(is_unknown(&world.say("bo", &code).await), "slowed down, on the other pod too");
        assert!(world.history(scene).await.is_empty());
        assert_eq!((typed(&world, "unknown"), typed(&world, "slowed")), (5, 1));
        assert_eq!(reply(&world.say("ann", &code).await), DONE, "others aren't");
    }
}

#[tokio::test]
async fn right_codes_do_not_count_as_guesses() {
    let world = CallbackWorld::asking(None, Confirmation::None).await;
    for _ in 0..12 {
        let (_, code) = coded(&world, "demo", LIFE).await;
        assert_eq!(reply(&world.say("bo", &code).await), DONE);
    }
    assert_eq!(typed(&world, "found"), 12);
}

#[tokio::test]
async fn a_redelivered_code_gets_the_same_reply_and_is_one_guess() {
    for world in CallbackWorld::each_asking(Confirmation::None).await {
        world.simulator.set_faults(Faults { duplicate_deliveries: true, ..Faults::default() });
        let (scene, code) = coded(&world, "demo", LIFE).await;
        for _ in 0..4 {
            world.say("bo", &wrong(&code)).await;
        }
        let said = world.say("bo", &code).await;
        assert_eq!((reply(&said), said.attempts.len()), (DONE, 2));
        assert_eq!(world.again(&said).await, DONE);
        assert_eq!(world.history(scene).await, ["confirmed"]);
        assert_eq!(world.user("bo").await.logins, 1);
    }
}

#[tokio::test]
async fn a_person_who_types_their_code_twice_is_told_that_they_are_logged_in() {
    for world in CallbackWorld::each_asking(Confirmation::None).await {
        let (_, code) = coded(&world, "demo", LIFE).await;
        world.say("bo", &code).await;
        assert_eq!(reply(&world.say("bo", &code).await), "You have already logged in with this code.");
    }
}
