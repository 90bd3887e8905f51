//! Watchers get every event of their scene once, in order, and of no other scene.

use futures_util::FutureExt;
use scenecast_bus::Notice;
use scenecast_scene::{Grant, SceneState, Transition};

use crate::{
    bus::TestPods,
    fixtures::{
        SCENE_LIFE, apply, assert_no_notice, cause, confirm, next_event, next_event_kind, next_notice, opening, scan,
        scene,
    },
};

scenecast_testing::over_each_backend! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    TestPods:
    a_watcher_gets_each_settled_event
    a_watcher_on_another_pod_gets_the_event
    a_watcher_of_a_new_scene_gets_its_events
    a_watcher_gets_the_events_of_the_mailbox_then_live_ones_each_once
    a_watcher_that_comes_before_the_scene_is_opened_gets_its_events
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

async fn a_watcher_of_a_new_scene_gets_its_events(pods: TestPods) {
    let here = &pods.bus;
    let there = pods.another_pod();
    here.open(scene(1), &opening()).await.unwrap();
    let mut watch = there.watch_unseen(scene(1)).await.unwrap();
    apply(here, scene(1), "scan", &scan("ann")).await;
    assert_eq!(next_event_kind(&mut watch).await, "scanned");
    assert_no_notice(&mut watch);
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
