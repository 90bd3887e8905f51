//! The orders in which reads, confirmations, losses and live events can meet.

use std::time::Duration;

use futures_util::FutureExt;

use super::*;
use crate::scene::{DeliveryId, Happening, State};

fn scene() -> SceneId {
    "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()
}

fn event(seq: u64) -> Arc<Event> {
    let delivery = DeliveryId::of(&[&seq.to_string()]);
    Arc::new(Event { seq, delivery, received_at: 0, traceparent: None, what: Happening::Declined })
}

fn mailbox(seqs: impl IntoIterator<Item = u64>) -> Mailbox {
    let events = seqs.into_iter().map(event).collect();
    Mailbox { state: State::Open, remaining: Duration::from_secs(1), events }
}

/// A hub whose scene is subscribed, with a watcher that has caught up with an empty mailbox.
fn subscribed() -> (Hub, Watch) {
    let hub = Hub::new(|_| {});
    let (watch, confirmed) = hub.watch(scene(), 0);
    hub.confirm(scene(), hub.now());
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
    watch.caught_up(hub.now(), Some(&mailbox([])));
    (hub, watch)
}

/// The `seq` of all that the watcher has been told; `None` for a loss.
fn told(watch: &mut Watch) -> Vec<Option<u64>> {
    std::iter::from_fn(|| watch.next().now_or_never())
        .map(|notice| match notice {
            Notice::Event(event) => Some(event.seq),
            Notice::Lost => None,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_live_event_waits_for_those_before_it() {
    let (hub, mut watch) = subscribed();
    hub.lost(Loss::Messages, |_| true);
    hub.ring(scene(), &event(2));
    assert_eq!(told(&mut watch), []);
    hub.caught_up(scene(), hub.now(), Some(&mailbox([1, 2])));
    hub.ring(scene(), &event(3));
    assert_eq!(told(&mut watch), [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_read_that_began_before_a_loss_does_not_end_the_catch_up_after_it() {
    let (hub, mut watch) = subscribed();
    hub.lost(Loss::Messages, |_| true);
    let early = hub.now();
    hub.lost(Loss::Messages, |_| true);
    hub.caught_up(scene(), early, Some(&mailbox([])));
    hub.ring(scene(), &event(2));
    assert_eq!(told(&mut watch), [], "1 may have been lost");
    hub.caught_up(scene(), hub.now(), Some(&mailbox([1, 2])));
    assert_eq!(told(&mut watch), [Some(1), Some(2)]);
}

#[test]
fn a_read_that_began_before_a_watcher_came_does_not_end_its_catch_up() {
    let (hub, _first) = subscribed();
    let sweep = hub.now();
    hub.ring(scene(), &event(1));
    let (mut second, confirmed) = hub.watch(scene(), 0);
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
    hub.caught_up(scene(), sweep, Some(&mailbox([])));
    hub.ring(scene(), &event(2));
    second.caught_up(hub.now(), Some(&mailbox([1, 2])));
    assert_eq!(told(&mut second), [Some(1), Some(2)]);
}

#[test]
fn after_a_lost_connection_only_a_read_behind_the_new_subscription_counts() {
    let (hub, mut old) = subscribed();
    hub.lost(Loss::Subscriptions, |_| true);
    let (mut new, confirmed) = hub.watch(scene(), 0);
    assert_eq!(confirmed.now_or_never(), None, "it isn't subscribed on the new connection");
    let too_early = hub.now();
    hub.caught_up(scene(), too_early, Some(&mailbox([])));
    new.caught_up(too_early, Some(&mailbox([])));
    // Event 1 comes now, and nobody hears it.
    hub.confirm(scene(), hub.now());
    hub.ring(scene(), &event(2));
    hub.caught_up(scene(), too_early, Some(&mailbox([])));
    assert_eq!((told(&mut old), told(&mut new)), (vec![], vec![]));
    hub.caught_up(scene(), hub.now(), Some(&mailbox([1, 2])));
    assert_eq!((told(&mut old), told(&mut new)), (vec![Some(1), Some(2)], vec![Some(1), Some(2)]));
}

#[test]
fn a_confirmation_from_a_connection_that_is_gone_is_worth_nothing() {
    let hub = Hub::new(|_| {});
    let (_watch, mut confirmed) = hub.watch(scene(), 0);
    let asked = hub.now();
    hub.lost(Loss::Subscriptions, |_| true);
    hub.confirm(scene(), asked);
    assert_eq!((&mut confirmed).now_or_never(), None);
    hub.confirm(scene(), hub.now());
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
}

#[test]
fn a_loss_of_messages_leaves_the_subscription_in_effect() {
    let (hub, _watch) = subscribed();
    hub.lost(Loss::Messages, |_| true);
    let (mut second, confirmed) = hub.watch(scene(), 0);
    assert_eq!(confirmed.now_or_never(), Some(Ok(())));
    second.caught_up(hub.now(), Some(&mailbox([1])));
    assert_eq!(told(&mut second), [Some(1)]);
}

#[test]
fn whoever_holds_a_scene_that_redis_lost_is_told() {
    let (hub, mut watch) = subscribed();
    hub.ring(scene(), &event(1));
    hub.lost(Loss::Subscriptions, |_| true);
    hub.confirm(scene(), hub.now());
    hub.caught_up(scene(), hub.now(), None);
    hub.ring(scene(), &event(2));
    assert_eq!(told(&mut watch), [Some(1), None, Some(2)]);
}

#[test]
fn the_first_watcher_that_comes_and_the_last_that_leaves_are_told() {
    let changes = Arc::new(AtomicU64::new(0));
    let counted = changes.clone();
    let hub = Hub::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let changes = || changes.load(Ordering::SeqCst);
    let (first, _) = hub.watch(scene(), 0);
    let (second, _) = hub.watch(scene(), 0);
    assert_eq!((changes(), hub.watches(scene())), (1, true));
    drop(first);
    assert_eq!((changes(), hub.watches(scene())), (1, true));
    drop(second);
    assert_eq!((changes(), hub.watches(scene()), hub.held()), (2, false, 0));
}

#[test]
fn a_watcher_is_told_when_its_catch_up_takes_long_and_when_it_is_over() {
    let (hub, mut watch) = subscribed();
    hub.tell_of_doubt();
    hub.lost(Loss::Subscriptions, |_| true);
    hub.tell_of_doubt();
    assert_eq!(told(&mut watch), [], "it has only just begun");
    hub.tell_of_doubt();
    hub.tell_of_doubt();
    assert_eq!((watch.next().now_or_never(), watch.next().now_or_never()), (Some(Notice::Away), None), "once");
    hub.confirm(scene(), hub.now());
    hub.caught_up(scene(), hub.now(), Some(&mailbox([1])));
    assert_eq!(watch.next().now_or_never(), Some(Notice::Back));
    assert_eq!(told(&mut watch), [Some(1)]);
    hub.tell_of_doubt();
    assert_eq!(told(&mut watch), []);
}

#[test]
fn a_short_catch_up_is_nobodys_business() {
    let (hub, mut watch) = subscribed();
    for seq in 1..4 {
        hub.lost(Loss::Messages, |_| true);
        hub.tell_of_doubt();
        hub.caught_up(scene(), hub.now(), Some(&mailbox([seq])));
        assert_eq!(told(&mut watch), [Some(seq)]);
    }
}
