//! The same delivery twice, and many at once: each is applied once or refused.

use scenecast_scene::{Grant, SceneSnapshot, Settled, Transition};
use tokio::task::JoinSet;

use super::{same_state, settle};
use crate::{
    bus::TestPods,
    fixtures::{TestBus, assert_no_notice, log_in, next_event_kind, opening, person, scan, scene},
};

scenecast_testing::over_each_backend! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    TestPods:
    a_repeated_delivery_gets_the_same_answer_and_changes_nothing
    the_same_delivery_on_two_pods_at_once_is_applied_once
    of_fifty_people_who_scan_at_once_exactly_one_is_first
}

async fn a_repeated_delivery_gets_the_same_answer_and_changes_nothing(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let first = settle(&bus, "1", &log_in(&grant, "ann")).await;
    let again = settle(&bus, "1", &log_in(&grant, "ann")).await;
    let (Settled::Applied(first), Settled::Repeated(again)) = (first, again) else { panic!("not repeated") };
    assert!(same_state(&first, &again), "{first:?} is not {again:?}");
    assert_eq!(again.person(), Some(person("ann")));
    assert_eq!(next_event_kind(&mut watch).await, "confirmed");
    assert_no_notice(&mut watch);
}

async fn the_same_delivery_on_two_pods_at_once_is_applied_once(pods: TestPods) {
    let here = pods.bus.clone();
    let there = pods.another_pod();
    here.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = here.watch(scene(1), 0).await.unwrap();
    let outcomes = settle_fifty_times([here, there], |_| ("delivery".to_owned(), scan("ann"))).await;
    let [applied] = &outcomes.applied[..] else { panic!("applied {} times", outcomes.applied.len()) };
    assert_eq!(outcomes.repeated.len(), 49);
    assert!(outcomes.repeated.iter().all(|repeated| same_state(applied, repeated)));
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_no_notice(&mut watch);
}

async fn of_fifty_people_who_scan_at_once_exactly_one_is_first(pods: TestPods) {
    let here = pods.bus.clone();
    let there = pods.another_pod();
    here.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = here.watch(scene(1), 0).await.unwrap();
    let outcomes = settle_fifty_times([here, there], |n| (format!("delivery {n}"), scan(&format!("person-{n}")))).await;
    let [applied] = &outcomes.applied[..] else { panic!("applied {} times", outcomes.applied.len()) };
    assert_eq!(outcomes.refused.len(), 49);
    assert!(outcomes.refused.iter().all(|refused| refused.who() == applied.who()));
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_no_notice(&mut watch);
}

/// The outcomes of fifty settles.
#[derive(Default)]
struct Outcomes {
    applied: Vec<SceneSnapshot>,
    repeated: Vec<SceneSnapshot>,
    refused: Vec<SceneSnapshot>,
}

/// Settles the first scene fifty times at once, alternating between the two buses.
async fn settle_fifty_times(buses: [TestBus; 2], make_settle: impl Fn(usize) -> (String, Transition)) -> Outcomes {
    let mut settles = JoinSet::new();
    for (n, bus) in buses.iter().cycle().cloned().enumerate().take(50) {
        let (delivery, transition) = make_settle(n);
        settles.spawn(async move { settle(&bus, &delivery, &transition).await });
    }
    let mut outcomes = Outcomes::default();
    for settled in settles.join_all().await {
        match settled {
            Settled::Applied(snapshot) => outcomes.applied.push(snapshot),
            Settled::Repeated(snapshot) => outcomes.repeated.push(snapshot),
            Settled::Refused(_, snapshot) => outcomes.refused.push(snapshot),
            Settled::Unknown => panic!("the scene is unknown"),
        }
    }
    outcomes
}
