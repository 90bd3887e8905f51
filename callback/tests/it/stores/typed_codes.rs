//! Typed codes, and how fast a person may guess them.

use std::{collections::HashSet, time::Duration};

use scenecast_callback::stores::{GuessLimiter, GuessVerdict, TypedCode, TypedCodes};
use scenecast_scene::{DeliveryId, TOMBSTONE_MS, time::unix_now};

use super::{Pods, account, ann, at_once, bo, other, over_every_backend, scene};
use crate::world::LIFE;

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A new delivery.
fn delivery() -> DeliveryId {
    DeliveryId::of(&[&rand::random::<u64>().to_string()])
}

over_every_backend! {
    a_code_finds_its_scene_on_each_pod_and_only_in_its_account
    a_code_is_remembered_for_ten_minutes_after_its_life
    ten_times_as_many_open_codes_have_one_digit_more
    wrong_guesses_slow_down_one_person_on_each_pod
    guesses_at_the_same_time_do_not_get_round_the_limit
    a_redelivery_is_the_same_guess
    a_right_guess_is_not_counted
    after_an_hour_without_a_guess_the_count_starts_anew
}

async fn a_code_finds_its_scene_on_each_pod_and_only_in_its_account(pods: Pods) {
    let (here, there) = (TypedCodes::new(pods.here), TypedCodes::new(pods.there));
    let (first, second) =
        (here.issue(&account(), scene(1), LIFE).await.unwrap(), there.issue(&account(), scene(2), LIFE).await.unwrap());
    assert_eq!(first.to_string().len(), 8);
    assert_ne!(first, second);
    assert_eq!(there.find(&account(), &first).await, Ok(Some(scene(1))));
    assert_eq!(here.find(&account(), &second).await, Ok(Some(scene(2))));
    assert_eq!(here.find(&other(), &first).await, Ok(None));
}

async fn a_code_is_remembered_for_ten_minutes_after_its_life(pods: Pods) {
    let codes = TypedCodes::new(pods.here.clone());
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

async fn ten_times_as_many_open_codes_have_one_digit_more(pods: Pods) {
    let (here, there) = (TypedCodes::new(pods.here), TypedCodes::new(pods.there));
    let mut codes: Vec<TypedCode> = vec![];
    for _ in 0..24 {
        let issue =
            |codes: TypedCodes, n| async move { codes.issue(&account(), scene(n as u128), LIFE).await.unwrap() };
        codes.extend(at_once(50, &here, &there, issue).await);
    }
    let of = |digits| codes.iter().filter(|code| code.to_string().len() == digits).count();
    // When a minute begins, its count starts with the codes that are open then.
    assert!((90..=110).contains(&of(8)) && (880..=920).contains(&of(9)), "{} and {}", of(8), of(9));
    assert_eq!(of(8) + of(9) + of(10), 1_200);
    assert_eq!(codes.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), 1_200, "none is given twice");
    assert_eq!(here.issue(&other(), scene(1), LIFE).await.unwrap().to_string().len(), 8, "each account has its own");
}

async fn wrong_guesses_slow_down_one_person_on_each_pod(pods: Pods) {
    let (here, there) = (GuessLimiter::new(pods.here), GuessLimiter::new(pods.there));
    for _ in 0..5 {
        assert_eq!(here.check(&account(), &ann(), delivery(), NOW).await, Ok(GuessVerdict::Allowed));
    }
    let pause = Duration::from_secs(2);
    assert_eq!(there.check(&account(), &ann(), delivery(), NOW).await, Ok(GuessVerdict::SlowDown(pause)));
    assert_eq!(there.check(&account(), &bo(), delivery(), NOW).await, Ok(GuessVerdict::Allowed));
    assert_eq!(there.check(&other(), &ann(), delivery(), NOW).await, Ok(GuessVerdict::Allowed));
    assert_eq!(there.check(&account(), &ann(), delivery(), NOW + pause).await, Ok(GuessVerdict::Allowed));
    assert_eq!(here.check(&account(), &ann(), delivery(), NOW + pause).await, Ok(GuessVerdict::SlowDown(2 * pause)));
}

async fn guesses_at_the_same_time_do_not_get_round_the_limit(pods: Pods) {
    let (here, there) = (GuessLimiter::new(pods.here), GuessLimiter::new(pods.there));
    let guesses = at_once(40, &here, &there, |guesses, _| async move {
        guesses.check(&account(), &ann(), delivery(), NOW).await.unwrap()
    })
    .await;
    assert_eq!(guesses.iter().filter(|guess| **guess == GuessVerdict::Allowed).count(), 5);
}

async fn a_redelivery_is_the_same_guess(pods: Pods) {
    let (here, there) = (GuessLimiter::new(pods.here), GuessLimiter::new(pods.there));
    for _ in 0..4 {
        here.check(&account(), &ann(), delivery(), NOW).await.unwrap();
    }
    let last = delivery();
    for guesses in [&here, &there, &here] {
        assert_eq!(guesses.check(&account(), &ann(), last, NOW).await, Ok(GuessVerdict::Allowed));
    }
    assert!(matches!(there.check(&account(), &ann(), delivery(), NOW).await, Ok(GuessVerdict::SlowDown(_))));
}

async fn a_right_guess_is_not_counted(pods: Pods) {
    let guesses = GuessLimiter::new(pods.here.clone());
    guesses.take_back(&account(), &ann(), delivery()).await.unwrap();
    for _ in 0..10 {
        let right = delivery();
        assert_eq!(guesses.check(&account(), &ann(), right, NOW).await, Ok(GuessVerdict::Allowed));
        guesses.take_back(&account(), &ann(), right).await.unwrap();
    }
    for _ in 0..5 {
        assert_eq!(guesses.check(&account(), &ann(), delivery(), NOW).await, Ok(GuessVerdict::Allowed));
    }
    assert!(matches!(guesses.check(&account(), &ann(), delivery(), NOW).await, Ok(GuessVerdict::SlowDown(_))));
    if let Some(life) = pods.life("guess:demo:oAnn").await {
        assert!((3_500..=3_600).contains(&life), "{life}");
    }
}

async fn after_an_hour_without_a_guess_the_count_starts_anew(pods: Pods) {
    let guesses = GuessLimiter::new(pods.here.clone());
    for _ in 0..5 {
        assert_eq!(guesses.check(&account(), &ann(), delivery(), unix_now()).await, Ok(GuessVerdict::Allowed));
    }
    pods.pass(Duration::from_secs(3_600), "guess:demo:oAnn").await;
    assert_eq!(guesses.check(&account(), &ann(), delivery(), unix_now()).await, Ok(GuessVerdict::Allowed));
}
