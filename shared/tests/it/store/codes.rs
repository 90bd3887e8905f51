//! Typed codes, and how fast they may be guessed.

use std::{collections::HashSet, time::Duration};

use scenecast_shared::{
    scene::{DeliveryId, TOMBSTONE_MS},
    store::{Code, Codes, Guess, Guesses},
    time::unix_now,
};

use super::{Pods, ann, at_once, bo, other, over_every_backend};
use crate::fixtures::{LIFE, account, scene};

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// One that no other message has.
fn delivery() -> DeliveryId {
    DeliveryId::of(&[&rand::random::<u64>().to_string()])
}

over_every_backend! {
    a_code_finds_its_scene_on_each_pod_in_its_account_only
    a_code_is_remembered_for_ten_minutes_after_its_life
    codes_grow_by_a_digit_for_each_tenfold_that_are_open
    wrong_guesses_are_slowed_down_on_each_pod_for_one_person_only
    guesses_at_once_get_round_nothing
    a_delivery_that_comes_again_is_the_same_guess
    a_right_guess_is_not_counted
    who_has_not_guessed_for_an_hour_begins_anew
}

async fn a_code_finds_its_scene_on_each_pod_in_its_account_only(pods: Pods) {
    let (here, there) = (Codes::new(pods.here), Codes::new(pods.there));
    let (first, second) =
        (here.issue(&account(), scene(1), LIFE).await.unwrap(), there.issue(&account(), scene(2), LIFE).await.unwrap());
    assert_eq!(first.to_string().len(), 8);
    assert_ne!(first, second);
    assert_eq!(there.find(&account(), &first).await, Ok(Some(scene(1))));
    assert_eq!(here.find(&account(), &second).await, Ok(Some(scene(2))));
    assert_eq!(here.find(&other(), &first).await, Ok(None));
}

async fn a_code_is_remembered_for_ten_minutes_after_its_life(pods: Pods) {
    let codes = Codes::new(pods.here.clone());
    let code = codes.issue(&account(), scene(1), LIFE).await.unwrap();
    let (name, remembered) = (format!("code:demo:{code}"), LIFE + Duration::from_millis(TOMBSTONE_MS));
    match pods.life(&name).await {
        Some(life) => {
            assert!((718..=720).contains(&life), "{life}");
            pods.pass(remembered, &name).await;
        }
        None => {
            pods.pass(remembered.saturating_sub(Duration::from_millis(1)), &name).await;
            assert_eq!(codes.find(&account(), &code).await, Ok(Some(scene(1))));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(codes.find(&account(), &code).await, Ok(None));
}

async fn codes_grow_by_a_digit_for_each_tenfold_that_are_open(pods: Pods) {
    let (here, there) = (Codes::new(pods.here), Codes::new(pods.there));
    let mut codes: Vec<Code> = vec![];
    for _ in 0..24 {
        let issue = |codes: Codes, n| async move { codes.issue(&account(), scene(n as u128), LIFE).await.unwrap() };
        codes.extend(at_once(50, &here, &there, issue).await);
    }
    let of = |digits| codes.iter().filter(|code| code.to_string().len() == digits).count();
    // At the turn of a minute each begins to count at what it knows to be open then.
    assert!((90..=110).contains(&of(8)) && (880..=920).contains(&of(9)), "{} and {}", of(8), of(9));
    assert_eq!(of(8) + of(9) + of(10), 1_200);
    assert_eq!(codes.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), 1_200, "none is given twice");
    assert_eq!(here.issue(&other(), scene(1), LIFE).await.unwrap().to_string().len(), 8, "each account has its own");
}

async fn wrong_guesses_are_slowed_down_on_each_pod_for_one_person_only(pods: Pods) {
    let (here, there) = (Guesses::new(pods.here), Guesses::new(pods.there));
    for _ in 0..5 {
        assert_eq!(here.guess(&account(), &ann(), delivery(), NOW).await, Ok(Guess::Allowed));
    }
    let pause = Duration::from_secs(2);
    assert_eq!(there.guess(&account(), &ann(), delivery(), NOW).await, Ok(Guess::SlowDown(pause)));
    assert_eq!(there.guess(&account(), &bo(), delivery(), NOW).await, Ok(Guess::Allowed));
    assert_eq!(there.guess(&other(), &ann(), delivery(), NOW).await, Ok(Guess::Allowed));
    assert_eq!(there.guess(&account(), &ann(), delivery(), NOW + pause).await, Ok(Guess::Allowed));
    assert_eq!(here.guess(&account(), &ann(), delivery(), NOW + pause).await, Ok(Guess::SlowDown(2 * pause)));
}

async fn guesses_at_once_get_round_nothing(pods: Pods) {
    let (here, there) = (Guesses::new(pods.here), Guesses::new(pods.there));
    let guesses = at_once(40, &here, &there, |guesses, _| async move {
        guesses.guess(&account(), &ann(), delivery(), NOW).await.unwrap()
    })
    .await;
    assert_eq!(guesses.iter().filter(|guess| **guess == Guess::Allowed).count(), 5);
}

async fn a_delivery_that_comes_again_is_the_same_guess(pods: Pods) {
    let (here, there) = (Guesses::new(pods.here), Guesses::new(pods.there));
    for _ in 0..4 {
        here.guess(&account(), &ann(), delivery(), NOW).await.unwrap();
    }
    let last = delivery();
    for guesses in [&here, &there, &here] {
        assert_eq!(guesses.guess(&account(), &ann(), last, NOW).await, Ok(Guess::Allowed));
    }
    assert!(matches!(there.guess(&account(), &ann(), delivery(), NOW).await, Ok(Guess::SlowDown(_))));
}

async fn a_right_guess_is_not_counted(pods: Pods) {
    let guesses = Guesses::new(pods.here.clone());
    guesses.right(&account(), &ann(), delivery()).await.unwrap();
    for _ in 0..10 {
        let right = delivery();
        assert_eq!(guesses.guess(&account(), &ann(), right, NOW).await, Ok(Guess::Allowed));
        guesses.right(&account(), &ann(), right).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(guesses.guess(&account(), &ann(), delivery(), NOW).await, Ok(Guess::Allowed));
    }
    assert!(matches!(guesses.guess(&account(), &ann(), delivery(), NOW).await, Ok(Guess::SlowDown(_))));
    if let Some(life) = pods.life("guess:demo:oAnn").await {
        assert!((3_500..=3_600).contains(&life), "{life}");
    }
}

async fn who_has_not_guessed_for_an_hour_begins_anew(pods: Pods) {
    let guesses = Guesses::new(pods.here.clone());
    for _ in 0..5 {
        assert_eq!(guesses.guess(&account(), &ann(), delivery(), unix_now()).await, Ok(Guess::Allowed));
    }
    pods.pass(Duration::from_secs(3_600), "guess:demo:oAnn").await;
    assert_eq!(guesses.guess(&account(), &ann(), delivery(), unix_now()).await, Ok(Guess::Allowed));
}
