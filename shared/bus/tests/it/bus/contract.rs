//! The contract of the bus. Each test runs over every backend.

use std::time::Duration;

use futures_util::FutureExt;
use scenecast_bus::Notice;
use scenecast_scene::{
    Acceptance, Binding, EventKind, Grant, GrantDigest, NewScene, NumberChallenge, SceneField, SceneSnapshot,
    SceneState, SettleRefusal, Settled, Transition,
};
use tokio::task::JoinSet;

use super::TestPods;
use crate::fixtures::{
    GRANT_LIFE, SCENE_LIFE, TestBus, acceptance, account, apply, assert_no_notice, cause, confirm, log_in, next_event,
    next_event_kind, next_notice, opening, person, scan, scene, until,
};

scenecast_testing::over_each_backend! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    TestPods:
    a_watcher_gets_each_settled_event
    a_watcher_on_another_pod_gets_the_event
    a_watcher_gets_the_events_of_the_mailbox_then_live_ones_each_once
    a_watcher_that_comes_before_the_scene_is_opened_gets_its_events
    a_scene_that_was_never_opened_is_unknown
    opening_a_scene_again_changes_nothing
    a_snapshot_shows_the_state_and_the_facts_of_a_scene
    the_second_person_who_scans_is_refused
    only_the_number_that_the_page_shows_confirms_the_login
    a_repeated_delivery_gets_the_same_answer_and_changes_nothing
    the_same_delivery_on_two_pods_at_once_is_applied_once
    of_fifty_people_who_scan_at_once_exactly_one_is_first
    an_expired_scene_is_remembered_as_a_tombstone
    the_life_of_a_grant_begins_with_the_confirmation
    a_grant_is_redeemed_once_and_only_by_its_own_site_and_browser
    seq_grows_with_each_event
    each_of_two_watchers_gets_every_event
    the_end_of_an_old_connection_does_not_end_the_watch_of_a_page_that_reconnected
    a_scene_that_is_watched_and_left_in_quick_succession_is_subscribed_at_the_end
}

async fn a_watcher_gets_each_settled_event(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    assert!(bus.open(scene(1), &opening()).await.unwrap());
    let (mut watch, mailbox) = bus.watch(scene(1), 0).await.unwrap();
    let mailbox = mailbox.unwrap();
    assert!(mailbox.remaining <= SCENE_LIFE && mailbox.remaining > SCENE_LIFE / 2, "{mailbox:?}");
    assert_eq!(mailbox.state, SceneState::Open);
    assert_eq!(mailbox.events, vec![]);
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    apply(&bus, scene(1), "yes", &confirm(&grant, "ann")).await;
    assert_eq!([next_event_kind(&mut watch).await, next_event_kind(&mut watch).await], ["scanned", "confirmed"]);
    assert_no_notice(&mut watch);
}

async fn a_watcher_on_another_pod_gets_the_event(pods: TestPods) {
    let here = &pods.bus;
    let there = pods.another_pod();
    here.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = there.watch(scene(1), 0).await.unwrap();
    apply(here, scene(1), "scan", &scan("ann")).await;
    let event = next_event(&mut watch).await;
    assert_eq!((event.delivery, event.received_at), (cause("scan").delivery, cause("scan").received_at));
    let read = there.read(scene(1)).await.unwrap().unwrap();
    assert_eq!((read.state, &*read.events[0]), (SceneState::Scanned, &event));
}

async fn a_watcher_gets_the_events_of_the_mailbox_then_live_ones_each_once(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    let (mut from_start, mailbox) = bus.watch(scene(1), 0).await.unwrap();
    let scan_seq = mailbox.unwrap().events[0].seq;
    let (mut from_scan, _) = bus.watch(scene(1), scan_seq).await.unwrap();
    apply(&bus, scene(1), "yes", &confirm(&grant, "ann")).await;
    assert_eq!(
        [next_event_kind(&mut from_start).await, next_event_kind(&mut from_start).await],
        ["scanned", "confirmed"]
    );
    assert_eq!(next_event_kind(&mut from_scan).await, "confirmed");
    assert_no_notice(&mut from_start);
    assert_no_notice(&mut from_scan);
}

async fn a_watcher_that_comes_before_the_scene_is_opened_gets_its_events(pods: TestPods) {
    let bus = pods.bus;
    let (mut watch, mailbox) = bus.watch(scene(1), 0).await.unwrap();
    assert!(mailbox.is_none());
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    // First it may get `SceneLost`, because there was no such scene at first.
    while let Notice::SceneLost = next_notice(&mut watch).await {}
}

async fn a_scene_that_was_never_opened_is_unknown(pods: TestPods) {
    let settled = pods.bus.settle(scene(1), &cause("scan"), &scan("ann")).await;
    assert_eq!(settled, Ok(Settled::Unknown));
    assert!(pods.bus.read(scene(1)).await.unwrap().is_none());
}

async fn opening_a_scene_again_changes_nothing(pods: TestPods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    let other = NewScene { account: "other".parse().unwrap(), binding: None, life: SCENE_LIFE * 100, ..opening() };
    assert!(!bus.open(scene(1), &other).await.unwrap());
    let Settled::Refused(SettleRefusal::State(SceneState::Scanned), snapshot) =
        settle(&bus, "again", &scan("bob")).await
    else {
        panic!("the scene isn't scanned any more")
    };
    assert_eq!(snapshot.account(), Some(account()));
    assert_eq!(snapshot.fields[&SceneField::Binding], Binding::of("session").to_string());
    assert_eq!(snapshot.page(), opening().page);
    assert!(snapshot.remaining <= SCENE_LIFE);
}

async fn a_snapshot_shows_the_state_and_the_facts_of_a_scene(pods: TestPods) {
    let bus = pods.bus;
    assert_eq!(bus.snapshot(scene(1)).await, Ok(None));
    bus.open(scene(1), &opening()).await.unwrap();
    let open = bus.snapshot(scene(1)).await.unwrap().unwrap();
    assert_eq!((open.state, open.who(), open.page()), (SceneState::Open, None, opening().page));
    let Settled::Applied(settled) = settle(&bus, "scan", &scan("ann")).await else { panic!("the scan wasn't applied") };
    let read = bus.snapshot(scene(1)).await.unwrap().unwrap();
    assert!(read.remaining <= settled.remaining && read.remaining > SCENE_LIFE / 2, "{read:?}");
    assert_eq!(SceneSnapshot { remaining: settled.remaining, ..read }, settled);
}

async fn the_second_person_who_scans_is_refused(pods: TestPods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "1", &scan("ann")).await;
    let Settled::Refused(refusal, snapshot) = settle(&bus, "2", &scan("bob")).await else {
        panic!("bob's scan was applied")
    };
    assert_eq!((refusal, snapshot.who()), (SettleRefusal::State(SceneState::Scanned), Some(person("ann").openid)));
    let bobs = confirm(&Grant::issue(scene(1)), "bob");
    assert!(matches!(settle(&bus, "3", &bobs).await, Settled::Refused(SettleRefusal::Guard(SceneField::Who), _)));
}

async fn only_the_number_that_the_page_shows_confirms_the_login(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    let numbers = NumberChallenge::random();
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let scan = Transition::Scan { account: account(), person: person("ann"), numbers: Some(numbers.clone()) };
    let Settled::Applied(snapshot) = settle(&bus, "1", &scan).await else { panic!("refused") };
    assert_eq!(snapshot.choices(), Some(numbers.choices));
    let EventKind::Scanned(event) = next_event(&mut watch).await.what else { panic!("not scanned") };
    assert_eq!(event.number, Some(numbers.right));
    let confirm = |picked| Transition::Confirm { account: account(), login: acceptance(&grant, "ann"), picked };
    let wrong = numbers.choices.into_iter().find(|choice| *choice != numbers.right);
    for (delivery, picked) in [("2", None), ("3", wrong)] {
        let settled = settle(&bus, delivery, &confirm(picked)).await;
        assert!(matches!(settled, Settled::Refused(SettleRefusal::Guard(SceneField::Number), _)), "{settled:?}");
    }
    apply(&bus, scene(1), "4", &confirm(Some(numbers.right))).await;
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

async fn an_expired_scene_is_remembered_as_a_tombstone(pods: TestPods) {
    let bus = pods.bus;
    let brief = NewScene { life: Duration::from_millis(30), ..opening() };
    bus.open(scene(1), &brief).await.unwrap();
    until_expired(&bus).await;
    let Settled::Refused(refusal, snapshot) = settle(&bus, "late", &scan("ann")).await else { panic!("not refused") };
    assert_eq!((refusal, snapshot.remaining), (SettleRefusal::State(SceneState::Expired), Duration::ZERO));
    assert!(!bus.open(scene(1), &opening()).await.unwrap(), "its tombstone is still there");
}

async fn the_life_of_a_grant_begins_with_the_confirmation(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    bus.open(scene(1), &opening()).await.unwrap();
    let Settled::Applied(snapshot) = settle(&bus, "1", &log_in(&grant, "ann")).await else { panic!("refused") };
    assert_eq!((snapshot.state, snapshot.remaining), (SceneState::Confirmed, GRANT_LIFE));

    let scene = scene(2);
    let life = Duration::from_millis(30);
    bus.open(scene, &opening()).await.unwrap();
    let login = Transition::LogIn { account: account(), login: Acceptance { life, ..acceptance(&grant, "ann") } };
    apply(&bus, scene, "1", &login).await;
    until("the grant expires", async || bus.read(scene).await.unwrap().unwrap().state == SceneState::Expired).await;
    let late = bus.settle(scene, &cause("backend"), &redeem(grant.digest())).await.unwrap();
    assert!(matches!(late, Settled::Refused(SettleRefusal::State(SceneState::Expired), _)), "{late:?}");
}

async fn a_grant_is_redeemed_once_and_only_by_its_own_site_and_browser(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "1", &log_in(&grant, "ann")).await;
    let redemption = |account: &str, grant: GrantDigest, state: Option<&str>| Transition::Redeem {
        grant,
        account: account.parse().unwrap(),
        binding: state.map(Binding::of),
    };
    for (wrong, field) in [
        (redemption("other", grant.digest(), Some("session")), SceneField::Account),
        (redemption("demo", Grant::issue(scene(1)).digest(), Some("session")), SceneField::Grant),
        (redemption("demo", grant.digest(), Some("another session")), SceneField::Binding),
        (redemption("demo", grant.digest(), None), SceneField::Binding),
    ] {
        let settled = settle(&bus, "wrong", &wrong).await;
        assert!(matches!(settled, Settled::Refused(SettleRefusal::Guard(by), _) if by == field), "{settled:?}");
    }
    let right = redeem(grant.digest());
    let Settled::Applied(snapshot) = settle(&bus, "backend", &right).await else { panic!("not redeemed") };
    assert_eq!((snapshot.state, snapshot.person()), (SceneState::Redeemed, Some(person("ann"))));
    assert!(matches!(settle(&bus, "backend", &right).await, Settled::Repeated(again) if same_state(&again, &snapshot)));
    let twice = settle(&bus, "another backend", &right).await;
    assert!(matches!(twice, Settled::Refused(SettleRefusal::State(SceneState::Redeemed), _)), "{twice:?}");
}

async fn seq_grows_with_each_event(pods: TestPods) {
    let bus = pods.bus;
    let grant = Grant::issue(scene(1));
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    apply(&bus, scene(1), "1", &scan("ann")).await;
    apply(&bus, scene(1), "2", &confirm(&grant, "ann")).await;
    let first = next_event(&mut watch).await.seq;
    let second = next_event(&mut watch).await.seq;
    assert!(first < second, "{second} came after {first}");
    let year_2020_us = 1_577_836_800_000_000;
    assert!(first > year_2020_us, "seq should be the backend's time in microseconds: {first}");
}

async fn each_of_two_watchers_gets_every_event(pods: TestPods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut one, _) = bus.watch(scene(1), 0).await.unwrap();
    let (mut other, _) = bus.watch(scene(1), 0).await.unwrap();
    assert_eq!(bus.watched_scenes(), 1);
    apply(&bus, scene(1), "1", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut one).await, "scanned");
    assert_eq!(next_event_kind(&mut other).await, "scanned");
    drop(one);
    apply(&bus, scene(1), "2", &Transition::Cancel).await;
    assert_eq!(next_event_kind(&mut other).await, "cancelled");
    drop(other);
    assert_eq!(bus.watched_scenes(), 0);
}

async fn the_end_of_an_old_connection_does_not_end_the_watch_of_a_page_that_reconnected(pods: TestPods) {
    let bus = pods.bus;
    for n in 0..200 {
        bus.open(scene(n), &opening()).await.unwrap();
        let (old, _) = bus.watch(scene(n), 0).await.unwrap();
        let reconnecting = bus.clone();
        let (new, ()) = tokio::join!(
            tokio::spawn(async move { reconnecting.watch(scene(n), 0).await }),
            tokio::spawn(async move { drop(old) }).map(Result::unwrap),
        );
        let (mut new, _) = new.unwrap().unwrap();
        apply(&bus, scene(n), "scan", &scan("ann")).await;
        assert_eq!(next_event_kind(&mut new).await, "scanned");
    }
    assert_eq!(bus.watched_scenes(), 0);
}

async fn a_scene_that_is_watched_and_left_in_quick_succession_is_subscribed_at_the_end(pods: TestPods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    for _ in 0..100 {
        // The select drops some of these before their subscription is confirmed.
        tokio::select! {
            biased;
            watch = bus.watch(scene(1), 0) => drop(watch.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
}

async fn settle(bus: &TestBus, delivery: &str, transition: &Transition) -> Settled {
    bus.settle(scene(1), &cause(delivery), transition).await.unwrap()
}

fn redeem(grant: GrantDigest) -> Transition {
    Transition::Redeem { grant, account: account(), binding: Some(Binding::of("session")) }
}

/// Whether both are the same, apart from the remaining life.
fn same_state(before: &SceneSnapshot, after: &SceneSnapshot) -> bool {
    (before.state, &before.fields) == (after.state, &after.fields)
}

async fn until_expired(bus: &TestBus) {
    until("the scene expires", async || bus.read(scene(1)).await.unwrap().unwrap().state == SceneState::Expired).await;
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
