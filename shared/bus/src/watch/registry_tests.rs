//! Reads, confirmations, losses and live events, in every order that matters.

use std::{sync::atomic::AtomicU64, time::Duration};

use futures_util::FutureExt;

use super::*;
use scenecast_scene::{DeliveryId, EventKind, SceneState};

fn scene() -> SceneId {
    "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
}

fn event(seq: u64) -> Arc<Event> {
    let delivery = DeliveryId::of(&[&seq.to_string()]);
    Arc::new(Event { seq, delivery, received_at: 0, traceparent: None, what: EventKind::Declined })
}

fn mailbox(seqs: impl IntoIterator<Item = u64>) -> Mailbox {
    let events = seqs.into_iter().map(event).collect();
    Mailbox { state: SceneState::Open, remaining: Duration::from_secs(1), events }
}

/// A registry whose scene is subscribed, with a watcher that has caught up with an empty mailbox.
fn subscribed() -> (WatcherRegistry, Watch) {
    let registry = WatcherRegistry::new(|_| {});
    let (watch, confirmed) = registry.watch(scene(), 0);
    registry.confirm_subscription(scene(), registry.now());
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
    watch.complete_catch_up(registry.now(), Some(&mailbox([])));
    (registry, watch)
}

/// The `seq` of all that the watcher has been told; `None` for a loss.
fn notices(watch: &mut Watch) -> Vec<Option<u64>> {
    std::iter::from_fn(|| watch.next().now_or_never())
        .map(|notice| match notice {
            Notice::Event(event) => Some(event.seq),
            Notice::SceneLost => None,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_live_event_waits_for_those_before_it() {
    let (registry, mut watch) = subscribed();
    registry.mark_lost(Loss::Messages, |_| true);
    registry.deliver(scene(), &event(2));
    assert_eq!(notices(&mut watch), []);
    registry.complete_catch_up(scene(), registry.now(), Some(&mailbox([1, 2])));
    registry.deliver(scene(), &event(3));
    assert_eq!(notices(&mut watch), [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_read_that_began_before_a_loss_does_not_end_the_catch_up_after_it() {
    let (registry, mut watch) = subscribed();
    registry.mark_lost(Loss::Messages, |_| true);
    let early = registry.now();
    registry.mark_lost(Loss::Messages, |_| true);
    registry.complete_catch_up(scene(), early, Some(&mailbox([])));
    registry.deliver(scene(), &event(2));
    assert_eq!(notices(&mut watch), [], "1 may have been lost");
    registry.complete_catch_up(scene(), registry.now(), Some(&mailbox([1, 2])));
    assert_eq!(notices(&mut watch), [Some(1), Some(2)]);
}

#[test]
fn a_read_that_began_before_a_watcher_came_does_not_end_its_catch_up() {
    let (registry, _first) = subscribed();
    let sweep = registry.now();
    registry.deliver(scene(), &event(1));
    let (mut second, confirmed) = registry.watch(scene(), 0);
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
    registry.complete_catch_up(scene(), sweep, Some(&mailbox([])));
    registry.deliver(scene(), &event(2));
    second.complete_catch_up(registry.now(), Some(&mailbox([1, 2])));
    assert_eq!(notices(&mut second), [Some(1), Some(2)]);
}

#[test]
fn after_a_lost_connection_only_a_read_behind_the_new_subscription_counts() {
    let (registry, mut old) = subscribed();
    registry.mark_lost(Loss::Subscriptions, |_| true);
    let (mut new, confirmed) = registry.watch(scene(), 0);
    assert_eq!(confirmed.now_or_never(), None, "it isn't subscribed on the new connection");
    let too_early = registry.now();
    registry.complete_catch_up(scene(), too_early, Some(&mailbox([])));
    new.complete_catch_up(too_early, Some(&mailbox([])));
    // Event 1 is published now, and doesn't reach this registry.
    registry.confirm_subscription(scene(), registry.now());
    registry.deliver(scene(), &event(2));
    registry.complete_catch_up(scene(), too_early, Some(&mailbox([])));
    assert_eq!((notices(&mut old), notices(&mut new)), (vec![], vec![]));
    registry.complete_catch_up(scene(), registry.now(), Some(&mailbox([1, 2])));
    assert_eq!((notices(&mut old), notices(&mut new)), (vec![Some(1), Some(2)], vec![Some(1), Some(2)]));
}

#[test]
fn a_confirmation_from_a_lost_connection_is_ignored() {
    let registry = WatcherRegistry::new(|_| {});
    let (_watch, mut confirmed) = registry.watch(scene(), 0);
    let asked = registry.now();
    registry.mark_lost(Loss::Subscriptions, |_| true);
    registry.confirm_subscription(scene(), asked);
    assert_eq!((&mut confirmed).now_or_never(), None);
    registry.confirm_subscription(scene(), registry.now());
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
}

#[test]
fn a_loss_of_messages_leaves_the_subscription_in_effect() {
    let (registry, _watch) = subscribed();
    registry.mark_lost(Loss::Messages, |_| true);
    let (mut second, confirmed) = registry.watch(scene(), 0);
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
    second.complete_catch_up(registry.now(), Some(&mailbox([1])));
    assert_eq!(notices(&mut second), [Some(1)]);
}

#[test]
fn a_watcher_is_told_that_redis_lost_its_scene() {
    let (registry, mut watch) = subscribed();
    registry.deliver(scene(), &event(1));
    registry.mark_lost(Loss::Subscriptions, |_| true);
    registry.confirm_subscription(scene(), registry.now());
    registry.complete_catch_up(scene(), registry.now(), None);
    registry.deliver(scene(), &event(2));
    assert_eq!(notices(&mut watch), [Some(1), None, Some(2)]);
}

#[test]
fn the_first_watcher_and_the_last_one_that_leaves_are_reported() {
    let changes = Arc::new(AtomicU64::new(0));
    let counted = changes.clone();
    let registry = WatcherRegistry::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let changes = || changes.load(Ordering::SeqCst);
    let (first, _) = registry.watch(scene(), 0);
    let (second, _) = registry.watch(scene(), 0);
    assert_eq!((changes(), registry.is_watched(scene())), (1, true));
    drop(first);
    assert_eq!((changes(), registry.is_watched(scene())), (1, true));
    drop(second);
    assert_eq!((changes(), registry.is_watched(scene()), registry.watched_scenes()), (2, false, 0));
}

#[test]
fn a_watcher_is_told_that_its_catch_up_takes_long_and_that_it_is_over() {
    let (registry, mut watch) = subscribed();
    registry.notify_stale_watchers();
    registry.mark_lost(Loss::Subscriptions, |_| true);
    registry.notify_stale_watchers();
    assert_eq!(notices(&mut watch), [], "it has only just begun");
    registry.notify_stale_watchers();
    registry.notify_stale_watchers();
    assert_eq!((watch.next().now_or_never(), watch.next().now_or_never()), (Some(Notice::Interrupted), None), "once");
    registry.confirm_subscription(scene(), registry.now());
    registry.complete_catch_up(scene(), registry.now(), Some(&mailbox([1])));
    assert_eq!(watch.next().now_or_never(), Some(Notice::Resumed));
    assert_eq!(notices(&mut watch), [Some(1)]);
    registry.notify_stale_watchers();
    assert_eq!(notices(&mut watch), []);
}

#[test]
fn a_short_catch_up_is_not_reported() {
    let (registry, mut watch) = subscribed();
    for seq in 1..4 {
        registry.mark_lost(Loss::Messages, |_| true);
        registry.notify_stale_watchers();
        registry.complete_catch_up(scene(), registry.now(), Some(&mailbox([seq])));
        assert_eq!(notices(&mut watch), [Some(seq)]);
    }
}

#[test]
fn a_scene_that_is_presumed_unchanged_is_live_at_once_and_tells_of_its_loss_when_it_is_read() {
    let registry = WatcherRegistry::new(|_| {});
    let (mut watch, _) = registry.watch(scene(), 0);
    registry.confirm_subscription(scene(), registry.now());
    watch.presume_unchanged(registry.now());
    registry.deliver(scene(), &event(2));
    assert_eq!(notices(&mut watch), [Some(2)]);
    registry.begin_catch_up(scene());
    registry.complete_catch_up(scene(), registry.now(), Some(&mailbox([1, 2, 3])));
    assert_eq!(notices(&mut watch), [Some(3)], "each event once");
    registry.begin_catch_up(scene());
    registry.complete_catch_up(scene(), registry.now(), None);
    assert_eq!(notices(&mut watch), [None]);
}

#[test]
fn a_scene_whose_subscription_is_lost_already_is_not_presumed_unchanged() {
    let registry = WatcherRegistry::new(|_| {});
    let (mut watch, _) = registry.watch(scene(), 0);
    registry.confirm_subscription(scene(), registry.now());
    registry.mark_lost(Loss::Subscriptions, |_| true);
    watch.presume_unchanged(registry.now());
    registry.deliver(scene(), &event(1));
    assert_eq!(notices(&mut watch), [], "a mailbox is to be read first");
    registry.confirm_subscription(scene(), registry.now());
    registry.complete_catch_up(scene(), registry.now(), Some(&mailbox([1])));
    assert_eq!(notices(&mut watch), [Some(1)]);
}
