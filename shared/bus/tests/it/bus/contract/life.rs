//! A scene is opened once, is stored, and expires.

use std::time::Duration;

use scenecast_scene::{
    Acceptance, Binding, Cause, Grant, NewScene, SceneField, SceneSnapshot, SceneState, SettleRefusal, Settled,
    Transition,
};

use super::{redeem, settle};
use crate::{
    bus::TestPods,
    fixtures::{
        GRANT_LIFE, SCENE_LIFE, TestBus, acceptance, account, apply, cause, confirm, log_in, opening, scan, scene,
        until,
    },
};

scenecast_testing::over_each_backend! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    TestPods:
    a_scene_that_was_never_opened_is_unknown
    opening_a_scene_again_changes_nothing
    a_snapshot_shows_the_state_and_the_facts_of_a_scene
    an_expired_scene_is_remembered_as_a_tombstone
    the_life_of_a_grant_begins_with_the_confirmation
    a_scene_keeps_the_traces_of_its_opening_and_of_its_login
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

async fn until_expired(bus: &TestBus) {
    until("the scene expires", async || bus.read(scene(1)).await.unwrap().unwrap().state == SceneState::Expired).await;
}

async fn a_scene_keeps_the_traces_of_its_opening_and_of_its_login(pods: TestPods) {
    let bus = pods.bus;
    let context = |n| Some(format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{n}-01"));
    bus.open(scene(1), &NewScene { traceparent: context(1), ..opening() }).await.unwrap();
    let settle = async |name, n, transition: &Transition| {
        let cause = Cause { traceparent: context(n), ..cause(name) };
        let Settled::Applied(snapshot) = bus.settle(scene(1), &cause, transition).await.unwrap() else {
            panic!("{name}")
        };
        (snapshot.open_trace().map(str::to_owned), snapshot.login_trace().map(str::to_owned))
    };
    assert_eq!(settle("scan", 2, &scan("ann")).await, (context(1), None));
    let grant = Grant::issue(scene(1));
    assert_eq!(settle("yes", 3, &confirm(&grant, "ann")).await, (context(1), context(3)));
    assert_eq!(settle("redeem", 4, &redeem(grant.digest())).await, (context(1), context(3)));
}
