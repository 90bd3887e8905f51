//! The page shows a number, and whoever scanned picks it among three.

use scenecast_callback::config::Confirmation;
use scenecast_loadtest::simulator::{Outcome, menu_links};
use scenecast_shared::scene::{Event, Happening, Scan, SceneId};

use crate::world::{World, reply};

const DONE: &str = "You are logged in. Please go back to the page.";
const WRONG: &str = "The page shows another number.";

/// The number that the page of this scene shows.
async fn shown(world: &World, scene: SceneId) -> String {
    let events = world.events(scene).await;
    let Event { what: Happening::Scanned(Scan { number, .. }), .. } = &events[0] else { panic!("{events:?}") };
    number.unwrap().to_string()
}

/// The numbers that the phone may pick, in their order.
fn choices(asked: &Outcome) -> Vec<String> {
    let labels = menu_links(reply(asked)).into_iter().map(|link| link.label);
    labels.filter(|label| label != "Decline").collect()
}

#[tokio::test]
async fn the_number_that_the_page_shows_is_one_of_three_and_logs_in() {
    for world in World::each_asking(Confirmation::Number).await {
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
async fn another_number_ends_it() {
    for world in World::each_asking(Confirmation::Number).await {
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
async fn a_number_may_be_typed_and_a_made_up_one_ends_it_too() {
    for world in World::each_asking(Confirmation::Number).await {
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
async fn yes_is_not_enough_and_no_is() {
    for world in World::each_asking(Confirmation::Number).await {
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
async fn whatever_is_delivered_again_offers_the_same_numbers() {
    for world in World::each_asking(Confirmation::Number).await {
        let (scene, asked) = world.scan_new("bo").await;
        assert_eq!(world.again(&asked).await, reply(&asked));
        let answered = world.touch("bo", &asked, &shown(&world, scene).await).await;
        assert_eq!((world.again(&answered).await, world.again(&asked).await), (DONE.into(), reply(&asked).into()));
        assert_eq!(world.history(scene).await, ["scanned", "confirmed"]);
    }
}

#[tokio::test]
async fn of_a_right_and_a_wrong_pick_at_the_same_instant_the_first_wins() {
    for world in World::each_asking(Confirmation::Number).await {
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
async fn where_no_number_is_shown_a_number_is_asked_about_again() {
    for world in World::each_asking(Confirmation::Tap).await {
        let (scene, asked) = world.scan_new("bo").await;
        assert_eq!(reply(&world.say("bo", "57").await), reply(&asked));
        assert_eq!(world.history(scene).await, ["scanned"]);
    }
}
