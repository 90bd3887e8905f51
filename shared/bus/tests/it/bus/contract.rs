//! What holds for every backend.

use std::time::Duration;

use futures_util::FutureExt;
use scenecast_bus::Notice;
use scenecast_scene::{
    Acceptance, Binding, EventKind, Grant, GrantDigest, NumberChallenge, Opening, SceneField, SceneSnapshot,
    SceneState, SettleRefusal, Settled, Transition,
};
use tokio::task::JoinSet;

use super::Pods;
use crate::fixtures::{
    Bus, GRANT_LIFE, LIFE, acceptance, account, apply, cause, confirm, event, heard, hears_nothing, log_in, notice,
    opening, person, scan, scene, until,
};

scenecast_testing::over_each_backend! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    Pods:
    a_watcher_hears_what_is_settled
    a_watcher_of_another_pod_hears_it
    what_is_in_the_mailbox_comes_first_then_what_is_live_and_nothing_twice
    a_scene_that_is_watched_before_it_is_opened_is_heard
    nobody_knows_a_scene_that_was_never_opened
    opening_a_scene_again_changes_nothing
    how_a_scene_stands_can_be_asked
    the_second_person_is_refused
    the_number_that_the_page_shows_has_to_be_picked
    the_same_delivery_is_answered_alike
    the_same_delivery_at_once_on_two_pods_is_applied_once
    of_fifty_people_at_once_one_is_first
    a_scene_expires_and_is_remembered
    a_grant_lives_from_its_confirmation_on
    a_grant_is_redeemed_once_by_its_own_site_and_browser
    seq_grows
    each_of_two_watchers_hears_everything
    a_page_that_reconnects_is_not_cleaned_up_with_its_old_connection
    a_scene_that_is_left_and_watched_in_quick_turns_is_heard_in_the_end
}

async fn a_watcher_hears_what_is_settled(pods: Pods) {
    let (bus, grant) = (pods.bus, Grant::issue(scene(1)));
    assert!(bus.open(scene(1), &opening()).await.unwrap());
    let (mut watch, mailbox) = bus.watch(scene(1), 0).await.unwrap();
    let mailbox = mailbox.unwrap();
    assert!(mailbox.remaining <= LIFE && mailbox.remaining > LIFE / 2, "{mailbox:?}");
    assert_eq!((mailbox.state, mailbox.events), (SceneState::Open, vec![]));
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    apply(&bus, scene(1), "yes", &confirm(&grant, "ann")).await;
    assert_eq!([heard(&mut watch).await, heard(&mut watch).await], ["scanned", "confirmed"]);
    hears_nothing(&mut watch);
}

async fn a_watcher_of_another_pod_hears_it(pods: Pods) {
    let (here, there) = (&pods.bus, pods.another());
    here.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = there.watch(scene(1), 0).await.unwrap();
    apply(here, scene(1), "scan", &scan("ann")).await;
    let event = event(&mut watch).await;
    assert_eq!((event.delivery, event.received_at), (cause("scan").delivery, cause("scan").received_at));
    let read = there.read(scene(1)).await.unwrap().unwrap();
    assert_eq!((read.state, &*read.events[0]), (SceneState::Scanned, &event));
}

async fn what_is_in_the_mailbox_comes_first_then_what_is_live_and_nothing_twice(pods: Pods) {
    let (bus, grant) = (pods.bus, Grant::issue(scene(1)));
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    let (mut from_start, mailbox) = bus.watch(scene(1), 0).await.unwrap();
    let scanned = mailbox.unwrap().events[0].seq;
    let (mut from_scan, _) = bus.watch(scene(1), scanned).await.unwrap();
    apply(&bus, scene(1), "yes", &confirm(&grant, "ann")).await;
    assert_eq!([heard(&mut from_start).await, heard(&mut from_start).await], ["scanned", "confirmed"]);
    assert_eq!(heard(&mut from_scan).await, "confirmed");
    hears_nothing(&mut from_start);
    hears_nothing(&mut from_scan);
}

async fn a_scene_that_is_watched_before_it_is_opened_is_heard(pods: Pods) {
    let bus = pods.bus;
    let (mut watch, mailbox) = bus.watch(scene(1), 0).await.unwrap();
    assert!(mailbox.is_none());
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    // It may have been told that there is no such scene, which was so.
    while let Notice::SceneLost = notice(&mut watch).await {}
}

async fn nobody_knows_a_scene_that_was_never_opened(pods: Pods) {
    let settled = pods.bus.settle(scene(1), &cause("scan"), &scan("ann")).await;
    assert_eq!(settled, Ok(Settled::Unknown));
    assert!(pods.bus.read(scene(1)).await.unwrap().is_none());
}

async fn opening_a_scene_again_changes_nothing(pods: Pods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    let other = Opening { account: "other".parse().unwrap(), binding: None, life: LIFE * 100, ..opening() };
    assert!(!bus.open(scene(1), &other).await.unwrap());
    let Settled::Refused(SettleRefusal::State(SceneState::Scanned), standing) =
        settle(&bus, "again", &scan("bob")).await
    else {
        panic!("it isn't scanned any more")
    };
    assert_eq!(standing.account(), Some(account()));
    assert_eq!(standing.facts[&SceneField::Binding], Binding::of("session").to_string());
    assert_eq!(standing.page(), opening().page);
    assert!(standing.remaining <= LIFE);
}

async fn how_a_scene_stands_can_be_asked(pods: Pods) {
    let bus = pods.bus;
    assert_eq!(bus.snapshot(scene(1)).await, Ok(None));
    bus.open(scene(1), &opening()).await.unwrap();
    let open = bus.snapshot(scene(1)).await.unwrap().unwrap();
    assert_eq!((open.state, open.who(), open.page()), (SceneState::Open, None, opening().page));
    let Settled::Applied(settled) = settle(&bus, "scan", &scan("ann")).await else { panic!("it wasn't applied") };
    let asked = bus.snapshot(scene(1)).await.unwrap().unwrap();
    assert!(asked.remaining <= settled.remaining && asked.remaining > LIFE / 2, "{asked:?}");
    assert_eq!(SceneSnapshot { remaining: settled.remaining, ..asked }, settled);
}

async fn the_second_person_is_refused(pods: Pods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "1", &scan("ann")).await;
    let Settled::Refused(refusal, standing) = settle(&bus, "2", &scan("bob")).await else { panic!("bob got in") };
    assert_eq!((refusal, standing.who()), (SettleRefusal::State(SceneState::Scanned), Some(person("ann").openid)));
    let bobs = confirm(&Grant::issue(scene(1)), "bob");
    assert!(matches!(settle(&bus, "3", &bobs).await, Settled::Refused(SettleRefusal::Guard(SceneField::Who), _)));
}

async fn the_number_that_the_page_shows_has_to_be_picked(pods: Pods) {
    let (bus, grant, numbers) = (pods.bus, Grant::issue(scene(1)), NumberChallenge::random());
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let scan = Transition::Scan { account: account(), person: person("ann"), numbers: Some(numbers.clone()) };
    let Settled::Applied(standing) = settle(&bus, "1", &scan).await else { panic!("refused") };
    assert_eq!(standing.choices(), Some(numbers.choices));
    let EventKind::Scanned(told) = event(&mut watch).await.what else { panic!("not scanned") };
    assert_eq!(told.number, Some(numbers.right));
    let confirm = |picked| Transition::Confirm { account: account(), login: acceptance(&grant, "ann"), picked };
    let wrong = numbers.choices.into_iter().find(|choice| *choice != numbers.right);
    for (delivery, picked) in [("2", None), ("3", wrong)] {
        let settled = settle(&bus, delivery, &confirm(picked)).await;
        assert!(matches!(settled, Settled::Refused(SettleRefusal::Guard(SceneField::Number), _)), "{settled:?}");
    }
    apply(&bus, scene(1), "4", &confirm(Some(numbers.right))).await;
}

async fn the_same_delivery_is_answered_alike(pods: Pods) {
    let (bus, grant) = (pods.bus, Grant::issue(scene(1)));
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    let first = settle(&bus, "1", &log_in(&grant, "ann")).await;
    let again = settle(&bus, "1", &log_in(&grant, "ann")).await;
    let (Settled::Applied(first), Settled::Repeated(again)) = (first, again) else { panic!("not repeated") };
    assert!(same(&first, &again), "{first:?} is not {again:?}");
    assert_eq!(again.person(), Some(person("ann")));
    assert_eq!(heard(&mut watch).await, "confirmed");
    hears_nothing(&mut watch);
}

async fn the_same_delivery_at_once_on_two_pods_is_applied_once(pods: Pods) {
    let (here, there) = (pods.bus.clone(), pods.another());
    here.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = here.watch(scene(1), 0).await.unwrap();
    let all = at_once([here, there], |_| ("delivery".to_owned(), scan("ann"))).await;
    let [applied] = &all.applied[..] else { panic!("applied {} times", all.applied.len()) };
    assert_eq!(all.repeated.len(), 49);
    assert!(all.repeated.iter().all(|repeated| same(applied, repeated)));
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}

async fn of_fifty_people_at_once_one_is_first(pods: Pods) {
    let (here, there) = (pods.bus.clone(), pods.another());
    here.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = here.watch(scene(1), 0).await.unwrap();
    let all = at_once([here, there], |n| (format!("delivery {n}"), scan(&format!("person-{n}")))).await;
    let [applied] = &all.applied[..] else { panic!("applied {} times", all.applied.len()) };
    assert_eq!(all.refused.len(), 49);
    assert!(all.refused.iter().all(|refused| refused.who() == applied.who()));
    assert_eq!(heard(&mut watch).await, "scanned");
    hears_nothing(&mut watch);
}

async fn a_scene_expires_and_is_remembered(pods: Pods) {
    let bus = pods.bus;
    let brief = Opening { life: Duration::from_millis(30), ..opening() };
    bus.open(scene(1), &brief).await.unwrap();
    until_expired(&bus).await;
    let Settled::Refused(refusal, standing) = settle(&bus, "late", &scan("ann")).await else { panic!("not refused") };
    assert_eq!((refusal, standing.remaining), (SettleRefusal::State(SceneState::Expired), Duration::ZERO));
    assert!(!bus.open(scene(1), &opening()).await.unwrap(), "its tombstone is still there");
}

async fn a_grant_lives_from_its_confirmation_on(pods: Pods) {
    let (bus, grant) = (pods.bus, Grant::issue(scene(1)));
    bus.open(scene(1), &opening()).await.unwrap();
    let Settled::Applied(standing) = settle(&bus, "1", &log_in(&grant, "ann")).await else { panic!("refused") };
    assert_eq!((standing.state, standing.remaining), (SceneState::Confirmed, GRANT_LIFE));

    let (scene, life) = (scene(2), Duration::from_millis(30));
    bus.open(scene, &opening()).await.unwrap();
    let login = Transition::LogIn { account: account(), login: Acceptance { life, ..acceptance(&grant, "ann") } };
    apply(&bus, scene, "1", &login).await;
    until("the grant expires", async || bus.read(scene).await.unwrap().unwrap().state == SceneState::Expired).await;
    let late = bus.settle(scene, &cause("backend"), &redeem(grant.digest())).await.unwrap();
    assert!(matches!(late, Settled::Refused(SettleRefusal::State(SceneState::Expired), _)), "{late:?}");
}

async fn a_grant_is_redeemed_once_by_its_own_site_and_browser(pods: Pods) {
    let (bus, grant) = (pods.bus, Grant::issue(scene(1)));
    bus.open(scene(1), &opening()).await.unwrap();
    apply(&bus, scene(1), "1", &log_in(&grant, "ann")).await;
    let guarded = |account: &str, grant: GrantDigest, state: Option<&str>| Transition::Redeem {
        grant,
        account: account.parse().unwrap(),
        binding: state.map(Binding::of),
    };
    for (wrong, field) in [
        (guarded("other", grant.digest(), Some("session")), SceneField::Account),
        (guarded("demo", Grant::issue(scene(1)).digest(), Some("session")), SceneField::Grant),
        (guarded("demo", grant.digest(), Some("another session")), SceneField::Binding),
        (guarded("demo", grant.digest(), None), SceneField::Binding),
    ] {
        let settled = settle(&bus, "wrong", &wrong).await;
        assert!(matches!(settled, Settled::Refused(SettleRefusal::Guard(by), _) if by == field), "{settled:?}");
    }
    let right = redeem(grant.digest());
    let Settled::Applied(standing) = settle(&bus, "backend", &right).await else { panic!("not redeemed") };
    assert_eq!((standing.state, standing.person()), (SceneState::Redeemed, Some(person("ann"))));
    assert!(matches!(settle(&bus, "backend", &right).await, Settled::Repeated(again) if same(&again, &standing)));
    let twice = settle(&bus, "another backend", &right).await;
    assert!(matches!(twice, Settled::Refused(SettleRefusal::State(SceneState::Redeemed), _)), "{twice:?}");
}

async fn seq_grows(pods: Pods) {
    let (bus, grant) = (pods.bus, Grant::issue(scene(1)));
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    apply(&bus, scene(1), "1", &scan("ann")).await;
    apply(&bus, scene(1), "2", &confirm(&grant, "ann")).await;
    let (first, second) = (event(&mut watch).await.seq, event(&mut watch).await.seq);
    assert!(first < second, "{first} came before {second}");
    let since_the_year_2020 = 1_577_836_800_000_000;
    assert!(first > since_the_year_2020, "microseconds of the bus's clock: {first}");
}

async fn each_of_two_watchers_hears_everything(pods: Pods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    let (mut one, _) = bus.watch(scene(1), 0).await.unwrap();
    let (mut other, _) = bus.watch(scene(1), 0).await.unwrap();
    assert_eq!(bus.watched_scenes(), 1);
    apply(&bus, scene(1), "1", &scan("ann")).await;
    assert_eq!([heard(&mut one).await, heard(&mut other).await], ["scanned", "scanned"]);
    drop(one);
    apply(&bus, scene(1), "2", &Transition::Cancel).await;
    assert_eq!(heard(&mut other).await, "cancelled");
    drop(other);
    assert_eq!(bus.watched_scenes(), 0);
}

async fn a_page_that_reconnects_is_not_cleaned_up_with_its_old_connection(pods: Pods) {
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
        assert_eq!(heard(&mut new).await, "scanned");
    }
    assert_eq!(bus.watched_scenes(), 0);
}

async fn a_scene_that_is_left_and_watched_in_quick_turns_is_heard_in_the_end(pods: Pods) {
    let bus = pods.bus;
    bus.open(scene(1), &opening()).await.unwrap();
    for _ in 0..100 {
        // Some of these are dropped before their subscription is confirmed.
        tokio::select! {
            biased;
            watch = bus.watch(scene(1), 0) => drop(watch.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    let (mut watch, _) = bus.watch(scene(1), 0).await.unwrap();
    apply(&bus, scene(1), "scan", &scan("ann")).await;
    assert_eq!(heard(&mut watch).await, "scanned");
}

async fn settle(bus: &Bus, delivery: &str, transition: &Transition) -> Settled {
    bus.settle(scene(1), &cause(delivery), transition).await.unwrap()
}

fn redeem(grant: GrantDigest) -> Transition {
    Transition::Redeem { grant, account: account(), binding: Some(Binding::of("session")) }
}

/// Whether both say the same, but for the time that has passed.
fn same(before: &SceneSnapshot, after: &SceneSnapshot) -> bool {
    (before.state, &before.facts) == (after.state, &after.facts)
}

async fn until_expired(bus: &Bus) {
    until("the scene expires", async || bus.read(scene(1)).await.unwrap().unwrap().state == SceneState::Expired).await;
}

/// What became of fifty settles.
#[derive(Default)]
struct Outcomes {
    applied: Vec<SceneSnapshot>,
    repeated: Vec<SceneSnapshot>,
    refused: Vec<SceneSnapshot>,
}

/// Settles the first scene fifty times at once, by turns on each bus.
async fn at_once(buses: [Bus; 2], each: impl Fn(usize) -> (String, Transition)) -> Outcomes {
    let mut settles = JoinSet::new();
    for (n, bus) in buses.iter().cycle().cloned().enumerate().take(50) {
        let (delivery, transition) = each(n);
        settles.spawn(async move { settle(&bus, &delivery, &transition).await });
    }
    let mut outcomes = Outcomes::default();
    for settled in settles.join_all().await {
        match settled {
            Settled::Applied(standing) => outcomes.applied.push(standing),
            Settled::Repeated(standing) => outcomes.repeated.push(standing),
            Settled::Refused(_, standing) => outcomes.refused.push(standing),
            Settled::Unknown => panic!("the scene is unknown"),
        }
    }
    outcomes
}
