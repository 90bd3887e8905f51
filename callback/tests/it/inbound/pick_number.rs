//! The page shows a number, and the person who scanned picks it among three numbers.

use scenecast_callback::config::Confirmation;
use scenecast_scene::{Event, EventKind, Scan, SceneId};
use scenecast_simulator::{DeliveryOutcome, menu_links};

use crate::world::{CallbackWorld, reply};

const DONE: &str = "You are logged in. Please go back to the page.";
const WRONG: &str = "The page shows another number.";

/// The number that the page of this scene shows.
async fn shown(world: &CallbackWorld, scene: SceneId) -> String {
    let events = world.events(scene).await;
    let Event { what: EventKind::Scanned(Scan { number, .. }), .. } = &events[0] else { panic!("{events:?}") };
    number.unwrap().to_string()
}

/// The numbers that the phone offers, in their order.
fn choices(asked: &DeliveryOutcome) -> Vec<String> {
    let labels = menu_links(reply(asked)).into_iter().map(|link| link.label);
    labels.filter(|label| label != "Decline").collect()
}

#[tokio::test]
async fn the_number_that_the_page_shows_is_one_of_three_and_logs_in() {
    for world in CallbackWorld::each_asking(Confirmation::Number).await {
        for persona in ["ann", "dora"] {
            let (scene, asked) = world.scan_new(persona).await;
            assert!(reply(&asked).starts_with("To log in, pick the number that the page shows:"), "{asked:?}");
            let right = shown(&world, scene).await;
            assert_eq!(choices(&asked).len(), 3);
            assert!(choices(&asked).contains(&right));
            assert_eq!(reply(&world.touch(persona, &asked, &right).await), DONE);
            assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
        }
    }
}

#[tokio::test]
async fn another_number_ends_the_login() {
    for world in CallbackWorld::each_asking(Confirmation::Number).await {
        let (scene, asked) = world.scan_new("bo").await;
        let right = shown(&world, scene).await;
        let wrong = choices(&asked).into_iter().find(|choice| *choice != right).unwrap();
        let picked = world.touch("bo", &asked, &wrong).await;
        assert!(reply(&picked).starts_with(WRONG), "{picked:?}");
        assert!(world.again(&picked).await.starts_with(WRONG));
        assert_eq!(reply(&world.touch("bo", &asked, &right).await), "You said no. The page is not logged in.");
        assert_eq!(world.history(scene).await, ["scanned", "declined"]);
        assert_eq!(world.metric("scenecast_scenes_total{stage=\"declined\"}"), 1);
    }
}

#[tokio::test]
async fn a_number_may_be_typed_and_an_invented_one_ends_the_login_too() {
    for world in CallbackWorld::each_asking(Confirmation::Number).await {
        let (scene, _) = world.scan_new("bo").await;
        let right = shown(&world, scene).await;
        assert_eq!(reply(&world.say("bo", &format!(" {right} ")).await), DONE);
        let (scene, asked) = world.scan_new("bo").await;
        let made_up = (10..=99).map(|n| n.to_string()).find(|n| !choices(&asked).contains(n)).unwrap();
        assert!(reply(&world.say("bo", &made_up).await).starts_with(WRONG));
        assert_eq!(world.history(scene).await, ["scanned", "declined"]);
    }
}

#[tokio::test]
async fn yes_does_not_log_in_and_no_declines() {
    for world in CallbackWorld::each_asking(Confirmation::Number).await {
        let (scene, asked) = world.scan_new("bo").await;
        for yes in ["1", "是"] {
            assert_eq!(reply(&world.say("bo", yes).await), reply(&asked), "{yes}: they are asked again");
        }
        assert_eq!(world.history(scene).await, ["scanned"]);
        assert_eq!(reply(&world.touch("bo", &asked, "Decline").await), "You said no. The page is not logged in.");
        assert_eq!(world.history(scene).await, ["scanned", "declined"]);
    }
}

#[tokio::test]
async fn a_redelivered_scan_offers_the_same_numbers() {
    for world in CallbackWorld::each_asking(Confirmation::Number).await {
        let (scene, asked) = world.scan_new("bo").await;
        assert_eq!(world.again(&asked).await, reply(&asked));
        let answered = world.touch("bo", &asked, &shown(&world, scene).await).await;
        assert_eq!((world.again(&answered).await, world.again(&asked).await), (DONE.into(), reply(&asked).into()));
        assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
    }
}

#[tokio::test]
async fn the_first_of_a_right_and_a_wrong_pick_at_the_same_time_wins() {
    for world in CallbackWorld::each_asking(Confirmation::Number).await {
        for _ in 0..5 {
            let (scene, asked) = world.scan_new("bo").await;
            let right = shown(&world, scene).await;
            let wrong = choices(&asked).into_iter().find(|choice| *choice != right).unwrap();
            let (yes, no) = tokio::join!(world.touch("bo", &asked, &right), world.touch("bo", &asked, &wrong));
            match world.history(scene).await[..] {
                ["scanned", "confirmed"] => {
                    assert_eq!((reply(&yes), reply(&no)), (DONE, "You have already logged in with this code."));
                }
                ["scanned", "declined"] => {
                    assert!(reply(&yes).starts_with("You said no.") && reply(&no).starts_with(WRONG));
                }
                ref other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_number_for_a_scene_without_numbers_gets_the_question_again() {
    for world in CallbackWorld::each_asking(Confirmation::Tap).await {
        let (scene, asked) = world.scan_new("bo").await;
        assert_eq!(reply(&world.say("bo", "57").await), reply(&asked));
        assert_eq!(world.history(scene).await, ["scanned"]);
    }
}
