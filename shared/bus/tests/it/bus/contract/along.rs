//! A value that is replaced along with a settle: only with the step itself, and only in place of what was read.

use std::time::Duration;

use scenecast_bus::{Replacement, SettledAlong};
use scenecast_scene::{
    Grant, SceneState, Settled, Transition,
    testing::{confirm_with_number, scan_with_number},
};
use scenecast_testing::TestBackend;

use crate::{
    bus::TestPods,
    fixtures::{cause, log_in, opening, scan, scene},
};

scenecast_testing::over_each_backend! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    TestPods:
    a_value_is_replaced_along_with_the_step_or_left_to_the_caller
    a_wrong_guess_changes_nothing_and_says_what_is_stored
}

const NAME: &str = "user:demo:oAnn";

fn replacement(read: Option<&str>, value: &str) -> Replacement {
    let life = Some(Duration::from_secs(60));
    Replacement { name: NAME.to_owned(), read: read.map(str::to_owned), is_guess: false, value: value.to_owned(), life }
}

/// Whether one server has all keys, so that a script may use any.
fn is_one_server(backend: &TestBackend) -> bool {
    matches!(backend, TestBackend::Standalone(_) | TestBackend::Sentinels(_))
}

async fn a_value_is_replaced_along_with_the_step_or_left_to_the_caller(pods: TestPods) {
    let bus = &pods.bus;
    let together = is_one_server(&pods.backend);
    let stored = async || pods.backend.cli(NAME, &["GET", NAME]).await.transpose().unwrap().unwrap_or_default();
    let settle = async |n, delivery, transition: &Transition, along: &Replacement| match bus
        .settle_along(scene(n), &cause(delivery), transition, along)
        .await
        .unwrap()
    {
        SettledAlong::Settled { settled, replaced } => (settled, replaced),
        wrong @ SettledAlong::WrongGuess(_) => panic!("{wrong:?}"),
    };
    for n in 1..=5 {
        bus.open(scene(n), &opening()).await.unwrap();
    }
    let grant = Grant::issue(scene(1));
    let (settled, replaced) = settle(1, "1", &log_in(&grant, "ann"), &replacement(None, "one")).await;
    assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
    assert_eq!((replaced, stored().await.as_str()), (together, if together { "one" } else { "" }));
    // What changes nothing replaces nothing: the same delivery again, and another one that is too late.
    for delivery in ["1", "2"] {
        let (_, replaced) = settle(1, delivery, &log_in(&grant, "ann"), &replacement(Some("one"), "two")).await;
        assert!(!replaced, "{delivery}");
    }
    // Nor is a value replaced that is another one by now.
    for (n, read) in [(2, None), (3, Some("zero"))] {
        let (settled, replaced) = settle(n, "3", &log_in(&grant, "ann"), &replacement(read, "two")).await;
        assert!(matches!(settled, Settled::Applied(_)), "{settled:?}");
        assert!(!replaced, "{read:?}");
    }
    assert_eq!(stored().await, if together { "one" } else { "" });
    // Nor where the step ends otherwise than it was asked for.
    let number = |number: u8| number.try_into().unwrap();
    bus.settle(scene(4), &cause("5"), &scan_with_number("ann", number(11))).await.unwrap();
    let wrong = confirm_with_number(&grant, "ann", number(12));
    let (settled, replaced) = settle(4, "6", &wrong, &replacement(Some("one"), "two")).await;
    assert!(matches!(settled, Settled::Applied(declined) if declined.state == SceneState::Declined));
    assert!(!replaced);
    let (_, replaced) = settle(5, "7", &scan("ann"), &replacement(Some("one"), "two")).await;
    assert_eq!(replaced, together);
    if together {
        let life = pods.backend.cli(NAME, &["PTTL", NAME]).await.unwrap().unwrap();
        assert!((1..=60_000).contains(&life.parse::<u64>().unwrap()), "{life}");
    }
}

async fn a_wrong_guess_changes_nothing_and_says_what_is_stored(pods: TestPods) {
    let bus = &pods.bus;
    if !is_one_server(&pods.backend) {
        return;
    }
    bus.open(scene(1), &opening()).await.unwrap();
    let grant = Grant::issue(scene(1));
    let settle = async |read: Option<&str>, value: &str| {
        let along = Replacement { is_guess: true, ..replacement(read, value) };
        bus.settle_along(scene(1), &cause("1"), &log_in(&grant, "ann"), &along).await.unwrap()
    };
    let wrong = settle(Some("zero"), "one").await;
    assert_eq!(wrong, SettledAlong::WrongGuess(None));
    let state = async || bus.snapshot(scene(1)).await.unwrap().unwrap().state;
    assert_eq!(state().await, SceneState::Open);
    let right = settle(None, "one").await;
    assert!(matches!(right, SettledAlong::Settled { settled: Settled::Applied(_), replaced: true }), "{right:?}");
    assert_eq!(state().await, SceneState::Confirmed);
    // The same delivery again, as if its answer had been lost.
    assert_eq!(settle(None, "one").await, SettledAlong::WrongGuess(Some("one".into())));
    let again = settle(Some("one"), "two").await;
    assert!(matches!(again, SettledAlong::Settled { settled: Settled::Repeated(_), replaced: false }), "{again:?}");
}
